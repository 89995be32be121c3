"""The life of a transaction as one table, and the nonces it uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from bot.strategy import Plan, Refusal
from bot.view import View

# Both fees of a replacement must rise by this, or nodes refuse it (geth `txpool.pricebump`).
PRICE_BUMP_PERCENT = 10
# Settled transactions are remembered this deep, so that a reorg of confirmed blocks is still noticed.
REMEMBER_BLOCKS = 64


class State(Enum):
    """Where a nonce stands."""

    RESERVED = "reserved"
    PENDING = "pending"
    CANCELLING = "cancelling"
    INCLUDED = "included"
    CONFIRMED = "confirmed"
    REORGED = "reorged"
    REQUEUED = "requeued"
    RELEASED = "released"


class Event(Enum):
    """What can happen to it."""

    SENT = "sent"
    REFUSED = "refused"
    CANCEL_SENT = "cancel_sent"
    INCLUDED = "included"
    BURIED = "buried"
    ORPHANED = "orphaned"
    RETURNED = "returned"
    LOST = "lost"


S, E = State, Event
# The whole protocol: a pair that is missing here cannot happen, and `advance` says so.
TABLE: dict[tuple[State, Event], State] = {
    (S.RESERVED, E.SENT): S.PENDING,
    (S.RESERVED, E.REFUSED): S.RELEASED,
    (S.PENDING, E.SENT): S.PENDING,  # replaced by a better plan
    (S.PENDING, E.REFUSED): S.PENDING,  # the replacement was; the one before stands
    (S.PENDING, E.CANCEL_SENT): S.CANCELLING,
    (S.PENDING, E.INCLUDED): S.INCLUDED,
    (S.CANCELLING, E.CANCEL_SENT): S.CANCELLING,  # with higher fees
    (S.CANCELLING, E.REFUSED): S.CANCELLING,
    (S.CANCELLING, E.INCLUDED): S.INCLUDED,  # the cancellation or what it should replace
    (S.INCLUDED, E.BURIED): S.CONFIRMED,
    (S.INCLUDED, E.ORPHANED): S.REORGED,
    (S.CONFIRMED, E.ORPHANED): S.REORGED,
    (S.REORGED, E.INCLUDED): S.INCLUDED,
    (S.REORGED, E.RETURNED): S.REQUEUED,
    (S.REORGED, E.CANCEL_SENT): S.CANCELLING,
    (S.REORGED, E.SENT): S.REQUEUED,
    (S.REORGED, E.REFUSED): S.REORGED,
    (S.REQUEUED, E.SENT): S.REQUEUED,
    (S.REQUEUED, E.REFUSED): S.REQUEUED,
    (S.REQUEUED, E.CANCEL_SENT): S.CANCELLING,
    (S.REQUEUED, E.INCLUDED): S.INCLUDED,
    # The nonce was used by a transaction that is not ours: another process holds the key.
    (S.PENDING, E.LOST): S.RELEASED,
    (S.CANCELLING, E.LOST): S.RELEASED,
    (S.REORGED, E.LOST): S.RELEASED,
    (S.REQUEUED, E.LOST): S.RELEASED,
}
OPEN = frozenset({S.PENDING, S.CANCELLING, S.REORGED, S.REQUEUED})
ON_CHAIN = frozenset({S.INCLUDED, S.CONFIRMED})


def advance(state: State, event: Event) -> State:
    """Return the state after *event*; an event the table does not know is our bug."""
    following = TABLE.get((state, event))
    assert following is not None, f"a transaction that is {state.value} cannot be {event.value}"
    return following


class Purpose(Enum):
    """What a sent transaction is for."""

    TRADE = "trade"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction under a nonce."""

    hash: bytes
    raw: bytes
    purpose: Purpose
    tip_wei: int
    max_fee_wei: int
    sent_at_block: int
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where an attempt went on chain, what it cost and what it brought."""

    tx_hash: bytes
    block_hash: bytes
    block_number: int
    succeeded: bool
    gas_used_gas: int
    gas_price_wei: int
    # As the executor reported it, before gas.
    gross_wei: int = 0

    @property
    def gas_cost_wei(self) -> int:
        """What was paid for gas."""
        return self.gas_used_gas * self.gas_price_wei


@dataclass(slots=True)
class Slot:
    """A nonce, everything sent under it, and where it stands."""

    nonce: int
    state: State = State.RESERVED
    attempts: list[Attempt] = field(default_factory=list)
    inclusion: Inclusion | None = None

    @property
    def latest(self) -> Attempt:
        """The attempt that was sent last."""
        return self.attempts[-1]

    def attempt(self, tx_hash: bytes) -> Attempt | None:
        """Return the attempt of that hash, if it is of this nonce."""
        return next((attempt for attempt in self.attempts if attempt.hash == tx_hash), None)

    def on(self, event: Event) -> None:
        """Move along the table."""
        self.state = advance(self.state, event)

    def sent(self, attempt: Attempt) -> None:
        """Add an attempt that a node took, or may have taken."""
        self.attempts.append(attempt)
        self.on(Event.CANCEL_SENT if attempt.purpose is Purpose.CANCEL else Event.SENT)

    def included(self, inclusion: Inclusion) -> None:
        """Note that one of the attempts is in a canonical block."""
        self.inclusion = inclusion
        self.on(Event.INCLUDED)


class Ledger:
    """The nonces of one account: which is next, and what became of those in use."""

    def __init__(self, next_nonce: int) -> None:
        self.next_nonce = next_nonce
        self.slots: dict[int, Slot] = {}

    def reserve(self) -> Slot:
        """Take the next nonce."""
        slot = Slot(self.next_nonce)
        self.slots[slot.nonce] = slot
        self.next_nonce += 1
        return slot

    def release(self, slot: Slot) -> None:
        """Give back a nonce that was never used; only the last one can be, or a hole would block the rest."""
        assert slot.nonce == self.next_nonce - 1, f"nonce {slot.nonce} is not the last, {self.next_nonce - 1}"
        slot.on(Event.REFUSED)
        del self.slots[slot.nonce]
        self.next_nonce = slot.nonce

    def lose(self, slot: Slot) -> None:
        """Forget a nonce that somebody else used."""
        slot.on(Event.LOST)
        del self.slots[slot.nonce]

    def resume(self, chain_nonce: int) -> None:
        """Skip nonces that the chain says are used (by an earlier life of this account)."""
        self.next_nonce = max(self.next_nonce, chain_nonce)

    def open_slots(self) -> list[Slot]:
        """Nonces with something in flight, oldest first."""
        return [slot for slot in self.slots.values() if slot.state in OPEN]

    def follow(self, view: View, confirmations: int) -> list[tuple[Slot, Event, Inclusion]]:
        """Move the slots on chain along with the view; returns what happened to which inclusion."""
        head = view.head
        if head is None:
            return []
        happened: list[tuple[Slot, Event, Inclusion]] = []
        for slot in list(self.slots.values()):
            if slot.state not in ON_CHAIN or slot.inclusion is None:
                continue
            depth = head.number - slot.inclusion.block_number + 1
            other = view.header_at(slot.inclusion.block_number)
            rewound = depth <= 0 or (other is not None and other.hash != slot.inclusion.block_hash)
            if rewound and not view.contains(slot.inclusion.block_hash):
                happened.append((slot, Event.ORPHANED, slot.inclusion))
                slot.inclusion = None
                slot.on(Event.ORPHANED)
            elif slot.state is State.INCLUDED and depth >= confirmations:
                happened.append((slot, Event.BURIED, slot.inclusion))
                slot.on(Event.BURIED)
            elif slot.state is State.CONFIRMED and depth > REMEMBER_BLOCKS:
                del self.slots[slot.nonce]
        return happened


class Move(Enum):
    """What to do about a nonce in flight."""

    KEEP = "keep"
    REPLACE = "replace"
    CANCEL = "cancel"


def bump(fee_wei: int) -> int:
    """Return the least fee that replaces one of *fee_wei*."""
    return -(-fee_wei * (100 + PRICE_BUMP_PERCENT) // 100)


def next_move(
    slot: Slot, decision: Plan | Refusal, head_number: int, *, attempts_max: int, stopping: bool
) -> tuple[Move, str]:
    """Return what to do about *slot*, given what the strategy would do now, and why.

    A block must pass before anything is replaced; a trade that is still the best one is left alone for two.
    """
    age_blocks = head_number - slot.latest.sent_at_block
    if len(slot.attempts) > attempts_max:
        return Move.KEEP, "gave_up"
    if slot.latest.purpose is Purpose.CANCEL:
        return (Move.CANCEL, "cancel_is_slow") if age_blocks >= 2 else (Move.KEEP, "cancelling")
    if stopping:
        return Move.CANCEL, "stopping"
    if age_blocks < 1:
        return Move.KEEP, "just_sent"
    if isinstance(decision, Refusal):
        return Move.CANCEL, decision.reason
    if len(slot.attempts) == attempts_max:
        return Move.CANCEL, "attempts_used_up"
    plan = slot.latest.plan
    if plan is not None and plan.same_trade(decision):
        return (Move.REPLACE, "slow") if age_blocks >= 2 else (Move.KEEP, "unchanged")
    return Move.REPLACE, "better_plan"
