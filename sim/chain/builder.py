"""Builds blocks: the best effective tip first, each sender's transactions in nonce order."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from hashlib import sha256
from heapq import heapify, heappop, heappush

from sim.chain.block import Block, Header, Receipt, block_digest, roots
from sim.chain.chain import Chain, ChainConfig
from sim.chain.engine import FORKS, BlockEnvironment, Session
from sim.chain.fee import next_base_fee
from sim.chain.keccak import EMPTY_TRIE_HASH, keccak
from sim.chain.mempool import Mempool
from sim.chain.state import Layer, changes_digest
from sim.chain.transaction import Transaction

EXTRA_DATA = b"windtunnel"


class Builder:
    """Fills blocks from a mempool."""

    def __init__(self, chain: Chain, mempool: Mempool) -> None:
        self._chain = chain
        self._mempool = mempool

    def build(
        self, parent: Block, timestamp: int, coinbase: bytes, *, prev_randao: bytes = b"",
        skip: Collection[bytes] = frozenset(), candidates: Iterable[Transaction] | None = None,
    ) -> Block:  # fmt: skip
        """Build a block on *parent* and keep it on the chain, without making it the head.

        Args:
            timestamp: unix time in seconds.
            coinbase: who gets the tips.
            skip: hashes of transactions the builder does not see.
            candidates: what to choose from instead of the mempool, in order of arrival.
        """
        header = child_header(self._chain.config, parent, timestamp, coinbase, prev_randao)
        env = BlockEnvironment.of(header, self._chain.config.chain_id, self._chain.ancestors(header))
        session = self._chain.engine.open_block(self._chain.layer(parent), env)
        pool = self._mempool.transactions() if candidates is None else candidates
        chosen = [tx for tx in pool if tx.hash not in skip]
        transactions, receipts = fill(session, chosen, header)
        block, layer = seal_block(header, session, transactions, receipts)
        self._chain.keep(block, layer)
        return block

    def competing(
        self, depth: int, coinbase: bytes, *, skip: Collection[bytes] = frozenset(), prev_randao: bytes = b""
    ) -> list[Block]:
        """Build the branch that another proposer's blocks would be: *depth* blocks in place of the last *depth*.

        Each takes the slot of the block it replaces and sees what that block and those before it saw.

        Args:
            skip: hashes of transactions that the other proposer never saw.
        """
        head = self._chain.head
        replaced: list[Block] = []
        for number in range(head.number - depth + 1, head.number + 1):
            block = self._chain.get_block(number)
            assert block is not None, f"no block {number} to replace"
            replaced.append(block)
        parent = self._chain.get_block(replaced[0].header.parent_hash)
        assert parent is not None
        branch: list[Block] = []
        waiting: dict[bytes, Transaction] = {}
        for old in replaced:
            waiting.update((tx.hash, tx) for tx in old.transactions)
            randao = prev_randao or keccak(b"competing" + old.header.prev_randao)
            parent = self.build(
                parent, old.header.timestamp, coinbase, prev_randao=randao, skip=skip, candidates=waiting.values()
            )
            for tx in parent.transactions:
                waiting.pop(tx.hash, None)
            branch.append(parent)
        return branch


def fill(
    session: Session, candidates: Iterable[Transaction], header: Header
) -> tuple[list[Transaction], list[Receipt]]:
    """Apply *candidates*, best effective tip first, each sender's in nonce order; leave out what cannot stand.

    Equal tips go in order of *candidates*.
    """
    base_fee = header.base_fee or 0
    runs: dict[bytes, dict[int, tuple[int, Transaction]]] = {}
    for order, tx in enumerate(candidates):
        runs.setdefault(tx.sender, {})[tx.nonce] = (order, tx)
    heap: list[tuple[int, int, Transaction]] = []

    def offer(sender: bytes) -> None:
        found = runs[sender].pop(session.nonce(sender), None)
        if found is not None and found[1].effective_tip(base_fee) >= 0:
            heappush(heap, (-found[1].effective_tip(base_fee), found[0], found[1]))

    for sender in runs:
        offer(sender)
    heapify(heap)
    transactions: list[Transaction] = []
    receipts: list[Receipt] = []
    while heap:
        _, _, tx = heappop(heap)
        outcome = session.apply(tx)
        if isinstance(outcome, Receipt):
            transactions.append(tx)
            receipts.append(outcome)
            offer(tx.sender)
    return transactions, receipts


def child_header(
    config: ChainConfig, parent: Block, timestamp: int, coinbase: bytes, prev_randao: bytes = b""
) -> Header:
    """Return the header of a child of *parent* before any transaction."""
    above = parent.header
    base_fee = next_base_fee(above.base_fee or 0, above.gas_used, above.gas_limit)
    return new_header(
        config, above.number + 1, above.hash, timestamp, base_fee, coinbase,
        prev_randao or keccak(b"prev_randao" + above.hash),
    )  # fmt: skip


def new_header(
    config: ChainConfig, number: int, parent_hash: bytes, timestamp: int, base_fee: int, coinbase: bytes,
    prev_randao: bytes,
) -> Header:  # fmt: skip
    """Return the header of a block before any transaction: no withdrawals, no blobs, no requests."""

    def since(fork: str) -> bool:
        return FORKS.index(config.fork) >= FORKS.index(fork)

    return Header(
        number=number, parent_hash=parent_hash, timestamp=timestamp, gas_limit=config.gas_limit,
        base_fee=base_fee if since("london") else None, coinbase=coinbase, prev_randao=prev_randao,
        extra_data=EXTRA_DATA,
        withdrawals_root=EMPTY_TRIE_HASH if since("shanghai") else None,
        blob_gas_used=0 if since("cancun") else None, excess_blob_gas=0 if since("cancun") else None,
        parent_beacon_block_root=keccak(b"beacon" + parent_hash) if since("cancun") else None,
        requests_hash=sha256(b"").digest() if since("prague") else None,
    )  # fmt: skip


def seal_block(
    header: Header, session: Session, transactions: Iterable[Transaction], receipts: Iterable[Receipt]
) -> tuple[Block, Layer]:
    """End the block: its roots, bloom and digest, and the layer after it."""
    transactions, receipts = tuple(transactions), tuple(receipts)
    layer = session.seal()
    changes = changes_digest(layer)
    bloom = 0
    for receipt in receipts:
        bloom |= receipt.bloom
    transactions_root, receipts_root = roots(transactions, receipts)
    sealed = replace(
        header, gas_used=session.gas_used, logs_bloom=bloom, state_root=keccak(changes),
        transactions_root=transactions_root, receipts_root=receipts_root,
    )  # fmt: skip
    return Block(sealed, transactions, receipts, block_digest(receipts, changes)), layer
