"""Where market actors meet: the chain, the mempool, the pools and the reference price that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

import simpy

from sim.chain.chain import Chain
from sim.chain.mempool import Mempool
from sim.market.pool import Pool, Reserves
from sim.market.price import ReferencePrice
from sim.record import Recorder
from sim.rng import Streams
from sim.units import S


@dataclass(frozen=True, slots=True)
class MarketPlace:
    """What an actor of the market needs to see and to act.

    Args:
        pools: the markets to choose from, in the scenario's order.
        slot_ns: length of a slot; slot 0 begins with the flight.
    """

    env: simpy.Environment
    chain: Chain
    mempool: Mempool
    recorder: Recorder
    streams: Streams
    pools: tuple[Pool, ...]
    price: ReferencePrice
    slot_ns: int

    def now_ns(self) -> int:
        """Return the virtual time since the start of the flight."""
        return int(self.env.now)

    def slot(self) -> int:
        """Return the number of the present slot."""
        return self.now_ns() // self.slot_ns

    def reserves(self, pool: Pool) -> Reserves:
        """Return what *pool* holds at the head."""
        return pool.reserves(self.chain.state(self.chain.head))

    def deadline_s(self, ahead_s: int) -> int:
        """Return the unix time *ahead_s* from now."""
        return self.chain.epoch_s + self.now_ns() // S + ahead_s
