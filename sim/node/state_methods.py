"""Methods that read accounts at a block."""

from __future__ import annotations

from sim.node import codec
from sim.node.params import BlockRef, storage_key
from sim.node.rpc import Fragment
from sim.node.view import NodeView


def get_balance(view: NodeView, address: bytes, ref: BlockRef | None) -> Fragment:
    """eth_getBalance."""
    return codec.quantity(view.state(ref).balance(address))


def get_code(view: NodeView, address: bytes, ref: BlockRef | None) -> Fragment:
    """eth_getCode."""
    return codec.data(view.state(ref).code(address))


def get_storage_at(view: NodeView, address: bytes, key: str, ref: BlockRef | None) -> Fragment:
    """eth_getStorageAt."""
    state = view.state(ref)
    return codec.word(state.storage(address, storage_key(key)))


def get_transaction_count(view: NodeView, address: bytes, ref: BlockRef | None) -> Fragment:
    """eth_getTransactionCount; at the pending block the mempool's next nonce."""
    if ref is not None and ref.at == "pending":
        return codec.quantity(view.mempool.pending_nonce(address))
    return codec.quantity(view.state(ref).nonce(address))
