"""The edge of what is simulated: whatever would leave it is refused where it is called, and noted."""

from __future__ import annotations

import os
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

_FENCED_FILES = {
    "/dev/urandom": "use os.urandom, secrets or random: the seed answers them",
    "/dev/random": "use os.urandom, secrets or random: the seed answers them",
    "/dev/hwrng": "use os.urandom, secrets or random: the seed answers them",
    "/proc/sys/kernel/random/uuid": "use uuid.uuid4: the seed answers it",
    "/proc/sys/kernel/random/boot_id": "it differs on each machine and after each start of it",
}
_FENCED_NAMES = frozenset(os.path.basename(path) for path in _FENCED_FILES)  # noqa: PTH119  # for each open of a flight

_FENCED_SYMBOLS = {
    **dict.fromkeys(
        ("getrandom", "getentropy", "arc4random", "arc4random_buf", "RAND_bytes"), "use os.urandom: the seed answers it"
    ),
    **dict.fromkeys(
        ("clock_gettime", "gettimeofday", "clock_nanosleep", "nanosleep", "usleep"),
        "use the module time: virtual time answers it",
    ),
}
"""Functions of C libraries that ctypes may not look up: nothing of ours stands between them and the kernel."""

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
    if on_refused is None:
        return
    if api is not None:
        refuse(api, "a flight has no real network and no other processes")
    if event == "open":
        _check_file(args[0])
    elif event == "ctypes.dlsym" and args[1] in _FENCED_SYMBOLS:
        refuse(f"ctypes: {args[1]}", _FENCED_SYMBOLS[str(args[1])])


def _check_file(path: object) -> None:
    """Refuse a file that holds real chance."""
    if isinstance(path, int):
        return
    name = os.fsdecode(path)  # type: ignore[arg-type]
    if name.rpartition("/")[2] in _FENCED_NAMES:
        real = os.path.realpath(name)
        if real in _FENCED_FILES:
            refuse(f"open('{real}')", _FENCED_FILES[real])


def install() -> None:
    """Fence this process, for good; it acts only while `on_refused` is set."""
    sys.addaudithook(_audit)
