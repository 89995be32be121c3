"""Law 2, second part: eth-tester gives the same receipts for the same signed transactions."""

from __future__ import annotations

import pytest

from sim.chain.artifacts import bundled
from sim.rng import Stream
from sim.units import ETHER, GWEI
from tests.chain.oracle import Oracle, differences
from tests.chain.world import TRADERS, VENUES, World, trader

BLOCKS = 6


def trade(world: World, chance: Stream, block: int) -> None:
    """Send a few transactions of every sort: swaps both ways, failures, transfers of ether, wraps, creations."""
    for ordinal in range(6):
        index = chance.below(TRADERS, block, ordinal, "trader")
        owner, kind = trader(index), chance.below(8, block, ordinal, "kind")
        tip = chance.between(1, 5, block, ordinal, "tip") * GWEI
        if kind <= 3:
            buy = chance.chance(0.5, block, ordinal, "side")
            amount = chance.between(1, 10**18, block, ordinal, "amount") * (1 if buy else 2000)
            venue = VENUES[chance.below(2, block, ordinal, "venue")]
            out_min = 10**30 if kind == 3 else 0
            world.swap(index, venue, amount, buy=buy, out_min=out_min, max_priority_fee=tip)
        elif kind == 4:
            world.send(owner, bytes([ordinal + 1]) * 20, value=ETHER, gas=21_000, max_priority_fee=tip)
        elif kind == 5:
            world.send(owner, world.places["weth"], value=ETHER, gas=60_000, max_priority_fee=tip)
        elif kind == 6:
            code = bundled("ERC20Token").creation(("Mine", "MINE", 18))
            world.send(owner, None, code, gas=2_000_000, max_priority_fee=tip)
        else:
            slots = ((world.places["weth"], (3, 4)),)
            data = bundled("WETH9").call("withdraw", (ETHER // 3,))
            world.send(owner, world.places["weth"], data, gas=60_000, max_priority_fee=tip, access_list=slots)


@pytest.mark.parametrize("fork", ["shanghai", "cancun", "prague"])
def test_receipts_equal_eth_testers(fork: str) -> None:
    """Status, gas, logs, bloom, price and created address of every receipt equal eth-tester's, block after block."""
    world = World.new(fork)
    oracle = Oracle(world.chain)
    chance = Stream(11, "oracle")
    world.approve_all()
    for block in range(BLOCKS):
        trade(world, chance, block)
        world.propose()

    found = []
    for number in range(world.chain.start.number + 1, world.chain.head.number + 1):
        block = world.chain.get_block(number)
        assert block is not None
        found += differences(block.receipts, oracle.replay(block))

    assert found == []
    statuses = [receipt.status for _, receipt in receipts(world)]
    assert 0 in statuses
    assert len(statuses) > 4 * BLOCKS


def receipts(world: World) -> list[tuple[int, object]]:
    numbers = range(world.chain.start.number + 1, world.chain.head.number + 1)
    blocks = [world.chain.get_block(number) for number in numbers]
    return [(block.number, receipt) for block in blocks if block for receipt in block.receipts]
