"""The edge of what is simulated: whatever would leave it is refused where it is called, and noted."""

from __future__ import annotations

import socket
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from sim.errors import BoundaryError

_FENCED_EVENTS = {
    "socket.connect": "connecting a real socket",
    "socket.bind": "binding a real socket",
    "socket.sendto": "sending on a real socket",
    "socket.gethostbyname": "socket.gethostbyname",
    "socket.getaddrinfo": "socket.getaddrinfo",
    "subprocess.Popen": "starting a subprocess",
    "os.system": "os.system",
    "os.fork": "os.fork",
    "os.forkpty": "os.forkpty",
    "os.exec": "os.exec",
    "os.posix_spawn": "os.posix_spawn",
    "os.spawn": "os.spawn",
}

on_refused: Callable[[BoundaryError], None] | None = None
"""Told of every refusal while a bot flies; the flight sets it and it becomes a finding."""


def refuse(api: str, mend: str = "") -> NoReturn:
    """Raise `BoundaryError` at the bot's call and tell the flight.

    Raises:
        BoundaryError: always.
    """
    error = BoundaryError(api, "".join(traceback.format_stack(sys._getframe(1))), mend)
    if on_refused is not None:
        on_refused(error)
    raise error


def _audit(event: str, args: tuple[object, ...]) -> None:
    api = _FENCED_EVENTS.get(event)
    if event == "socket.bind" and getattr(args[0], "family", None) == socket.AF_INET6:
        raise OSError(99, "Cannot assign requested address")  # the machine has no IPv6; libraries ask at import
    if api is not None and on_refused is not None:
        refuse(api, "a flight has no real network and no other processes")


def install() -> None:
    """Fence this process, for good; it acts only while `on_refused` is set."""
    sys.addaudithook(_audit)
