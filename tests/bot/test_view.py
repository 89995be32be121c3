from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.view import DEPTH_MAX, Header, Reserves, Step, SyncLog, View

POOLS = (b"\xaa" * 20, b"\xbb" * 20)


def block(number: int, branch: int = 0, parent: Header | None = None, bloom: int | None = None) -> Header:
    block_hash = bytes([branch]) + number.to_bytes(31, "big")
    parent_hash = parent.hash if parent else bytes([branch]) + (number - 1).to_bytes(31, "big")
    return Header(number, block_hash, parent_hash, 12 * number, 10**9, 0, 30_000_000, bloom)


def sync(header: Header, pool: int, index: int, amount: int, *, removed: bool = False) -> SyncLog:
    return SyncLog(
        POOLS[pool], header.hash, header.number, index, Reserves(amount, 2 * amount), bytes(32), removed=removed
    )


def anchored(number: int = 100) -> tuple[View, Header]:
    view, header = View(POOLS), block(number)
    view.anchor(header, dict.fromkeys(POOLS, Reserves(1, 2)))
    return view, header


BRANCH = st.lists(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 10**30)), max_size=4), min_size=1, max_size=12)


def extend(view: View, parent: Header, branch: int, contents: list[list[tuple[int, int]]]) -> Header:
    for swaps in contents:
        header = block(parent.number + 1, branch, parent)
        for index, (pool, amount) in enumerate(swaps):
            view.apply_log(sync(header, pool, index, amount))
        view.apply(header)
        parent = header
    return parent


@given(before=BRANCH, extra=BRANCH)
def test_apply_then_rewind_is_the_identity(
    before: list[list[tuple[int, int]]], extra: list[list[tuple[int, int]]]
) -> None:
    """Blocks applied and taken back leave the view as it was: the same head, the same reserves."""
    view, start = anchored()
    parent = extend(view, start, 0, before)
    was = view.snapshot()

    extend(view, parent, 0, extra)
    orphaned = view.retract(block(parent.number + 1, 0).hash)

    assert view.snapshot() == was
    assert len(orphaned) == len(extra)


@given(old=BRANCH, new=BRANCH)
def test_a_reorg_leaves_what_the_new_branch_alone_would(
    old: list[list[tuple[int, int]]], new: list[list[tuple[int, int]]]
) -> None:
    """A view that saw an orphaned branch first equals one that never did."""
    view, start = anchored()
    extend(view, start, 1, old)
    naive, naive_start = anchored()

    extend(view, start, 2, new)
    extend(naive, naive_start, 2, new)

    assert view.snapshot() == naive.snapshot()


def test_a_branch_can_come_back() -> None:
    """A block that was orphaned and is canonical again still has the logs it came with."""
    view, start = anchored()
    first, other = block(101, 1, start), block(101, 2, start)
    view.apply(first)
    view.apply_log(sync(first, 0, 0, 777))
    view.apply(other)

    view.apply(block(102, 1, first)) if view.contains(first.hash) else view.apply(first)

    assert view.reserves(POOLS[0]) == Reserves(777, 1554)


def test_logs_may_come_in_any_order_and_twice() -> None:
    """Of several reports in one block the last by log index counts, whenever and however often it comes."""
    view, start = anchored()
    header = block(101, 0, start)

    assert view.apply_log(sync(header, 0, 7, 70))
    assert view.apply_log(sync(header, 0, 3, 30))
    assert not view.apply_log(sync(header, 0, 7, 70))
    view.apply(header)

    assert view.reserves(POOLS[0]) == Reserves(70, 140)


def test_a_removed_log_changes_no_reserves() -> None:
    """The log of an orphaned block, sent again with `removed`, is not an event."""
    view, start = anchored()
    header = block(101, 0, start)
    view.apply(header)

    assert not view.apply_log(sync(header, 0, 0, 99, removed=True))
    assert view.reserves(POOLS[0]) == Reserves(1, 2)


def test_an_unknown_parent_is_a_gap() -> None:
    """A header whose parent is not in the view changes nothing and says so."""
    view, start = anchored()

    change = view.apply(block(103, 0))

    assert change.step is Step.GAP
    assert view.head == start


def test_a_header_twice_is_a_duplicate() -> None:
    """A header the view holds, the head or an older one, is noticed and ignored."""
    view, start = anchored()
    view.apply(block(101, 0, start))

    assert view.apply(start).step is Step.DUPLICATE
    assert view.apply(block(101, 0, start)).step is Step.DUPLICATE


def test_the_view_stays_bounded() -> None:
    """Old blocks are folded into the anchor, and their reserves stay right."""
    view, start = anchored()

    head = extend(view, start, 0, [[(0, number)] for number in range(1, 3 * DEPTH_MAX)])

    assert view.reserves(POOLS[0]).reserve0 == 3 * DEPTH_MAX - 1
    assert view.reserves(POOLS[1]) == Reserves(1, 2)
    assert view.oldest is not None
    assert head.number - view.oldest.number == DEPTH_MAX - 1
    assert view.header_at(start.number) is None


def test_orphaned_logs_do_not_pile_up() -> None:
    """Logs of blocks that never become canonical are dropped after a while."""
    view, start = anchored()

    for branch in range(1, 200):
        for number in range(101, 105):
            view.apply_log(sync(block(number, branch), 0, 0, 5))
    extend(view, start, 0, [[(0, 42)]])

    assert view.reserves(POOLS[0]) == Reserves(42, 84)
    assert len(view._syncs) < 1000


def test_the_bloom_filter_says_when_logs_are_missing() -> None:
    """A head whose filter holds a pool and the topic is awaited until the pool's report, or a read of it, is here."""
    view, start = anchored()
    topic, bits = 0b1, {POOLS[0]: 0b10, POOLS[1]: 0b100}
    header = block(101, 0, start, bloom=0b11)

    view.apply(header)
    waiting = view.awaits_logs(topic, bits)
    view.apply_log(sync(header, 0, 0, 5))

    assert waiting
    assert not view.awaits_logs(topic, bits)


def test_a_read_of_the_block_ends_the_wait() -> None:
    """A false positive of the filter is settled by one read that finds nothing."""
    view, start = anchored()
    header = block(101, 0, start, bloom=0b111)
    view.apply(header)

    view.complete(header.hash)

    assert not view.awaits_logs(0b1, {POOLS[0]: 0b10, POOLS[1]: 0b100})
