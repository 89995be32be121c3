"""Polling with `sleep(0)`: turns that only look whether something has come are made longer, so that they are few."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable
from types import FunctionType, MethodType
from typing import Any

from sim.host.tasks import coroutine_frames
from sim.units import MS

REPEATS = 4
"""Equal turns after which a poll is one."""

HANDLES_MAX = 64
"""Turns of more callbacks than this are never taken for a poll."""

CLOCK_STEP_NS = MS
"""The longest turn of a poll that reads a clock: how late it may notice that its time has come."""

_GROWTH_BITS = 4
"""Each turn of a poll is two to this many times as long as the one before."""

_GROWTH_BITS_MAX = 20

_SIZED = frozenset((list, dict, set, deque, bytearray))
_OPAQUE = frozenset((int, str, bytes, float, bool, tuple, type(None), MethodType, FunctionType))


def _step_type() -> Any:
    async def nothing() -> None:
        pass

    loop = asyncio.BaseEventLoop()
    task = asyncio.Task(nothing(), loop=loop)
    callback: Any = loop._ready[0]._callback  # type: ignore[attr-defined]
    callback()
    assert task.done()
    loop.close()
    return type(callback)


STEP = _step_type()
"""What a task schedules to be resumed from a bare `yield`; a wake-up by a future is of another type."""


class Spin:
    """Finds polls.

    A turn polls if it steps the same tasks as the turn before, each resumed from a bare `yield`, every local variable
    of their coroutines is the same object as then, with the same attributes or the same number of items in it, and
    nothing reached the loop or left it meanwhile. So work that is split by `sleep(0)` is none: its variables change, or
    what they hold does.

    `repeats` counts equal turns; above `REPEATS` it is a poll. `turns_avoided` is what it saved.
    """

    __slots__ = ("_stand", "_tasks", "activity", "repeats", "turns_avoided")

    def __init__(self) -> None:
        self.activity = -1
        self.repeats = 0
        self.turns_avoided = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._stand: list[Any] | None = None

    def look(self, ready: Iterable[Any], activity: int) -> None:
        """Compare the turn that is about to run with the one before."""
        tasks = []
        for handle in ready:
            if type(handle._callback) is not STEP:
                self.reset(activity)
                return
            tasks.append(handle._callback.__self__)
        if activity != self.activity or tasks != self._tasks:
            self.reset(activity)
            self._tasks = tasks
            return
        self.repeats += 1
        if self.repeats >= REPEATS:
            before, self._stand = self._stand, _stand(tasks)
            if before is not None and not _same(before, self._stand):
                self.reset(activity)
                self._tasks = tasks

    def goes_on(self, ready: Collection[Any], activity: int) -> bool:
        """Say whether the turn that ran changed nothing: what is ready now is the same poll, which found nothing."""
        if activity != self.activity or len(ready) != len(self._tasks):
            return False
        return all(
            type(handle._callback) is STEP and handle._callback.__self__ is task
            for handle, task in zip(ready, self._tasks, strict=True)
        )

    def reset(self, activity: int) -> None:
        """Something happened: begin to count anew."""
        self.activity = activity
        self.repeats = 0
        self._tasks = []
        self._stand = None

    def stretched(self, cost_ns: int, limit_ns: int | None, clock_read: bool) -> int:
        """Return how long a polling turn takes that would cost *cost_ns*: sixteen times as long as the one before.

        Args:
            limit_ns: time until the next timer, which it does not pass.
            clock_read: whether the poll reads a clock.
        """
        wanted_ns = cost_ns << min((self.repeats - REPEATS) * _GROWTH_BITS, _GROWTH_BITS_MAX)
        if clock_read:
            wanted_ns = min(wanted_ns, CLOCK_STEP_NS)
        if limit_ns is not None:
            wanted_ns = min(wanted_ns, limit_ns)
        return max(wanted_ns, cost_ns)


def _stand(tasks: Iterable[asyncio.Task[Any]]) -> list[Any]:
    """Return where each coroutine waits, what its variables hold, and what those hold in turn."""
    stand: list[Any] = []
    for task in tasks:
        for frame in coroutine_frames(task.get_coro()):
            variables = frame.f_locals
            stand += (frame.f_code, frame.f_lasti, *variables.values())
            for value in variables.values():
                kind = type(value)
                if kind in _SIZED:
                    stand.append(len(value))
                elif kind not in _OPAQUE:
                    for held in getattr(value, "__dict__", {}).values():
                        stand.append(held)
                        if type(held) in _SIZED:
                            stand.append(len(held))
            if type(variables) is dict:  # until 3.12 a copy that the frame keeps, and with it what is in it
                variables.clear()
    return stand


def _same(before: list[Any], after: list[Any]) -> bool:
    return len(before) == len(after) and all(
        one is other or (type(one) is int and one == other) for one, other in zip(before, after, strict=True)
    )
