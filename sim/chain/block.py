"""Blocks and what is in them: headers, receipts, logs, the bloom, and the digest that no engine can change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sim.chain import rlp
from sim.chain.keccak import EMPTY_LIST_HASH, EMPTY_TRIE_HASH, keccak
from sim.chain.transaction import Transaction
from sim.chain.trie import ordered_root

ZERO_HASH = bytes(32)
ZERO_ADDRESS = bytes(20)


@dataclass(frozen=True)
class Header:
    """A block's header with every field of mainnet; those a fork does not have yet are None.

    Args:
        timestamp: unix time in seconds.
        prev_randao: the mix hash before Paris.
        state_root: mainnet's trie root in an imported header; in a block we built, the keccak of the digest of its
            state changes, which is not a trie root.
    """

    number: int
    parent_hash: bytes
    timestamp: int
    gas_limit: int
    gas_used: int = 0
    base_fee: int | None = 0
    coinbase: bytes = ZERO_ADDRESS
    prev_randao: bytes = ZERO_HASH
    state_root: bytes = ZERO_HASH
    transactions_root: bytes = EMPTY_TRIE_HASH
    receipts_root: bytes = EMPTY_TRIE_HASH
    logs_bloom: int = 0
    extra_data: bytes = b""
    ommers_hash: bytes = EMPTY_LIST_HASH
    difficulty: int = 0
    nonce: bytes = bytes(8)
    withdrawals_root: bytes | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    parent_beacon_block_root: bytes | None = None
    requests_hash: bytes | None = None

    def encode(self) -> bytes:
        """Return the header's RLP."""
        fields: list[bytes | int] = [
            self.parent_hash, self.ommers_hash, self.coinbase, self.state_root, self.transactions_root,
            self.receipts_root, self.logs_bloom.to_bytes(256, "big"), self.difficulty, self.number, self.gas_limit,
            self.gas_used, self.timestamp, self.extra_data, self.prev_randao, self.nonce,
        ]  # fmt: skip
        later = (self.base_fee, self.withdrawals_root, self.blob_gas_used, self.excess_blob_gas,
                 self.parent_beacon_block_root, self.requests_hash)  # fmt: skip
        fields.extend(value for value in later if value is not None)
        return rlp.encode(fields)

    @cached_property
    def hash(self) -> bytes:
        """The block's hash."""
        return keccak(self.encode())


@dataclass(frozen=True, slots=True)
class Log:
    """An EVM log: who wrote it, up to four topics of 32 bytes, and data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction in a block.

    Args:
        status: 1 if it went through, 0 if it failed.
        contract_address: the contract a creation put on chain, or None.
        effective_gas_price: what a unit of gas cost the sender, in wei.
        output: what the call returned, or its revert data.
        error: the reason in geth's words, or None.
    """

    tx_hash: bytes
    status: int
    gas_used: int
    cumulative_gas_used: int
    logs: tuple[Log, ...]
    bloom: int
    contract_address: bytes | None
    effective_gas_price: int
    type: int
    output: bytes = b""
    error: str | None = None

    def encode(self) -> bytes:
        """Return the receipt as the receipts trie holds it."""
        logs: list[rlp.Encodable] = [[log.address, list(log.topics), log.data] for log in self.logs]
        body = rlp.encode([self.status, self.cumulative_gas_used, self.bloom.to_bytes(256, "big"), logs])
        return bytes((self.type,)) + body if self.type else body


@dataclass(frozen=True)
class Block:
    """A header with its transactions and receipts.

    Args:
        digest: a hash over receipts and state changes, the same on every engine.
    """

    header: Header
    transactions: tuple[Transaction, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    digest: bytes = field(default=b"", compare=False)

    @property
    def number(self) -> int:
        """The block's height."""
        return self.header.number

    @property
    def hash(self) -> bytes:
        """The block's hash."""
        return self.header.hash

    @cached_property
    def size(self) -> int:
        """The block's length in bytes of RLP (no ommers, no withdrawals)."""
        body = sum(len(tx.raw) + (_prefix_size(len(tx.raw)) if tx.type else 0) for tx in self.transactions)
        lists = len(self.header.encode()) + body + _prefix_size(body) + 1
        lists += 1 if self.header.withdrawals_root is not None else 0
        return lists + _prefix_size(lists)


def _prefix_size(length: int) -> int:
    return 1 if length < 56 else 1 + (length.bit_length() + 7) // 8


_bits_of: dict[bytes, int] = {}
_BITS_MAX = 1 << 16


def bloom_of(logs: Iterable[Log]) -> int:
    """Return the 2048-bit bloom filter over addresses and topics of *logs*.

    Source:
        Yellow paper, equation 29.
    """
    bloom = 0
    for log in logs:
        for item in (log.address, *log.topics):
            bloom |= _bloom_bits(item)
    return bloom


def _bloom_bits(item: bytes) -> int:
    bits = _bits_of.get(item)
    if bits is None:
        if len(_bits_of) >= _BITS_MAX:
            _bits_of.clear()
        digest, bits = keccak(item), 0
        for index in (0, 2, 4):
            bits |= 1 << ((digest[index] << 8 | digest[index + 1]) & 2047)
        _bits_of[item] = bits
    return bits


def in_bloom(bloom: int, item: bytes) -> bool:
    """Return whether *item* may be among the addresses and topics under *bloom*."""
    bits = _bloom_bits(item)
    return bloom & bits == bits


def roots(transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> tuple[bytes, bytes]:
    """Return the transactions root and the receipts root of a block."""
    return ordered_root([tx.raw for tx in transactions]), ordered_root([receipt.encode() for receipt in receipts])


def block_digest(receipts: Sequence[Receipt], changes_digest: bytes) -> bytes:
    """Return the digest of a block: a hash over its receipts and over the digest of its state changes."""
    return keccak(b"windtunnel block" + b"".join(keccak(receipt.encode()) for receipt in receipts) + changes_digest)
