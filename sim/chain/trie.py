"""The root of a Merkle Patricia trie over an ordered list, as block headers commit to transactions and receipts."""

from __future__ import annotations

from collections.abc import Sequence

from sim.chain import rlp
from sim.chain.keccak import EMPTY_TRIE_HASH, keccak

_Entry = tuple[tuple[int, ...], bytes]


def ordered_root(items: Sequence[bytes]) -> bytes:
    """Return the root of the trie that maps rlp(index) to each of *items*.

    It is computed once, bottom up, and no node is kept: nothing here is ever looked up again.

    Source:
        Yellow paper, appendix D.
    """
    if not items:
        return EMPTY_TRIE_HASH
    entries = sorted((_nibbles(rlp.encode(index)), item) for index, item in enumerate(items))
    return keccak(rlp.encode(_node(entries, 0)))


def _node(entries: list[_Entry], depth: int) -> list[rlp.Encodable]:
    first, value = entries[0]
    if len(entries) == 1:
        return [_hex_prefix(first[depth:], leaf=True), value]
    last = entries[-1][0]
    shared = depth
    while shared < len(first) and first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return [_hex_prefix(first[depth:shared], leaf=False), _reference(_node(entries, shared))]
    branch: list[rlp.Encodable] = [b""] * 17
    start = 0
    if len(first) == depth:
        branch[16], start = value, 1
    while start < len(entries):
        nibble, end = entries[start][0][depth], start + 1
        while end < len(entries) and entries[end][0][depth] == nibble:
            end += 1
        branch[nibble] = _reference(_node(entries[start:end], depth + 1))
        start = end
    return branch


def _reference(node: list[rlp.Encodable]) -> rlp.Encodable:
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak(encoded)


def _hex_prefix(nibbles: tuple[int, ...], *, leaf: bool) -> bytes:
    flag = 2 if leaf else 0
    padded = (flag + 1, *nibbles) if len(nibbles) % 2 else (flag, 0, *nibbles)
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _nibbles(key: bytes) -> tuple[int, ...]:
    return tuple(nibble for byte in key for nibble in (byte >> 4, byte & 15))
