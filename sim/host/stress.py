"""Stress: the baton changes hands at really random points of the bot's code, so no two flights are alike.

Under the interpreter's lock one thread runs at a time, and a switch is a hand-over between two instructions. This is
that, made frequent: after a random number of points at which this interpreter may switch (a function's start, the end
of a call, the head of a loop that goes round again), for a random stretch of virtual time. Threads do not run free on
the real clock, since a wait has a meaning in virtual time alone; and none is interrupted inside a library or in C.
"""

from __future__ import annotations

import _random
import dis
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType
from typing import Any

from sim.host import machine as machines
from sim.host.threads import Baton
from sim.units import MS

POINTS_MAX = 50
"""At most so many points between two hand-overs."""

HELD_UP_NS_MAX = 5 * MS
"""How long a thread may wait for its next turn: the interpreter's switch interval."""


class Stress:
    """Traces the bot's own code in every thread and hands over now and then.

    Args:
        is_own: whether a file is the bot's own code.
    """

    def __init__(self, baton: Baton, is_own: Callable[[str], bool]) -> None:
        self._baton = baton
        self._is_own = cache(is_own)
        self._chance = _random.Random()  # seeded by the system, not by the flight
        self._left = 1

    def start(self) -> None:
        """Begin, in this thread and in those that are started from now on."""
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        if not self._is_own(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "opcode" and self._baton.alive and frame.f_lasti in _points(frame.f_code):
            self._left -= 1
            if self._left <= 0 and machines.running is self._baton.machine:
                self._left = 1 + int(self._chance.random() * POINTS_MAX)
                held_up_ns = int(self._chance.random() ** 4 * HELD_UP_NS_MAX)  # mostly short
                self._baton.block("its turn", held_up_ns, lambda waiter: None)
        return self._step


@cache
def _points(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions before which this interpreter may switch threads."""
    points, after_call = set(), False
    for each in dis.get_instructions(code):
        if after_call:
            points.add(each.offset)
        after_call = each.opname == "RESUME" or each.opname.startswith("CALL")
        if each.opname.startswith("JUMP_BACKWARD"):
            points.add(each.argval)
    return frozenset(points)
