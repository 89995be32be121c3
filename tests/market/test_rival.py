"""The rival takes the edges that pay, in time, at its price, and leaves the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.market import swap
from sim.market.pool import Pool, Reserves
from sim.market.rival import SWAP_GAS, RivalSpec, find_trade
from sim.scenario.distribution import Constant
from sim.units import ETHER, GWEI, MS, S
from tests.market.world import FLOW, RIVAL, SLOT_NS, MarketWorld

QUIET = replace(FLOW, swaps_per_slot=0.0)
KEEN = replace(RIVAL, skill_ratio=1.0, latency=Constant(100 * MS))
POOL = Pool("venue", "token", b"r" * 20, b"p" * 20, b"\x01" * 20, b"\x02" * 20)
PRICE_WEI = ETHER // 1_000


def shocked(spec: RivalSpec, *, buy: bool = True) -> MarketWorld:
    """Return a quiet world in which somebody moves the first pool by about a tenth in slot 1."""
    world = MarketWorld(flow=QUIET, rival=spec)
    pool, to = world.pools[0], world.you.address
    if buy:
        world.send_at(13 * S, swap.buy(pool, 50 * ETHER, 0, to, 2**40))
    else:
        world.send_at(SLOT_NS, swap.approve(pool))
        world.send_at(13 * S, swap.sell(pool, 50_000 * ETHER, 0, to, 2**40))
    return world


def price_gap(world: MarketWorld) -> float:
    """Return how far the first pool is from the reference price."""
    reserves = world.place.reserves(world.pools[0])
    return abs(reserves.weth * ETHER / reserves.token / world.price.wei_per_token("token") - 1)


@pytest.mark.parametrize("buy", [True, False])
def test_the_rival_brings_a_moved_pool_back_to_the_reference_price(buy: bool) -> None:
    """A pool a tenth off is within fee and hedge of the reference price two slots on."""
    world = shocked(KEEN, buy=buy)
    world.run(2)
    gap = price_gap(world)

    world.run(3)

    (trade,) = [sent for sent in world.sent("rival") if sent["action"] != "approve"]
    assert gap > 0.08
    assert price_gap(world) < 0.0045
    assert world.statuses()[trade["hash"]] == 1
    assert trade["t_ns"] == 2 * SLOT_NS + 100 * MS


def test_a_trade_pays_for_its_gas_and_its_tip() -> None:
    """Ether spent, gas included, is less than what the tokens bought are worth at the reference price."""
    world = shocked(KEEN, buy=False)
    world.run(2)
    state = world.chain.state(world.chain.head)
    before_wei = state.balance(world.rival.address)

    world.run(3)

    (trade,) = world.sent("rival")
    spent_wei = before_wei - world.chain.state(world.chain.head).balance(world.rival.address)
    (transfer,) = [log for log in world.chain.head.receipts[0].logs if log.address == world.pools[0].token_address]
    worth_wei = int.from_bytes(transfer.data, "big") * world.price.wei_per_token("token") // ETHER
    assert trade["action"] == "buy"
    assert trade["tip_wei"] > GWEI
    assert worth_wei > spent_wei > trade["value_wei"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"skill_ratio": 0.0}, "it never notices"),
        ({"latency": Constant(13 * S)}, "the next head comes before it acts"),
        ({"edge_min_wei": 100 * ETHER}, "no edge is enough"),
    ],
)
def test_opportunities_are_left(change: dict, why: str) -> None:
    """A rival without skill, too slow, or too proud sends nothing, and the pool stays where it is."""
    world = shocked(replace(KEEN, **change))

    world.run(5)

    assert world.sent("rival") == [], why
    assert price_gap(world) > 0.08


def test_a_trade_that_somebody_else_took_reverts() -> None:
    """If the same pool is brought back by a better tip in the same block, the rival's trade reverts and costs gas."""
    world = shocked(replace(KEEN, share_low_bps=500, share_high_bps=500), buy=False)
    world.run(2)
    taken = swap.buy(world.pools[0], 50 * ETHER, 0, world.you.address, 2**40)
    world.send_at(2 * SLOT_NS + S, taken, tip_wei=4_000 * GWEI)

    world.run(3)

    (trade,) = world.sent("rival")
    assert world.statuses()[trade["hash"]] == 0


def test_the_rival_waits_while_a_trade_of_its_own_is_pending() -> None:
    """With its trade not yet included, a new head brings no second one for the same edge."""
    world = shocked(KEEN, buy=False)
    world.run(2)
    world.env.run(until=2 * SLOT_NS + 200 * MS)
    world.env.at(2 * SLOT_NS + 300 * MS, world.proposer.reorg, 1)

    world.env.run(until=3 * SLOT_NS - 1)

    assert len(world.sent("rival")) == 1


RESERVES = st.integers(10**3 * ETHER, 10**6 * ETHER)


@given(RESERVES, RESERVES, st.integers(0, 100), st.integers(0, 50 * ETHER), st.integers(0, 10**6 * ETHER))
def test_a_trade_found_profits_within_its_means(
    weth: int, token: int, hedge_bps: int, budget_wei: int, stock: int
) -> None:
    """A trade is within budget or stock, its edge is pay over worth, and its least output just pays."""
    reserves = Reserves(weth // 1_000, token)

    trade = find_trade(POOL, reserves, PRICE_WEI, hedge_bps, budget_wei, stock)

    if trade is None:
        return
    cost_wei = SWAP_GAS * GWEI
    least = trade.least_out(cost_wei)
    if trade.is_buy:
        assert 0 < trade.amount_in <= budget_wei
        assert trade.worth_wei <= PRICE_WEI
        assert trade.edge_wei == reserves.quote_buy(trade.amount_in) * trade.worth_wei // ETHER - trade.amount_in
        assert (least - 1) * trade.worth_wei // ETHER < trade.amount_in + cost_wei
        assert least * trade.worth_wei >= (trade.amount_in + cost_wei) * ETHER
    else:
        assert 0 < trade.amount_in <= stock
        assert trade.worth_wei >= PRICE_WEI
        assert trade.edge_wei + trade.least_out(0) == reserves.quote_sell(trade.amount_in)
        assert least == trade.least_out(0) + cost_wei
    assert trade.edge_wei > 0


@given(st.integers(-25, 25))
def test_no_trade_within_the_fee(off_bps: int) -> None:
    """A pool within the pool's fee of the reference price is left alone."""
    reserves = Reserves((10_000 + off_bps) * ETHER, 10_000_000 * ETHER)

    assert find_trade(POOL, reserves, PRICE_WEI, 5, 10**6 * ETHER, 10**9 * ETHER) is None


def test_a_rivals_shares_and_skill_have_bounds() -> None:
    """A share above the whole, or shares the wrong way round, are refused."""
    for change in ({"skill_ratio": 1.1}, {"share_high_bps": 10_001}, {"share_low_bps": 9_000}):
        with pytest.raises(ValueError, match="rival"):
            replace(RIVAL, **change)
