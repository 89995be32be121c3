"""Reorgs move the head of a real chain, and give transactions back to its mempool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sim.chain.chain import HeadChange
from sim.fault.chain import Reorg, ReorgSpec
from sim.fault.schedule import When, schedule, stream_name
from sim.units import S
from tests.market.world import FLOW, SLOT_NS, MarketWorld


def world_with(spec: ReorgSpec, swaps_per_slot: float = 6.0) -> tuple[MarketWorld, list[HeadChange]]:
    """Return a world with one reorg fault, and where its reorgs will be noted."""
    world = MarketWorld(flow=replace(FLOW, swaps_per_slot=swaps_per_slot))
    seen: list[HeadChange] = []
    world.chain.on_head.append(lambda change: seen.append(change) if change.removed else None)
    fault = Reorg(spec, world.chain, world.proposer, world.streams.stream(stream_name(spec.id)))
    schedule(world.env, [fault], world.streams, world.record.recorder, 100 * SLOT_NS)
    return world, seen


def reorg(depth: int, *at_ns: int, unseen_ratio: float = 0.5, deeper_ratio: float = 0.0) -> ReorgSpec:
    """Return a reorg at given instants."""
    return ReorgSpec("deep", When(at_ns=at_ns), depth, deeper_ratio, unseen_ratio)


def hashes(change: HeadChange, side: str) -> Iterator[str]:
    """Yield the hashes of the transactions in the blocks removed or added."""
    for block in getattr(change, side):
        yield from (f"0x{tx.hash.hex()}" for tx in block.transactions)


def test_a_reorg_replaces_the_newest_blocks() -> None:
    """At its instant two blocks give way to two others of the same height, and the record says so."""
    world, seen = world_with(reorg(2, 54 * S))

    world.run(5)

    (change,) = seen
    assert [block.number for block in change.removed] == [block.number for block in reversed(change.added)]
    assert not {block.hash for block in change.removed} & {block.hash for block in change.added}
    begin, end = world.record.events("fault")
    assert (begin.t_ns, begin.actor, begin.site, begin.data["depth"]) == (54 * S, "deep", "chain", 2)
    assert (end.t_ns, end.data["phase"]) == (54 * S, "end")


def test_what_the_other_proposers_never_saw_returns_to_the_mempool_and_is_included_later() -> None:
    """Unseen transactions are not in the new branch, wait in the mempool, and stand in a block two slots on."""
    world, seen = world_with(reorg(2, 54 * S))

    world.env.run(until=54 * S + 1)
    waiting = {f"0x{tx.hash.hex()}" for tx in world.mempool.transactions()}
    world.run(7)

    (change,) = seen
    lost = set(world.record.events("fault")[0].data["unseen"])
    assert lost
    assert lost < set(hashes(change, "removed"))
    assert not lost & set(hashes(change, "added"))
    assert lost <= waiting
    assert lost <= world.statuses().keys()


def test_a_reorg_of_seen_transactions_keeps_them_all() -> None:
    """With nothing unseen the new branch holds the same transactions."""
    world, seen = world_with(reorg(1, 54 * S, unseen_ratio=0.0))

    world.run(5)

    (change,) = seen
    assert sorted(hashes(change, "removed")) == sorted(hashes(change, "added"))
    assert sorted(hashes(change, "removed"))


def test_a_reorg_stops_at_the_start_block() -> None:
    """A depth of five with three blocks replaces three; before the first block nothing happens."""
    world, seen = world_with(reorg(5, 6 * S, 42 * S))

    world.run(4)

    assert [len(change.removed) for change in seen] == [3]
    depths = [event.data["depth"] for event in world.record.events("fault") if event.data["phase"] == "begin"]
    assert depths == [0, 3]


def test_depths_are_geometric_beyond_the_least() -> None:
    """With a chance of a half for each further block, depths beyond the first follow it."""
    world, _ = world_with(reorg(1, *range(30 * S, 30 * S + 200), deeper_ratio=0.5), swaps_per_slot=0.0)

    world.env.run(until=31 * S)

    wanted = [e.data["depth_wanted"] for e in world.record.events("fault") if e.data["phase"] == "begin"]
    assert len(wanted) == 200
    assert 70 <= wanted.count(1) <= 130
    assert 25 <= wanted.count(2) <= 75


@pytest.mark.parametrize("fields", [{"depth": 0}, {"depth": 65}, {"deeper_ratio": 1.0}, {"unseen_ratio": 1.1}])
def test_a_reorg_has_bounds(fields: dict[str, float]) -> None:
    """Depths outside 1..64, and chances outside their range, are refused."""
    with pytest.raises(ValueError, match="reorg"):
        ReorgSpec(
            **{"id": "deep", "when": When(at_ns=(S,)), "depth": 1, "deeper_ratio": 0.0, "unseen_ratio": 0.5, **fields}
        )
