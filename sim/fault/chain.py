"""Faults of the chain: a reorg moves the head to a competing branch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from sim.chain.chain import Chain, HeadChange
from sim.chain.transaction import Transaction
from sim.fault.schedule import When
from sim.rng import Stream

DEPTH_MAX = 64


class Reorganises(Protocol):
    """A proposer that can bring a competing branch to the top."""

    def reorg(self, depth: int, skip: Collection[bytes]) -> HeadChange:
        """Replace the newest *depth* blocks by others that do not hold the transactions in *skip*."""
        ...


@dataclass(frozen=True, slots=True)
class ReorgSpec:
    """The head moves to another branch.

    Args:
        depth: number of blocks replaced, at least.
        deeper_ratio: chance of each further block, so that depths above `depth` are geometric.
        unseen_ratio: chance of each transaction in them that the other proposers never saw it; it returns to the
            mempool. The others stand in the new branch too.
    """

    id: str
    when: When
    depth: int
    deeper_ratio: float
    unseen_ratio: float

    def __post_init__(self) -> None:
        if (
            not 1 <= self.depth <= DEPTH_MAX
            or not 0.0 <= self.deeper_ratio < 1.0
            or not 0.0 <= self.unseen_ratio <= 1.0
        ):
            raise ValueError(f"a reorg's depth is in 1..{DEPTH_MAX}, deeper in [0, 1), unseen in 0..1: {self}")


class Reorg:
    """The newest blocks are replaced by a competing branch at an instant."""

    kind = "reorg"
    site = "chain"

    def __init__(self, spec: ReorgSpec, chain: Chain, proposer: Reorganises, stream: Stream) -> None:
        self.id = spec.id
        self.when = spec.when
        self._spec = spec
        self._chain = chain
        self._proposer = proposer
        self._stream = stream

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Replace the blocks; near the start block and the finalized one there may be fewer than were asked for."""
        depth = self._spec.depth
        while depth < DEPTH_MAX and self._stream.chance(self._spec.deeper_ratio, "deeper", ordinal, depth):
            depth += 1
        unseen = {tx.hash for tx in self._newest(depth) if self._is_unseen(ordinal, tx)}
        change = self._proposer.reorg(depth, unseen)
        lost = [f"0x{tx.hash.hex()}" for block in change.removed for tx in block.transactions if tx.hash in unseen]
        return {"depth": len(change.removed), "depth_wanted": depth, "unseen": lost}

    def end(self) -> None:
        """A branch that lost does not come back."""

    def _newest(self, depth: int) -> list[Transaction]:
        """Return the transactions in the newest *depth* blocks after the start block."""
        first = max(self._chain.start.number, self._chain.head.number - depth) + 1
        blocks = [self._chain.get_block(number) for number in range(first, self._chain.head.number + 1)]
        return [tx for block in blocks if block is not None for tx in block.transactions]

    def _is_unseen(self, ordinal: int, tx: Transaction) -> bool:
        # Not keyed by hash: what a trader asks for at least is in it, so it differs where the reserves do.
        return self._stream.chance(self._spec.unseen_ratio, "unseen", ordinal, tx.sender, tx.nonce)
