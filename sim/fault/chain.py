"""Faults of the chain: a reorg moves the head to a competing branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sim.chain.chain import HeadChange
from sim.fault.schedule import When
from sim.rng import Stream

DEPTH_MAX = 64


class Reorganises(Protocol):
    """A proposer that can bring a competing branch to the top."""

    def reorg(self, depth: int) -> HeadChange:
        """Replace the newest *depth* blocks."""
        ...


@dataclass(frozen=True, slots=True)
class ReorgSpec:
    """The head moves to another branch.

    Args:
        depth: number of blocks replaced, at least.
        deeper_ratio: chance of each further block, so that depths above `depth` are geometric.
    """

    id: str
    when: When
    depth: int = 1
    deeper_ratio: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= DEPTH_MAX or not 0.0 <= self.deeper_ratio < 1.0:
            raise ValueError(f"a reorg's depth is in 1..{DEPTH_MAX}, its deeper_ratio in [0, 1): {self}")


class Reorg:
    """The newest blocks are replaced by a competing branch at an instant."""

    kind = "reorg"
    site = "chain"

    def __init__(self, spec: ReorgSpec, proposer: Reorganises, stream: Stream) -> None:
        self.id = spec.id
        self.when = spec.when
        self._spec = spec
        self._proposer = proposer
        self._stream = stream

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Replace the blocks."""
        depth = self._spec.depth
        while depth < DEPTH_MAX and self._stream.chance(self._spec.deeper_ratio, "deeper", ordinal, depth):
            depth += 1
        change = self._proposer.reorg(depth)
        return {"depth": len(change.removed), "depth_wanted": depth}

    def end(self) -> None:
        """A branch that lost does not come back."""
