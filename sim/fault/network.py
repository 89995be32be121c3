"""The fault of a wire to a host that gets slow for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sim.fault.schedule import When


class Wire(Protocol):
    """The way to a host: each round trip takes what is drawn times `factor` plus `extra_ns`."""

    factor: float
    extra_ns: int


class Slowdowns:
    """The spikes on one wire: those that overlap multiply and add up, in whatever order they end."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._active: dict[str, tuple[float, int]] = {}

    def begin(self, fault_id: str, factor: float, extra_ns: int) -> None:
        """Let a fault slow the wire down."""
        self._active[fault_id] = (factor, extra_ns)
        self._set()

    def end(self, fault_id: str) -> None:
        """Take a fault's hold off the wire; others keep theirs."""
        self._active.pop(fault_id, None)
        self._set()

    def _set(self) -> None:
        factor, extra_ns = 1.0, 0
        for _, (each_factor, each_extra_ns) in sorted(self._active.items()):
            factor, extra_ns = factor * each_factor, extra_ns + each_extra_ns
        self._wire.factor, self._wire.extra_ns = factor, extra_ns


@dataclass(frozen=True, slots=True)
class LatencySpec:
    """A latency spike on the wire to *node*.

    Args:
        factor: what a round trip is multiplied by.
        extra_ns: what is added to it then.
    """

    id: str
    when: When
    node: str
    factor: float = 1.0
    extra_ns: int = 0

    def __post_init__(self) -> None:
        if self.factor < 0.0 or self.extra_ns < 0:
            raise ValueError(f"latency can only be multiplied and added to by at least 0: {self}")


class LatencySpike:
    """The wire to a node gets slow for a while."""

    kind = "latency"

    def __init__(self, spec: LatencySpec, slowdowns: Slowdowns) -> None:
        self.id = spec.id
        self.site = spec.node
        self.when = spec.when
        self._spec = spec
        self._slowdowns = slowdowns

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Slow the wire down."""
        self._slowdowns.begin(self.id, self._spec.factor, self._spec.extra_ns)
        return {"factor": self._spec.factor, "extra_ns": self._spec.extra_ns}

    def end(self) -> None:
        """Take the hold off."""
        self._slowdowns.end(self.id)
