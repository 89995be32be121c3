"""RLP, the encoding of everything that Ethereum hashes, with geth's words for what is malformed.

Source:
    Yellow paper, appendix B; geth `rlp/decode.go` for the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Item: TypeAlias = "bytes | list[Item]"
Encodable: TypeAlias = "bytes | int | Sequence[Encodable]"


class DecodingError(ValueError):
    """The bytes are no RLP."""


def encode(item: Encodable) -> bytes:
    """Return *item* in RLP; integers are big-endian without leading zeros.

    >>> encode([b"cat", 1024]).hex()
    'c783636174820400'
    """
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        size = len(item)
        if size == 1 and item[0] < 0x80:
            return item
        return bytes((0x80 + size,)) + item if size < 56 else _long(0xB7, size) + item
    body = b"".join([encode(part) for part in item])
    size = len(body)
    return bytes((0xC0 + size,)) + body if size < 56 else _long(0xF7, size) + body


def _long(offset: int, size: int) -> bytes:
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((offset + len(digits),)) + digits


def decode(data: bytes) -> Item:
    """Return the one item in *data*.

    Raises:
        DecodingError: it is malformed, or more than one item.
    """
    item, end = _item(data, 0, len(data))
    if end != len(data):
        raise DecodingError("rlp: input contains more than one value")
    return item


def _item(data: bytes, start: int, limit: int) -> tuple[Item, int]:
    if start >= limit:
        raise DecodingError("unexpected EOF")
    first = data[start]
    if first < 0x80:
        return data[start : start + 1], start + 1
    if first < 0xC0:
        begin, end = _span(data, start, limit, 0x80)
        if end - begin == 1 and data[begin] < 0x80:
            raise DecodingError("rlp: non-canonical size information")
        return data[begin:end], end
    begin, end = _span(data, start, limit, 0xC0)
    items: list[Item] = []
    while begin < end:
        item, begin = _item(data, begin, end)
        items.append(item)
    return items, end


def _span(data: bytes, start: int, limit: int, offset: int) -> tuple[int, int]:
    """Return where the content of the item at *start* begins and ends."""
    size = data[start] - offset
    begin = start + 1
    if size > 55:
        digits = data[begin : begin + size - 55]
        begin += size - 55
        size = int.from_bytes(digits, "big")
        if begin > limit or digits[0] == 0 or size < 56:
            raise DecodingError("rlp: non-canonical size information")
    if begin + size > limit:
        raise DecodingError("rlp: value size exceeds available input length")
    return begin, begin + size
