"""Taking in a signed transaction, on the record."""

from __future__ import annotations

from collections.abc import Mapping

from sim.chain.transaction import Transaction, TransactionRejected, decode
from sim.node import codec
from sim.node.rpc import Fragment, RpcError
from sim.node.view import NodeView
from sim.record import Recorder


class Submission:
    """Puts raw transactions into a node's mempool.

    Args:
        node: the node's name.
        recorder: where `tx.sent` and `tx.rejected` go, or None.
        labels: names of accounts by address; an unknown one goes by its address.
    """

    def __init__(self, node: str, recorder: Recorder | None, labels: Mapping[bytes, str]) -> None:
        self._node = node
        self._recorder = recorder
        self._labels = labels

    def send(self, view: NodeView, raw: bytes) -> Fragment:
        """eth_sendRawTransaction."""
        try:
            tx = decode(raw)
        except TransactionRejected as rejected:
            self._note_rejected("", None, rejected.message)
            raise RpcError(rejected.message, rejected.code) from None
        label = self._labels.get(tx.sender) or f"0x{tx.sender.hex()}"
        try:
            view.mempool.add(tx)
        except TransactionRejected as rejected:
            self._note_rejected(label, tx, rejected.message)
            raise RpcError(rejected.message, rejected.code) from None
        if self._recorder is not None:
            self._recorder.event(
                "tx.sent",
                label,
                self._node,
                hash=f"0x{tx.hash.hex()}",
                nonce=tx.nonce,
                to=None if tx.to is None else f"0x{tx.to.hex()}",
                value_wei=tx.value,
                gas=tx.gas,
                max_fee_wei=tx.max_fee,
                tip_wei=tx.max_priority_fee,
                type=tx.type,
            )
        return codec.data(tx.hash)

    def _note_rejected(self, label: str, tx: Transaction | None, message: str) -> None:
        if self._recorder is None:
            return
        known: dict[str, str | int] = {} if tx is None else {"hash": f"0x{tx.hash.hex()}", "nonce": tx.nonce}
        self._recorder.event("tx.rejected", label, self._node, message=message, **known)
