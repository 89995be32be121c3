"""Law 6: one inserted transaction leaves every exogenous draw equal."""

from __future__ import annotations

from typing import Any

import pytest

from sim.fault.chain import Reorg, ReorgSpec
from sim.fault.schedule import When, schedule, stream_name
from sim.market import swap
from sim.units import ETHER, S
from tests.market.world import SLOT_NS, MarketWorld

SLOTS = 12


def flown(seed: int, inserted_at_ns: int | None, reorg: ReorgSpec | None = None) -> MarketWorld:
    """Fly a world, with a large foreign swap inserted or without, perhaps through a reorg."""
    world = MarketWorld(seed)
    if reorg is not None:
        fault = Reorg(reorg, world.chain, world.proposer, world.streams.stream(stream_name(reorg.id)))
        schedule(world.env, [fault], world.streams, world.record.recorder, SLOTS * SLOT_NS)
    if inserted_at_ns is not None:
        call = swap.buy(world.pools[0], 60 * ETHER, 0, world.you.address, 2**40)
        world.send_at(inserted_at_ns, call)
    world.run(SLOTS)
    return world


def wants(world: MarketWorld) -> list[tuple[Any, ...]]:
    """Return when each trader sent what, where, at which tip, and how much ether went along."""
    keys = ("label", "t_ns", "action", "venue", "to", "value_wei", "tip_wei")
    return [tuple(sent[key] for key in keys) for sent in world.sent("trader")]


@pytest.mark.parametrize("seed", [1, 2])
def test_one_inserted_transaction_leaves_every_draw_equal(seed: int) -> None:
    """Every draw of every stream is the same by key, and the same were made, although the pools are others."""
    alone = flown(seed, None)

    joined = flown(seed, 2 * SLOT_NS + 5 * S)

    assert joined.streams.drawn() == alone.streams.drawn()
    assert joined.streams.counts() == alone.streams.counts()
    assert joined.place.reserves(joined.pools[0]) != alone.place.reserves(alone.pools[0])


def test_a_reorg_orphans_the_same_transactions() -> None:
    """Through a reorg of depth 2 after the inserted transaction, every draw that both flights made is equal."""
    spec = ReorgSpec("deep", When(at_ns=(66 * S,)), depth=2, deeper_ratio=0.5, unseen_ratio=0.35)
    alone = flown(1, None, spec).streams.drawn()

    joined = flown(1, 2 * SLOT_NS + 5 * S, spec).streams.drawn()

    shared = alone["fault.deep"].keys() & joined["fault.deep"].keys()
    assert len(shared) > 5
    assert all(alone["fault.deep"][key] == joined["fault.deep"][key] for key in shared)
    assert {**joined, "fault.deep": {}} == {**alone, "fault.deep": {}}


def test_traders_want_the_same_and_prices_are_the_same() -> None:
    """Arrivals, sides, venues, ether and tips of the traders are equal, and so is each price event."""
    alone = flown(1, None)

    joined = flown(1, 2 * SLOT_NS + 5 * S)

    assert wants(joined) == wants(alone)
    assert joined.record.events("price") == alone.record.events("price")
    assert len(wants(alone)) > 40


def test_another_seed_is_other_weather() -> None:
    """Two seeds share no trade time and no price."""
    first, second = flown(1, None), flown(2, None)

    times = [{sent["t_ns"] for sent in world.sent("trader")} for world in (first, second)]

    assert not times[0] & times[1]
    assert first.price.wei_per_token("token") != second.price.wei_per_token("token")
