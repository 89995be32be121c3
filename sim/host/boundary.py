"""The edge of what is simulated: whatever would leave it is refused where it is called, and noted."""

from __future__ import annotations

import _posixsubprocess
import os
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from sim.errors import BoundaryError
from sim.host.takeover import REFUSED, take_over


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that a flight refuses.

    Args:
        mend: what to do instead.
        module: the module of ours that refuses it.
    """

    mend: str
    module: str


refusals: dict[str, Refusal] = {}
"""Everything that is refused, by the name that a program says; nothing is refused that is not declared here."""

on_refused: Callable[[BoundaryError], None] | None = None
"""Told of every refusal while a bot flies; the flight sets it and it becomes a finding."""


def fence(api: str, mend: str) -> str:
    """Declare that *api* is refused, and return it; whoever stands in its place calls `refuse` with it."""
    refusals[api] = Refusal(mend, sys._getframe(1).f_globals["__name__"])
    return api


def refuse(api: str, detail: str = "") -> NoReturn:
    """Raise `BoundaryError` at the bot's call and tell the flight.

    Args:
        api: something that was declared by `fence`.
        detail: what this call has of its own, after the mend.

    Raises:
        BoundaryError: always.
    """
    assert api in refusals, f"{api} is refused, but no `fence` declares it"
    mend = f"{refusals[api].mend} ({detail})" if detail else refusals[api].mend
    error = BoundaryError(api, "".join(traceback.format_stack(sys._getframe(1))), mend)
    if on_refused is not None:
        on_refused(error)
    raise error


_NO_NETWORK = "a flight has no real network: dial hosts of the scenario with asyncio or `socket`"
_NO_PROCESSES = "a flight has no other processes"
_EVENTS = {
    **{
        event: fence(f"{event.replace('socket.', '_socket.')} (the real one)", _NO_NETWORK)
        for event in (
            "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.sethostname",
            "socket.getaddrinfo",
        )
    },
    **{
        event: fence(event, _NO_PROCESSES)
        for event in (
            "subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn",
        )
    },
}  # fmt: skip
"""By the name of its audit event."""

_ASK = "use os.urandom, secrets or random: the seed answers them"
_FILES = {
    path: fence(f"open('{path}')", mend)
    for path, mend in (
        ("/dev/urandom", _ASK),
        ("/dev/random", _ASK),
        ("/dev/hwrng", _ASK),
        ("/proc/sys/kernel/random/uuid", "use uuid.uuid4: the seed answers it"),
        ("/proc/sys/kernel/random/boot_id", "it differs on each machine and after each start of it"),
    )
}
_FILE_NAMES = frozenset(os.path.basename(path) for path in _FILES)  # noqa: PTH119  # for each open of a flight

_SYMBOLS = {
    name: fence(f"ctypes: {name}", mend)
    for mend, names in (
        (
            "use os.urandom: the seed answers it",
            ("getrandom", "getentropy", "arc4random", "arc4random_buf", "RAND_bytes"),
        ),
        (
            "use the module time: virtual time answers it",
            ("clock_gettime", "gettimeofday", "clock_nanosleep", "nanosleep", "usleep"),
        ),
    )
    for name in names
}
"""Functions of C libraries that ctypes may not look up: nothing of ours stands between them and the kernel."""

_FORK_EXEC = fence("_posixsubprocess.fork_exec", _NO_PROCESSES)


def _audit(event: str, args: tuple[object, ...]) -> None:
    api = _EVENTS.get(event)
    if event == "socket.bind" and getattr(args[0], "family", None) == socket.AF_INET6:
        raise OSError(99, "Cannot assign requested address")  # the machine has no IPv6; libraries ask at import
    if on_refused is None:
        return
    if api is not None:
        refuse(api)
    if event == "open":
        _check_file(args[0])
    elif event == "ctypes.dlsym" and args[1] in _SYMBOLS:
        refuse(_SYMBOLS[str(args[1])])


def _check_file(path: object) -> None:
    """Refuse a file that holds real chance."""
    if isinstance(path, int):
        return
    name = os.fsdecode(path)  # type: ignore[arg-type]
    if name.rpartition("/")[2] in _FILE_NAMES:
        real = os.path.realpath(name)
        if real in _FILES:
            refuse(_FILES[real])


def _no_fork_exec(*_: object) -> NoReturn:
    refuse(_FORK_EXEC)


def install() -> None:
    """Fence this process, for good; audit events count only while `on_refused` is set."""
    sys.addaudithook(_audit)
    take_over([(_posixsubprocess, "fork_exec", _no_fork_exec, REFUSED)])
