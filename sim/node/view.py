"""The chain and the mempool as one node sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sim.chain.block import Block
from sim.chain.chain import Chain
from sim.chain.fee import next_base_fee
from sim.chain.keccak import EMPTY_TRIE_HASH
from sim.chain.mempool import Mempool
from sim.chain.state import StateGone, StateView
from sim.node.codec import BlockText
from sim.node.params import BlockRef
from sim.node.rpc import RpcError
from sim.units import S

BLOCK_TEXTS_MAX: Final = 512


class NodeView:
    """What one node knows. Every answer of the node goes through here, so that a node may lag or err alone."""

    def __init__(self, chain: Chain, mempool: Mempool) -> None:
        self.chain = chain
        self.mempool = mempool
        self.chain_id = chain.config.chain_id
        self._texts: dict[bytes, BlockText] = {}

    @property
    def head(self) -> Block:
        """The newest block this node knows."""
        return self.chain.head

    def block(self, ref: BlockRef) -> Block | None:
        """Return the block that *ref* names, or None; the pending one is made up on the spot.

        Raises:
            RpcError: the hash must be canonical and is not.
        """
        at = ref.at
        if at == "latest":
            return self.head
        if at == "pending":
            return self.pending()
        found = self.chain.get_block(at)
        if found is not None and ref.canonical and not self.chain.is_canonical(found.hash):
            raise RpcError("hash is not currently canonical")
        return found

    def state_block(self, ref: BlockRef | None) -> Block:
        """Return the block whose state *ref* names, the latest if it is None. Pending state is the latest state.

        Raises:
            RpcError: there is no such block, with geth's text.
        """
        if ref is None or ref.at in {"latest", "pending"}:
            return self.head
        found = self.block(ref)
        if found is None:
            raise RpcError("header for hash not found" if isinstance(ref.at, bytes) else "header not found")
        return found

    def state(self, ref: BlockRef | None) -> StateView:
        """Return the state after the block that *ref* names.

        Raises:
            RpcError: there is no such block, or its state is no longer kept.
        """
        try:
            return self.chain.state(self.state_block(ref))
        except StateGone as gone:
            raise RpcError(str(gone)) from None

    def pending(self) -> Block:
        """Return the block that would follow the head if no transaction were waiting."""
        head = self.head.header
        base_fee = None if head.base_fee is None else next_base_fee(head.base_fee, head.gas_used, head.gas_limit)
        waiting = replace(
            head,
            number=head.number + 1,
            parent_hash=head.hash,
            timestamp=head.timestamp + max(self.chain.config.slot_ns // S, 1),
            base_fee=base_fee,
            gas_used=0,
            transactions_root=EMPTY_TRIE_HASH,
            receipts_root=EMPTY_TRIE_HASH,
            logs_bloom=0,
            extra_data=b"",
        )
        return Block(waiting)

    def text(self, found: Block) -> BlockText:
        """Return the JSON texts of a block; those of the last `BLOCK_TEXTS_MAX` blocks asked for are kept."""
        texts = self._texts
        text = texts.get(found.hash)
        if text is None:
            if len(texts) >= BLOCK_TEXTS_MAX:
                del texts[next(iter(texts))]
            text = texts[found.hash] = BlockText(found)
        return text
