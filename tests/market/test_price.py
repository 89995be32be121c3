"""The reference price is a geometric Brownian motion whose path depends on the seed alone."""

from __future__ import annotations

from itertools import pairwise
from math import isclose, log, sqrt
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.host.clock import NsEnvironment
from sim.market.price import YEAR_NS, PriceSpec, ReferencePrice
from sim.rng import Streams
from sim.units import ETHER, S
from tests.fault.records import MemoryRecord

SLOT_NS = 12 * S


class PriceWorld:
    """A price on a clock, with what it recorded."""

    def __init__(self, seed: int = 1, **spec: float) -> None:
        self.env = NsEnvironment()
        self.record = MemoryRecord(self.env)
        self.streams = Streams(seed)
        fields = {"volatility_ratio": 0.8, "drift_ratio": 0.0, "step_ns": S, **spec}
        specs = [PriceSpec(token="token", start_wei=ETHER, **fields)]
        self.price = ReferencePrice(self.env, specs, self.streams, self.record.recorder, SLOT_NS)


def test_prices_move_with_their_volatility() -> None:
    """Logarithmic steps have the deviation of the yearly volatility, and the drift that keeps the mean."""
    world = PriceWorld(volatility_ratio=0.8)
    world.price.start()
    prices = []
    for second in range(6_000):
        world.env.run(until=second * S + 1)
        prices.append(world.price.wei_per_token("token"))

    steps = [log(after / before) for before, after in pairwise(prices)]

    step_sigma = 0.8 * sqrt(S / YEAR_NS)
    assert isclose(stdev(steps), step_sigma, rel_tol=0.05)
    assert abs(mean(steps)) < 5 * step_sigma / sqrt(len(steps))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 30 * SLOT_NS), max_size=30))
def test_who_reads_a_price_does_not_move_it(reads_ns: list[int]) -> None:
    """Any pattern of reads leaves the price at the end and the number of draws as they are without a read."""
    quiet, watched = PriceWorld(), PriceWorld()
    quiet.price.start()
    watched.price.start()
    for read_ns in sorted(reads_ns):
        watched.env.at(read_ns, watched.price.wei_per_token, "token")

    quiet.env.run(until=30 * SLOT_NS + 1)
    watched.env.run(until=30 * SLOT_NS + 1)

    assert watched.price.wei_per_token("token") == quiet.price.wei_per_token("token")
    assert watched.streams.counts() == quiet.streams.counts()


def test_a_price_event_is_recorded_each_slot() -> None:
    """One `price` event per slot carries the slot and the price at its start."""
    world = PriceWorld()
    world.price.start()
    at_start: list[int] = []
    for slot in range(5):
        world.env.run(until=slot * SLOT_NS + 1)
        at_start.append(world.price.wei_per_token("token"))

    events = world.record.events("price")

    assert [(event.t_ns, event.actor) for event in events] == [(slot * SLOT_NS, "token") for slot in range(5)]
    assert [event.data["slot"] for event in events] == [0, 1, 2, 3, 4]
    assert [event.data["wei_per_token"] for event in events] == at_start
    assert len(set(at_start)) == 5


def test_a_step_longer_than_a_slot_holds_the_price() -> None:
    """With a step of a minute the price stays for five slots, then moves."""
    world = PriceWorld(step_ns=60 * S)
    seen = []
    for second in range(0, 120, 12):
        world.env.run(until=second * S + 1)
        seen.append(world.price.wei_per_token("token"))

    assert seen[:5] == [ETHER] * 5
    assert len(set(seen[5:])) == 1
    assert seen[5] != ETHER


def test_the_price_of_another_seed_is_another() -> None:
    """Two seeds give two paths, one seed gives one."""
    ends = []
    for seed in (1, 1, 2):
        world = PriceWorld(seed)
        world.env.run(until=100 * S)
        ends.append(world.price.wei_per_token("token"))

    assert ends[0] == ends[1] != ends[2]


def test_a_price_must_start_above_zero() -> None:
    """A start of zero is refused: it could never move."""
    with pytest.raises(ValueError, match="price of token"):
        PriceSpec(token="token", start_wei=0, volatility_ratio=0.8, drift_ratio=0.0, step_ns=S)
