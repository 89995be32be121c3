"""Proposes a block every slot, and moves the head to a competing branch when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any

import simpy

from sim.chain.builder import Builder
from sim.chain.chain import Chain, HeadChange
from sim.chain.keccak import keccak
from sim.rng import Stream

NS_PER_S = 10**9
PROPOSERS = tuple(keccak(b"windtunnel proposer %d" % index)[12:] for index in range(4))


class Proposer:
    """The proposers of a chain, as one process: in each slot one of them builds on the head.

    Args:
        stream: draws the slot's proposer and its randomness.
        missed: says whether a slot goes by without a block.
    """

    def __init__(
        self, env: simpy.Environment, chain: Chain, builder: Builder, stream: Stream,
        proposers: Sequence[bytes] = PROPOSERS, missed: Callable[[int], bool] = lambda slot: False,
    ) -> None:  # fmt: skip
        self._env = env
        self._chain = chain
        self._builder = builder
        self._stream = stream
        self._proposers = proposers
        self._missed = missed
        self._reorgs = 0

    def run(self) -> Generator[simpy.Event, Any, None]:
        """Propose at the start of every slot after the start block's, for ever."""
        slot = 0
        while True:
            yield self._env.timeout(self._chain.config.slot_ns)
            slot += 1
            if not self._missed(slot):
                self.propose(slot)

    def propose(self, slot: int) -> HeadChange:
        """Build the block of *slot* on the head and make it the head."""
        timestamp = self._chain.epoch_s + slot * self._chain.config.slot_ns // NS_PER_S
        block = self._builder.build(
            self._chain.head, timestamp, self._stream.choice(self._proposers, "proposer", slot),
            prev_randao=self._stream.bits("prev_randao", slot, n=256).to_bytes(32, "big"),
        )  # fmt: skip
        return self._chain.append(block)

    def reorg(self, depth: int, skip: Collection[bytes] = frozenset()) -> HeadChange:
        """Replace the newest *depth* blocks by another proposer's; their transactions return to the mempool.

        It goes no deeper than the finalized block; where there is nothing to replace, nothing happens.

        Args:
            skip: hashes of transactions that the other proposer never saw.
        """
        depth = min(depth, self._chain.head.number - self._chain.finalized.number)
        if depth < 1:
            return HeadChange((), ())
        self._reorgs += 1
        mine = self._chain.head.header.coinbase
        others = [address for address in self._proposers if address != mine] or list(self._proposers)
        branch = self._builder.competing(
            depth, self._stream.choice(others, "reorg", self._reorgs), skip=skip,
            prev_randao=self._stream.bits("reorg.prev_randao", self._reorgs, n=256).to_bytes(32, "big"),
        )  # fmt: skip
        return self._chain.reorg(branch)
