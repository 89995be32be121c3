from __future__ import annotations

import simpy

from sim.chain.builder import Builder
from sim.chain.fee import next_base_fee
from sim.chain.proposer import Proposer
from sim.rng import Stream
from sim.units import GWEI
from tests.chain.world import World, trader

TO = b"\x0f" * 20


def test_the_best_tip_goes_first() -> None:
    """Senders are served by effective tip, which a low fee cap lowers; equal tips go by arrival."""
    world = World.new()
    base_fee = next_base_fee(10 * GWEI, 0, 30_000_000)
    tips = {
        0: (40 * GWEI, 2 * GWEI),
        1: (base_fee + GWEI, 9 * GWEI),
        2: (40 * GWEI, 3 * GWEI),
        3: (40 * GWEI, 2 * GWEI),
    }
    for index, (fee, tip) in tips.items():
        world.send(trader(index), TO, gas=21_000, max_fee=fee, max_priority_fee=tip)

    block = world.propose()

    order = [trader(index).address for index in (2, 0, 3, 1)]
    assert [tx.sender for tx in block.transactions] == order


def test_what_cannot_pay_the_base_fee_waits() -> None:
    """A fee cap below the base fee keeps a transaction, and those behind it, out of the block but in the mempool."""
    world = World.new()
    world.send(trader(0), TO, gas=21_000, max_fee=GWEI, max_priority_fee=GWEI)
    world.send(trader(0), TO, gas=21_000)

    block = world.propose()

    assert block.transactions == ()
    assert len(world.mempool) == 2


def test_a_full_block_leaves_the_rest() -> None:
    """A block takes no more gas than its limit; what does not fit waits for the next."""
    world = World.new()
    limit = world.chain.config.gas_limit
    for index in range(3):
        world.send(trader(index), TO, gas=limit // 2, max_fee=20 * GWEI)

    world.send(trader(3), TO, gas=limit, max_fee=20 * GWEI, max_priority_fee=1)

    first, second = world.propose(), world.propose()

    assert [len(first.transactions), len(second.transactions)] == [3, 1]
    assert len(world.mempool) == 0


def test_building_changes_nothing_until_appended() -> None:
    """A built block is known but not canonical; head, state and mempool stay as they were."""
    world = World.new()
    world.send(trader(0), TO, gas=21_000, value=5)
    before = world.chain.head

    block = world.build()

    assert world.chain.head is before
    assert world.chain.get_block(block.hash) is block
    assert not world.chain.is_canonical(block.hash)
    assert world.chain.state(before).balance(TO) == 0
    assert world.chain.state(block).balance(TO) == 5
    assert len(world.mempool) == 1


def test_competing_blocks_take_the_same_slots() -> None:
    """A competing branch has other hashes at the same heights and timestamps, and holds what its rivals held."""
    world = World.new()
    hashes = []
    for index in range(3):
        hashes.append(world.send(trader(index), TO, gas=21_000))
        world.propose()
    old = [world.chain.get_block(number) for number in range(world.chain.head.number - 1, world.chain.head.number + 1)]

    branch = world.builder.competing(2, b"\xdd" * 20)

    assert [block.number for block in branch] == [block.number for block in old if block]
    assert [block.header.timestamp for block in branch] == [block.header.timestamp for block in old if block]
    assert not {block.hash for block in branch} & {block.hash for block in old if block}
    assert [tx.hash for block in branch for tx in block.transactions] == hashes[1:]


def test_a_proposer_keeps_the_slots() -> None:
    """One block a slot at the slot's time; a missed slot leaves a hole in time, none in the heights."""
    world = World.new()
    env = simpy.Environment()
    proposer = Proposer(env, world.chain, world.builder, Stream(1, "chain.proposer"), missed=lambda slot: slot == 3)
    env.process(proposer.run())

    env.run(until=5 * world.chain.config.slot_ns + 1)

    start = world.chain.start
    blocks = [world.chain.get_block(number) for number in range(start.number + 1, world.chain.head.number + 1)]
    assert [block.header.timestamp - start.header.timestamp for block in blocks if block] == [12, 24, 48, 60]


def test_a_proposer_reorganises_as_deep_as_it_may() -> None:
    """A reorg replaces the blocks it is asked for, none below the finalized head, and none where there are none."""
    world = World.new(finalized_depth=3)
    proposer = Proposer(simpy.Environment(), world.chain, Builder(world.chain, world.mempool), Stream(1, "p"))

    assert proposer.reorg(2).removed == ()
    for slot in range(1, 7):
        proposer.propose(slot)
    finalized = world.chain.finalized
    shallow, deep = proposer.reorg(2), proposer.reorg(9)

    assert (len(shallow.removed), len(shallow.added)) == (2, 2)
    assert (len(deep.removed), len(deep.added)) == (3, 3)
    assert [block.number for block in deep.removed] == sorted((b.number for b in deep.removed), reverse=True)
    assert world.chain.finalized is finalized
    assert world.chain.is_canonical(finalized.hash)
