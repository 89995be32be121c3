"""Methods that read blocks, transactions and receipts."""

from __future__ import annotations

from sim.chain.block import Block
from sim.node import codec
from sim.node.params import BlockRef
from sim.node.rpc import Fragment, RpcError
from sim.node.view import NodeView

NULL = Fragment("null")


def block_number(view: NodeView) -> Fragment:
    """eth_blockNumber."""
    return codec.quantity(view.head.number)


def get_block(view: NodeView, ref: BlockRef, full: bool) -> Fragment:
    """eth_getBlockByNumber."""
    found = _tagged(view, ref)
    if found is None:
        return NULL
    if ref.at == "pending":
        return codec.block(found, full, hashed=False)
    return view.text(found).block(full)


def get_block_by_hash(view: NodeView, block_hash: bytes, full: bool) -> Fragment:
    """eth_getBlockByHash."""
    found = view.block(BlockRef(block_hash))
    return NULL if found is None else view.text(found).block(full)


def get_block_receipts(view: NodeView, ref: BlockRef) -> Fragment:
    """eth_getBlockReceipts."""
    if ref.at == "pending":
        return Fragment("[]")
    found = _tagged(view, ref)
    return NULL if found is None else view.text(found).receipts()


def count_transactions(view: NodeView, ref: BlockRef) -> Fragment:
    """eth_getBlockTransactionCountByNumber."""
    found = _tagged(view, ref)
    return NULL if found is None else codec.quantity(len(found.transactions))


def count_transactions_by_hash(view: NodeView, block_hash: bytes) -> Fragment:
    """eth_getBlockTransactionCountByHash."""
    return count_transactions(view, BlockRef(block_hash))


def count_uncles(view: NodeView, ref: BlockRef) -> Fragment:
    """eth_getUncleCountByBlockNumber: there are none since the Merge."""
    return NULL if _tagged(view, ref) is None else codec.quantity(0)


def count_uncles_by_hash(view: NodeView, block_hash: bytes) -> Fragment:
    """eth_getUncleCountByBlockHash."""
    return count_uncles(view, BlockRef(block_hash))


def get_transaction_at(view: NodeView, ref: BlockRef, index: int) -> Fragment:
    """eth_getTransactionByBlockNumberAndIndex."""
    found = _tagged(view, ref)
    if found is None or index >= len(found.transactions):
        return NULL
    return codec.transaction(found.transactions[index], found, index)


def get_transaction_at_hash(view: NodeView, block_hash: bytes, index: int) -> Fragment:
    """eth_getTransactionByBlockHashAndIndex."""
    return get_transaction_at(view, BlockRef(block_hash), index)


def get_transaction(view: NodeView, tx_hash: bytes) -> Fragment:
    """eth_getTransactionByHash."""
    place = view.chain.find_transaction(tx_hash)
    if place is not None:
        found, index = place
        return codec.transaction(found.transactions[index], found, index)
    waiting = view.mempool.get(tx_hash)
    return NULL if waiting is None else codec.transaction(waiting, None)


def get_raw_transaction(view: NodeView, tx_hash: bytes) -> Fragment:
    """eth_getRawTransactionByHash."""
    place = view.chain.find_transaction(tx_hash)
    if place is not None:
        found, index = place
        return codec.data(found.transactions[index].raw)
    waiting = view.mempool.get(tx_hash)
    return codec.data(b"" if waiting is None else waiting.raw)


def get_receipt(view: NodeView, tx_hash: bytes) -> Fragment:
    """eth_getTransactionReceipt."""
    place = view.chain.find_transaction(tx_hash)
    if place is None:
        return NULL
    found, index = place
    return view.text(found).receipt(index)


def _tagged(view: NodeView, ref: BlockRef) -> Block | None:
    found = view.block(ref)
    if found is None and ref.at in ("safe", "finalized"):
        raise RpcError(f"{ref.at!s} block not found")
    return found
