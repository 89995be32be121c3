"""A wallet keeps its nonces in order through reorgs, and says what it sends."""

from __future__ import annotations

from dataclasses import replace

from sim.market import swap
from sim.units import ETHER, GWEI, S
from tests.market.world import FLOW, SLOT_NS, MarketWorld


def quiet_world() -> MarketWorld:
    """Return a world in which nobody trades by himself."""
    return MarketWorld(flow=replace(FLOW, swaps_per_slot=0.0), rival=None)


def a_buy(world: MarketWorld) -> swap.Call:
    """Return a small buy."""
    return swap.buy(world.pools[0], ETHER // 100, 0, world.you.address, 2**40)


def test_nonces_follow_on_after_a_reorg() -> None:
    """With two transactions orphaned, the next one takes the nonce after them, and all three are included."""
    world = quiet_world()
    for t_ns in (S, 2 * S):
        world.send_at(t_ns, a_buy(world))
    world.run(1)
    orphaned = {tx.hash for tx in world.chain.head.transactions}

    world.proposer.reorg(1, orphaned)
    world.you.send(a_buy(world), GWEI)
    waiting = world.you.is_waiting()
    world.run(2)

    assert len(orphaned) == 2
    assert waiting
    assert [sent["nonce"] for sent in world.sent("you")] == [0, 1, 2]
    assert list(world.statuses().values()) == [1, 1, 1]
    assert not world.you.is_waiting()


def test_what_is_sent_is_recorded() -> None:
    """The event names account, site, hash, nonce, what it does and where, and the fees."""
    world = quiet_world()
    world.run(1)

    world.you.send(a_buy(world), 3 * GWEI)

    (sent,) = world.record.events("tx.sent")
    (tx,) = world.mempool.transactions()
    assert (sent.t_ns, sent.actor, sent.site) == (SLOT_NS + 1, "you.0", "mempool")
    assert sent.data == {
        "hash": f"0x{tx.hash.hex()}",
        "nonce": 0,
        "action": "buy",
        "venue": "uniswap_v2",
        "to": f"0x{world.pools[0].router.hex()}",
        "value_wei": ETHER // 100,
        "max_fee_wei": 2 * world.chain.head.header.base_fee + 3 * GWEI,
        "tip_wei": 3 * GWEI,
    }


def test_fees_stay_under_the_mempools_cap() -> None:
    """A tip that would cost more than an ether is cut to what the mempool takes, and a tip of nothing raised to it."""
    world = quiet_world()

    taken = [world.you.send(a_buy(world), tip_wei) for tip_wei in (10**6 * GWEI, 0)]

    first, second = world.mempool.transactions()
    assert taken == [True, True]
    assert first.gas * first.max_fee == ETHER
    assert second.max_priority_fee == 1
