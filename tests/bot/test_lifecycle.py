from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.lifecycle import (
    OPEN,
    TABLE,
    Attempt,
    Event,
    Inclusion,
    Ledger,
    Move,
    Purpose,
    Slot,
    State,
    advance,
    bump,
    next_move,
)
from bot.strategy import Refusal
from bot.view import Header, View
from tests.bot.test_risk import PLAN
from tests.bot.test_view import POOLS, anchored, block, extend


def attempt(block_number: int = 100, purpose: Purpose = Purpose.TRADE, mark: int = 1) -> Attempt:
    plan = PLAN if purpose is Purpose.TRADE else None
    return Attempt(bytes([mark]) * 32, b"raw", purpose, 10, 20, block_number, plan)


def included_in(header: Header, mark: int = 1) -> Inclusion:
    return Inclusion(
        bytes([mark]) * 32, header.hash, header.number, succeeded=True, gas_used_gas=21_000, gas_price_wei=3
    )


def pending(ledger: Ledger, block_number: int = 100) -> Slot:
    slot = ledger.reserve()
    slot.sent(attempt(block_number))
    return slot


def test_every_state_is_reached_and_left() -> None:
    """Each state but the first is the end of some transition, and each but the last the start of one."""
    starts, ends = {state for state, _ in TABLE}, set(TABLE.values())

    assert ends | {State.RESERVED} == set(State)
    assert starts == set(State) - {State.RELEASED}


def test_the_table_is_total() -> None:
    """Each pair of a state and an event either leads to a state or is refused as our own bug."""
    for state, event in itertools.product(State, Event):
        if (state, event) in TABLE:
            assert advance(state, event) in State
        else:
            with pytest.raises(AssertionError, match=f"{state.value} cannot be {event.value}"):
                advance(state, event)


def test_the_long_way_round() -> None:
    """Pending, included, confirmed, reorged, requeued and included again: one transaction through all of it."""
    events = (Event.SENT, Event.INCLUDED, Event.BURIED, Event.ORPHANED, Event.RETURNED, Event.INCLUDED)
    state, path = State.RESERVED, []

    for event in events:
        state = advance(state, event)
        path.append(state.value)

    assert path == ["pending", "included", "confirmed", "reorged", "requeued", "included"]


@pytest.mark.parametrize("state", sorted(OPEN, key=lambda state: state.value))
def test_whatever_is_open_can_be_included(state: State) -> None:
    """A transaction that may be in a mempool may be in the next block."""
    assert advance(state, Event.INCLUDED) is State.INCLUDED


def test_nonces_have_no_holes() -> None:
    """A nonce that was refused is given out again; one that was used is not."""
    ledger = Ledger(7)
    used = pending(ledger)
    refused = ledger.reserve()

    ledger.release(refused)

    assert (used.nonce, refused.nonce, ledger.reserve().nonce) == (7, 8, 8)


def test_only_the_last_nonce_can_be_given_back() -> None:
    """Giving back one in the middle would block all after it, so it is refused."""
    ledger = Ledger(7)
    first = ledger.reserve()
    pending(ledger)

    with pytest.raises(AssertionError, match="nonce 7 is not the last, 8"):
        ledger.release(first)


def test_the_chain_may_be_ahead() -> None:
    """Nonces that an earlier life used are skipped, and never the other way."""
    ledger = Ledger(3)

    ledger.resume(9)
    ledger.resume(5)

    assert ledger.reserve().nonce == 9


def test_it_follows_a_reorg_and_comes_back() -> None:
    """An inclusion that the view left is reorged; found in the new branch it is included again, then confirmed."""
    view, start = anchored()
    old = extend(view, start, 1, [[]])
    ledger = Ledger(0)
    slot = pending(ledger)
    slot.included(included_in(old))

    new = extend(view, start, 2, [[], []])
    orphaned = ledger.follow(view, 2)
    slot.included(included_in(new))
    extend(view, new, 2, [[]])
    buried = ledger.follow(view, 2)

    assert [event for _, event, _ in orphaned] == [Event.ORPHANED]
    assert [event for _, event, _ in buried] == [Event.BURIED]
    assert slot.state is State.CONFIRMED


def test_a_rewound_view_orphans_at_once() -> None:
    """A block that the node took back is gone before its replacement is known."""
    view, start = anchored()
    head = extend(view, start, 1, [[]])
    ledger = Ledger(0)
    slot = pending(ledger)
    slot.included(included_in(head))

    view.retract(head.hash)
    ledger.follow(view, 2)

    assert slot.state is State.REORGED


def test_a_block_older_than_the_view_is_settled() -> None:
    """A view that started again above an inclusion does not take it for orphaned."""
    view, start = anchored()
    ledger = Ledger(0)
    slot = pending(ledger)
    slot.included(included_in(block(start.number - 5)))

    ledger.follow(view, 3)

    assert slot.state is State.CONFIRMED


def test_settled_nonces_are_forgotten() -> None:
    """A confirmed transaction leaves the ledger when no reorg will reach it, so the ledger stays small."""
    view = View(POOLS)
    ledger = Ledger(0)
    anchor, start = anchored()
    slot = pending(ledger)
    slot.included(included_in(start))
    extend(anchor, start, 0, [[]] * 80)

    ledger.follow(anchor, 1)
    ledger.follow(anchor, 1)

    assert ledger.slots == {}
    assert view.head is None


@given(st.integers(0, 10**30))
def test_a_bump_satisfies_the_node(fee_wei: int) -> None:
    """A replacement's fee is at least ten percent higher, rounded up, as geth asks."""
    assert bump(fee_wei) * 100 >= fee_wei * 110


@pytest.mark.parametrize(
    ("sent_at", "head", "decision", "stopping", "expected"),
    [
        (100, 100, Refusal("no_spread"), False, (Move.KEEP, "just_sent")),
        (100, 101, Refusal("no_spread"), False, (Move.CANCEL, "no_spread")),
        (100, 101, PLAN, False, (Move.KEEP, "unchanged")),
        (100, 102, PLAN, False, (Move.REPLACE, "slow")),
        (100, 100, PLAN, True, (Move.CANCEL, "stopping")),
    ],
)
def test_what_waits_is_tended(
    sent_at: int, head: int, decision: object, *, stopping: bool, expected: tuple[Move, str]
) -> None:
    """A fresh trade is left alone, a pointless one cancelled, a slow one outbid, and all are cancelled at the stop."""
    slot = Slot(0)
    slot.sent(attempt(sent_at))

    assert next_move(slot, decision, head, attempts_max=4, stopping=stopping) == expected  # type: ignore[arg-type]


def test_attempts_are_limited() -> None:
    """After the last allowed attempt the nonce is cancelled, and after the cancellation it is left to its fate."""
    slot = Slot(0)
    for mark in range(4):
        slot.sent(attempt(100 + mark, mark=mark))

    first = next_move(slot, PLAN, 110, attempts_max=4, stopping=False)
    slot.sent(attempt(110, Purpose.CANCEL, mark=9))
    second = next_move(slot, PLAN, 120, attempts_max=4, stopping=False)

    assert first == (Move.CANCEL, "attempts_used_up")
    assert second == (Move.KEEP, "gave_up")
