"""Processors: how many the bot is told of, and the one that a flight with threads stays on.

Of the bot's threads exactly one runs at a time, so a second processor does no work for them. Handing over to a thread
that sleeps on another processor costs two wake-ups across processors, each dearer than all that the baton itself does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sim.host.takeover import take_over

COUNT = 4
"""Processors of the bot's machine. An executor's default size follows from it, so it must not be the real number."""

_ENTRY = "/sys/devices/system/cpu/cpu{}"
_real_allowed = os.sched_getaffinity
_real_pin = os.sched_setaffinity


def stay_on_one() -> int | None:
    """Keep this thread, and those it will start, on a processor that no other flight stays on.

    The claim is a lock on the processor's entry in `/sys`; it ends with the process.

    Returns:
        The processor; None if each has a flight already or the kernel does not say what there is.
    """
    for number in _nearest_first(_real_allowed(0)):
        try:
            entry = os.open(_ENTRY.format(number), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _real_pin(0, {number})
        except OSError:
            os.close(entry)
            continue
        return number
    return None


def _nearest_first(allowed: Iterable[int]) -> list[int]:
    """Return the processors in their order, but for the one that runs this, which comes first."""
    try:
        here = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[36])
    except (OSError, ValueError, IndexError):
        here = -1
    return sorted(allowed, key=lambda number: (number != here, number))


def install() -> None:
    """Answer `os.cpu_count` and its kin from the simulated machine, for good."""
    told = "tells of four processors, wherever the flight is"
    rows: tuple[tuple[str, Callable[..., Any], str], ...] = (
        ("cpu_count", lambda: COUNT, told),
        ("process_cpu_count", lambda: COUNT, told),
        ("sched_getaffinity", lambda pid, /: set(range(COUNT)), told),
        ("sched_setaffinity", lambda pid, mask, /: None, "does nothing"),
    )
    for name, function, _ in rows:
        function.__name__ = function.__qualname__ = name
    take_over((os, *row) for row in rows)
