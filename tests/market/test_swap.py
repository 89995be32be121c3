"""The calls that actors sign do what they say on Uniswap's own contracts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from sim.chain.block import Receipt
from sim.market import swap
from sim.market.rival import SWAP_GAS
from sim.units import ETHER, S
from tests.market.world import FLOW, SLOT_NS, MarketWorld

QUIET = replace(FLOW, swaps_per_slot=0.0)


def quiet_world() -> MarketWorld:
    """Return a world in which nobody trades by himself."""
    return MarketWorld(flow=QUIET, rival=None)


def receipt_of(world: MarketWorld, call: swap.Call) -> Receipt:
    """Send a call, let the next slot's block include it and return its receipt."""
    world.you.send(call, 10**9)
    world.run(world.place.slot() + 1)
    (receipt,) = world.chain.head.receipts
    return receipt


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("amount_wei", [1, 10**15, 3 * ETHER, 900 * ETHER])
def test_a_buy_pays_out_the_quote(index: int, amount_wei: int) -> None:
    """The tokens that arrive are the quote on the reserves before, to the unit, and exactly that much may be asked."""
    world = quiet_world()
    pool = world.pools[index]
    before, quoted = world.you.stock(pool), world.place.reserves(pool).quote_buy(amount_wei)

    receipt = receipt_of(world, swap.buy(pool, amount_wei, quoted, world.you.address, 2**40))

    assert receipt.status == 1
    assert world.you.stock(pool) - before == quoted


@pytest.mark.parametrize("amount", [10_000, 10**18, 5_000 * ETHER])
def test_a_sale_pays_out_the_quote(amount: int) -> None:
    """The ether that arrives, gas aside, is the quote on the reserves before, to the wei."""
    world = quiet_world()
    pool = world.pools[0]
    receipt_of(world, swap.approve(pool))
    before_wei, quoted_wei = world.you.ether_wei(), world.place.reserves(pool).quote_sell(amount)

    receipt = receipt_of(world, swap.sell(pool, amount, quoted_wei, world.you.address, 2**40))

    gas_wei = receipt.gas_used * receipt.effective_gas_price
    assert receipt.status == 1
    assert world.you.ether_wei() - before_wei == quoted_wei - gas_wei


def test_a_swap_that_asks_for_more_than_the_quote_reverts() -> None:
    """One unit above the quote and nothing moves but the gas."""
    world = quiet_world()
    pool = world.pools[0]
    quoted = world.place.reserves(pool).quote_buy(ETHER)

    receipt = receipt_of(world, swap.buy(pool, ETHER, quoted + 1, world.you.address, 2**40))

    assert receipt.status == 0


def test_a_swap_after_its_deadline_reverts() -> None:
    """A swap that is included a second after its deadline does nothing."""
    world = quiet_world()
    late_s = world.chain.epoch_s + SLOT_NS // S - 1

    receipt = receipt_of(world, swap.buy(world.pools[0], ETHER, 0, world.you.address, late_s))

    assert receipt.status == 0


@cache
def gas_by_action() -> dict[str, list[int]]:
    """Return the gas of each successful transaction of 20 busy slots by action, the first two slots' aside."""
    world = MarketWorld()
    world.run(20)
    actions = {sent["hash"]: sent["action"] for sent in world.sent("")}
    found: dict[str, list[int]] = {}
    for number in range(world.chain.start.number + 3, world.chain.head.number + 1):
        block = world.chain.get_block(number)
        assert block is not None
        for receipt in block.receipts:
            if receipt.status:
                found.setdefault(actions[f"0x{receipt.tx_hash.hex()}"], []).append(receipt.gas_used)
    return found


def test_gas_estimates_hold() -> None:
    """No swap on a pool in use takes more gas than the rival counts on, nor any call above 0.6 of its limit."""
    gas = gas_by_action()

    swaps = gas["buy"] + gas["sell"]
    assert 0.8 * SWAP_GAS < max(swaps) <= SWAP_GAS
    assert max(swaps) < 0.6 * swap.SWAP_GAS_MAX
    assert max(gas.get("approve", [0])) < 0.6 * swap.APPROVE_GAS_MAX
