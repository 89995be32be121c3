"""Faults of the bot's process: it crashes, and is started again after a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sim.fault.schedule import When


class Crashes(Protocol):
    """A process that can be lost and started again."""

    def crash(self, restart_ns: int, silent: bool) -> bool:
        """Let it crash at this instant and start again *restart_ns* later; return False if it is down already."""
        ...


@dataclass(frozen=True, slots=True)
class CrashSpec:
    """The bot's process is gone from one instant to the next.

    Args:
        restart_ns: how long until it is started again.
        silent: whether its peers hear nothing meanwhile; else their connections are reset at once.
    """

    id: str
    when: When
    restart_ns: int
    silent: bool

    def __post_init__(self) -> None:
        if self.restart_ns <= 0 or self.when.duration_ns:
            raise ValueError(f"a crash happens at an instant, and the next start is later: {self}")


class Crash:
    """Nothing of the bot runs any more; what it had written to its files is there at the next start."""

    kind = "crash"
    site = "bot"

    def __init__(self, spec: CrashSpec, process: Crashes) -> None:
        self.id = spec.id
        self.when = spec.when
        self._spec = spec
        self._process = process

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Let it crash."""
        crashed = self._process.crash(self._spec.restart_ns, self._spec.silent)
        return {"restart_ns": self._spec.restart_ns, "silent": self._spec.silent, "was_down": not crashed}

    def end(self) -> None:
        """The start comes by itself."""
