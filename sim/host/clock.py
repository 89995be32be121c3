"""Virtual time: a SimPy environment in integer nanoseconds, shared by the bot and its world."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.core import EmptySchedule

# Order of what falls on one instant. SimPy's own URGENT (0) and NORMAL (1) are the first two.
FAULT = 0
WORLD = 1
LOOP = 2
MONITOR = 3

# What a flight shows its supervisor in `NsEnvironment.pulse`: virtual time (0), signs of life (1), and about pdb:
# whether a person holds the flight, whether the supervisor has seen that, and how often it was.
HELD, SEEN, STOPS = 2, 3, 4


class Call:
    """A plain callable on SimPy's queue; `cancel` leaves it there as a no-op."""

    __slots__ = ("args", "function")

    def __init__(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.function: Callable[..., object] | None = function
        self.args = args

    def cancel(self) -> None:
        """Make it do nothing when its time comes."""
        self.function = None
        self.args = ()


class NsEnvironment(simpy.Environment):
    """SimPy's environment with integer time and absolute scheduling.

    `now` counts nanoseconds since the start of the flight. Delays never go through floats, so a timer's instant is
    what was asked for.
    """

    def __init__(self) -> None:
        super().__init__(initial_time=0)
        self._now: int = 0
        self.pulse: memoryview | None = None
        self.on_error: Callable[[Exception, bool], None] | None = None
        """Told of what an event raised, before whoever stepped sees it: that may be the bot, and swallow it."""

    @property
    def now(self) -> int:
        """The present instant, in ns."""
        return self._now

    def at(self, t_ns: int, function: Callable[..., object], *args: Any, priority: int = WORLD) -> Call:
        """Call *function* at *t_ns*, or now if that has passed."""
        call = Call(function, args)
        queue: list[Any] = self._queue
        heappush(queue, (max(t_ns, self._now), priority, next(self._eid), call))
        return call

    def after(self, delay_ns: int, function: Callable[..., object], *args: Any, priority: int = WORLD) -> Call:
        """Call *function* after *delay_ns*."""
        return self.at(self._now + delay_ns, function, *args, priority=priority)

    def advance(self, t_ns: int) -> None:
        """Move the clock to *t_ns* inside an event, which is legal only while nothing else is due before it."""
        assert self._now <= t_ns <= self.peek(), f"advance to {t_ns}: now is {self._now}, next event {self.peek()}"
        self._now = t_ns

    def beat(self) -> None:
        """Show whoever watches this process from outside that virtual time, or at least work, goes on."""
        pulse = self.pulse
        if pulse is not None:
            pulse[0] = self._now
            pulse[1] += 1

    def step(self) -> None:
        """Process the next event.

        Raises:
            EmptySchedule: nothing is left to happen.
        """
        queue: list[Any] = self._queue
        try:
            self._now, _, _, event = heappop(queue)
        except IndexError:
            raise EmptySchedule from None
        if self.pulse is not None:
            self.beat()
        try:
            if type(event) is Call:
                if event.function is not None:
                    event.function(*event.args)
                return
            callbacks, event.callbacks = event.callbacks, None
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value  # noqa: TRY301 (SimPy's own way to fail; a call more would cost each event)
        except Exception as error:
            if self.on_error is not None:
                self.on_error(error, True)
            raise
