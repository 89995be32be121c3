"""Traders arrive, trade and fail as their spec says, and what they want does not depend on the chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import sqrt
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.market import swap
from sim.market.flow import Flow, FlowSpec, draw_orders
from sim.market.wallet import accounts
from sim.rng import Stream
from sim.units import ETHER, GWEI
from tests.market.world import FLOW, SLOT_NS, MarketWorld


def many_orders(spec: FlowSpec, slots: int) -> list:
    """Return the orders of all traders over some slots."""
    stream = Stream(5, "test")
    labels = [f"trader.{index}" for index in range(spec.traders)]
    return [
        order
        for slot in range(slots)
        for label in labels
        for order in draw_orders(stream, spec, label, slot, SLOT_NS, 2)
    ]


def test_orders_follow_their_spec() -> None:
    """Over 1,000 slots rate, sides, venues, limits and the median size are those of the spec."""
    orders = many_orders(FLOW, 1_000)

    assert abs(len(orders) - 6_000) < 5 * sqrt(6_000)
    assert abs(mean(order.is_buy for order in orders) - 0.5) < 0.04
    assert abs(mean(order.pool for order in orders) - 0.5) < 0.04
    assert set(Counter(order.slippage_bps for order in orders)) == {10, 50, 100, 300}
    assert abs(median(order.size_wei for order in orders) / ETHER - 1) < 0.08
    assert abs(median(order.tip_wei for order in orders) / GWEI - 1) < 0.08


@given(st.integers(0, 2**64 - 1), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=5))
def test_a_slots_orders_do_not_depend_on_other_slots(seed: int, slot: int, others: list[int]) -> None:
    """Whatever slots were drawn before, one slot's orders are the same; they lie in it, in order of time."""
    used = Stream(seed, "test")
    for other in others:
        draw_orders(used, FLOW, "trader.0", other, SLOT_NS, 3)

    orders = draw_orders(used, FLOW, "trader.0", slot, SLOT_NS, 3)

    assert orders == draw_orders(Stream(seed, "test"), FLOW, "trader.0", slot, SLOT_NS, 3)
    assert all(slot * SLOT_NS <= order.at_ns < (slot + 1) * SLOT_NS for order in orders)
    assert orders == sorted(orders, key=lambda order: order.at_ns)


def test_twenty_slots_of_trades_move_both_venues() -> None:
    """All transactions of 20 slots are taken; most succeed, some hit their slippage limit; both pools move."""
    world = MarketWorld(rival=None)
    before = [world.place.reserves(pool) for pool in world.pools]

    world.run(21)

    statuses = world.statuses()
    outcomes = Counter(statuses[sent["hash"]] for sent in world.sent("trader") if sent["t_ns"] < 20 * SLOT_NS)
    assert world.record.events("tx.rejected") == []
    assert outcomes[1] > 8 * outcomes[0] > 0
    assert all(world.place.reserves(pool) != was for pool, was in zip(world.pools, before, strict=True))


def test_sales_are_approved_once_for_each_venue() -> None:
    """Each trader's first sale on a venue is preceded by its approval, at the nonce before, and later ones are not."""
    world = MarketWorld(rival=None)

    world.run(15)

    for label in world.traders:
        sent = world.sent(label)
        for venue in ("uniswap_v2", "uniswap_v2_fork"):
            actions = [each["action"] for each in sent if each["venue"] == venue and each["action"] != "buy"]
            assert actions[:1] in ([], ["approve"])
            assert actions.count("approve") <= 1
        assert [each["nonce"] for each in sent] == list(range(len(sent)))


def test_a_trader_without_tokens_does_not_sell() -> None:
    """A trader that holds nothing sends no sale; a trader short of ether has its buy rejected, and trades on."""
    world = MarketWorld(flow=replace(FLOW, buy_ratio=0.0, traders=1, swaps_per_slot=2.0), rival=None, funds_wei=0)

    world.run(5)

    assert world.sent("trader") == []


def test_a_rejected_transaction_is_recorded_and_leaves_no_gap() -> None:
    """A buy beyond the account's ether is recorded with geth's text; the next one takes its nonce and is included."""
    world = MarketWorld(flow=replace(FLOW, swaps_per_slot=0.0), rival=None)
    pool = world.pools[0]
    world.send_at(1, swap.buy(pool, 20_000 * ETHER, 0, world.you.address, 2**40))
    world.send_at(2, swap.buy(pool, ETHER, 0, world.you.address, 2**40))

    world.run(1)

    (rejected,) = world.record.events("tx.rejected")
    assert (rejected.actor, rejected.site, rejected.data["nonce"]) == ("you.0", "mempool", 0)
    assert rejected.data["message"].startswith("insufficient funds for gas * price + value")
    assert list(world.statuses().values()) == [1]


def test_flow_needs_an_account_for_each_trader() -> None:
    """Fewer accounts than traders are refused with both numbers."""
    world = MarketWorld()

    with pytest.raises(ValueError, match="flow of 4 traders was given 3 accounts"):
        Flow(world.place, FLOW, accounts(world.streams, "trader", 3))
