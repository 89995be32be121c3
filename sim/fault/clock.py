"""Faults of the bot's wall clock: somebody, or NTP, sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sim.fault.schedule import When


class WallClock(Protocol):
    """A clock that can be set; the monotonic clock beside it never moves by that."""

    def step_wall(self, by_ns: int) -> None:
        """Move it by *by_ns*, back if that is below zero."""
        ...


@dataclass(frozen=True, slots=True)
class ClockStepSpec:
    """The wall clock jumps by *by_ns*; after the fault's duration, if it has one, it jumps back."""

    id: str
    when: When
    by_ns: int

    def __post_init__(self) -> None:
        if self.by_ns == 0:
            raise ValueError(f"a clock that steps by nothing is no fault: {self}")


class ClockStep:
    """The bot's wall clock jumps."""

    kind = "clock_step"
    site = "bot"

    def __init__(self, spec: ClockStepSpec, clock: WallClock) -> None:
        self.id = spec.id
        self.when = spec.when
        self._spec = spec
        self._clock = clock

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Set it."""
        self._clock.step_wall(self._spec.by_ns)
        return {"by_ns": self._spec.by_ns}

    def end(self) -> None:
        """Set it right, where the fault lasts for a while; a step without a duration stays."""
        if self.when.duration_ns:
            self._clock.step_wall(-self._spec.by_ns)
