"""What WebSocket clients subscribed to, and what they are sent when the head moves or a transaction arrives.

Source:
    go-ethereum, `eth/filters/api.go`, `core/blockchain.go` (`reorg`), `rpc/subscription.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from sim.chain.chain import HeadChange
from sim.chain.transaction import Transaction
from sim.node import codec
from sim.node.filters import Criteria, criteria
from sim.node.params import Signature, boolean, signature, string, subscription_id
from sim.node.rpc import METHOD_NOT_FOUND, Fragment, RpcError, invalid_params, notification
from sim.node.view import NodeView

SUBSCRIPTIONS_MAX: Final = 10_000
"""Per connection."""

_HEADS, _LOGS, _TRANSACTIONS, _SYNCING = "newHeads", "logs", "newPendingTransactions", "syncing"
_KINDS: Final[dict[str, Signature]] = {
    _HEADS: signature(string),
    _LOGS: signature(string, criteria),
    _TRANSACTIONS: signature(string, boolean, optional=1),
    _SYNCING: signature(string),
}
_UNSUBSCRIBE: Final = signature(subscription_id)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of a connection.

    Args:
        wanted: criteria of a logs subscription.
        full: whether pending transactions are sent whole.
    """

    id: str
    kind: str
    wanted: Criteria = field(default_factory=Criteria)
    full: bool = False


class Session:
    """A connection's subscriptions; `send` takes a message's JSON text and never blocks."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self.send = send
        self.subscriptions: dict[str, Subscription] = {}


class Publisher:
    """Subscribes sessions and publishes to them, in the order in which they connected and subscribed.

    Args:
        node: the node's name; ids of subscriptions follow from it and from their ordinal.
        announced: called once for each block whose header went to at least one subscriber.
    """

    def __init__(self, node: str, view: NodeView, announced: Callable[[int, bytes], None]) -> None:
        self._node = node
        self._view = view
        self._announced = announced
        self._sessions: dict[Session, None] = {}
        self._issued = 0

    def connect(self, session: Session) -> None:
        """Add a session."""
        self._sessions[session] = None

    def disconnect(self, session: Session) -> None:
        """Forget a session and what it subscribed to."""
        self._sessions.pop(session, None)

    def subscribe(self, session: Session, params: list[Any] | None) -> Fragment:
        """eth_subscribe.

        Raises:
            RpcError: there is no such subscription, or its arguments are wrong.
        """
        if params is None or not params:
            raise invalid_params("non-array args" if params is None else "expected subscription name as first argument")
        kind = params[0]
        if type(kind) is not str:
            raise invalid_params("expected subscription name as first argument")
        takes = _KINDS.get(kind)
        if takes is None:
            raise RpcError(f'no "{kind}" subscription in eth namespace', METHOD_NOT_FOUND)
        arguments = takes.decode(params)
        if len(session.subscriptions) >= SUBSCRIPTIONS_MAX:
            raise RpcError(f"too many subscriptions: {SUBSCRIPTIONS_MAX}")
        if kind == _LOGS:
            arguments[1].check_subscription()
            made = Subscription(self._next_id(), kind, wanted=arguments[1])
        elif kind == _TRANSACTIONS:
            made = Subscription(self._next_id(), kind, full=bool(arguments[1]))
        else:
            made = Subscription(self._next_id(), kind)
        session.subscriptions[made.id] = made
        return Fragment(f'"{made.id}"')

    def unsubscribe(self, session: Session | None, params: list[Any] | None) -> Fragment:
        """eth_unsubscribe.

        Raises:
            RpcError: the session has no such subscription.
        """
        (identity,) = _UNSUBSCRIBE.decode(params)
        if session is None or session.subscriptions.pop(identity, None) is None:
            raise RpcError("subscription not found")
        return Fragment("true")

    def _next_id(self) -> str:
        self._issued += 1
        digest = blake2b(f"{self._node}/{self._issued}".encode(), digest_size=16, person=b"subscription")
        return "0x" + digest.hexdigest().lstrip("0")

    def publish_head(self, change: HeadChange) -> None:
        """Send what a move of the head means: removed logs first, then each new block's header and logs.

        Logs of removed blocks go out oldest block first, each block's in their order. That is what geth does
        ("forward order, which is borked, but we'll leave it in for legacy reasons"). Every new block's header is
        sent, as geth's documentation has it, not only the last one's.
        """
        for removed in reversed(change.removed):
            text = self._view.text(removed)
            for session, subscription in self._subscribed(_LOGS):
                if subscription.wanted.covers(removed.number):
                    for log in subscription.wanted.select(text):
                        session.send(notification(subscription.id, codec.removed(log)))
        for added in change.added:
            text, told = self._view.text(added), False
            for session, subscription in self._subscribed(_HEADS):
                session.send(notification(subscription.id, text.header()))
                told = True
            if told:
                self._announced(added.number, added.hash)
            for session, subscription in self._subscribed(_LOGS):
                if subscription.wanted.covers(added.number):
                    for log in subscription.wanted.select(text):
                        session.send(notification(subscription.id, log))

    def publish_transaction(self, tx: Transaction) -> None:
        """Send a transaction that can be included now: its hash, or all of it."""
        for session, subscription in self._subscribed(_TRANSACTIONS):
            sent = codec.transaction(tx, None) if subscription.full else codec.data(tx.hash)
            session.send(notification(subscription.id, sent))

    def _subscribed(self, kind: str) -> Iterator[tuple[Session, Subscription]]:
        for session in tuple(self._sessions):
            for subscription in tuple(session.subscriptions.values()):
                if subscription.kind == kind:
                    yield session, subscription
