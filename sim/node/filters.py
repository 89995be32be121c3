"""Which logs a client asked for: the criteria of `eth_getLogs` and of a logs subscription.

Source:
    go-ethereum, `eth/filters/api.go`, `eth/filters/filter.go`.
"""

from __future__ import annotations

from binascii import unhexlify
from dataclasses import dataclass
from typing import Any, Final

from sim.chain.block import Block, Log, in_bloom
from sim.node.codec import BlockText
from sim.node.params import BlockRef, Wrong, block_number, go_kind, hash32, prefixed, type_error
from sim.node.rpc import Fragment, RpcError, invalid_params

TOPICS_MAX: Final = 4
ALTERNATIVES_MAX: Final = 1000
POSITION_MAX: Final = 1000

EXCEED_TOPICS: Final = "exceed max topics"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a log must be to be wanted.

    Args:
        block_hash: the one block to look in, or None for a range.
        first, last: the range as asked for; None is the latest block.
        addresses: who may have written it; empty for anyone.
        topics: for each position the topics allowed; empty for any.
    """

    block_hash: bytes | None = None
    first: BlockRef | None = None
    last: BlockRef | None = None
    addresses: frozenset[bytes] = frozenset()
    topics: tuple[frozenset[bytes], ...] = ()

    def check(self) -> None:
        """Check the sizes that geth limits.

        Raises:
            RpcError: there are too many addresses or topics.
        """
        if len(self.addresses) > POSITION_MAX or any(len(allowed) > POSITION_MAX for allowed in self.topics):
            raise RpcError("exceed max addresses or topics per search position")

    def check_subscription(self) -> None:
        """Check that the range is one that a subscription can follow.

        Raises:
            RpcError: it is not.
        """
        self.check()
        first, last = _subscribed(self.first), _subscribed(self.last)
        if "pending" in (first, last):
            raise invalid_params("pending logs are not supported")
        if first == "earliest":
            first = 0
        if first == "latest" and last == "latest":
            return
        if isinstance(first, int) and (last == "latest" or (isinstance(last, int) and last >= first)):
            return
        raise invalid_params("invalid block range params")

    def covers(self, number: int) -> bool:
        """Return whether a subscription with these criteria wants logs of the block at height *number*."""
        first = None if self.first is None else self.first.at
        last = None if self.last is None else self.last.at
        return not ((type(first) is int and number < first) or (type(last) is int and number > last))

    def select(self, text: BlockText) -> list[Fragment]:
        """Return the wanted logs of a block, in their order."""
        block = text.found
        if not self._may_match(block):
            return []
        sent = text.logs()
        return [
            sent[index][at]
            for index, receipt in enumerate(block.receipts)
            for at, log in enumerate(receipt.logs)
            if self._matches(log)
        ]

    def _may_match(self, block: Block) -> bool:
        bloom = block.header.logs_bloom
        if not bloom:
            return False
        if self.addresses and not any(in_bloom(bloom, address) for address in self.addresses):
            return False
        return all(not allowed or any(in_bloom(bloom, topic) for topic in allowed) for allowed in self.topics)

    def _matches(self, log: Log) -> bool:
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(not allowed or topic in allowed for allowed, topic in zip(self.topics, log.topics, strict=False))


def _subscribed(ref: BlockRef | None) -> int | str | bytes:
    return "latest" if ref is None else ref.at


def criteria(value: Any) -> Criteria:
    """Return *value*, the object of `eth_getLogs`."""
    if value is None:
        return Criteria()
    if type(value) is not dict:
        raise type_error(go_kind(value), "filters.input")
    found, first, last = value.get("blockHash"), value.get("fromBlock"), value.get("toBlock")
    block_hash = None if found is None else hash32(found, "input.blockHash")
    start = None if first is None else block_number(first)
    end = None if last is None else block_number(last)
    if block_hash is not None and (start is not None or end is not None):
        raise Wrong("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    return Criteria(block_hash, start, end, _addresses(value.get("address")), _topics(value.get("topics")))


def _data(text: str, size: int, name: str) -> bytes:
    if not text:
        raise Wrong("empty hex string")
    if not prefixed(text):
        raise Wrong("hex string without 0x prefix")
    if len(text) & 1:
        raise Wrong("hex string of odd length")
    try:
        data = unhexlify(text[2:])
    except ValueError:
        raise Wrong("invalid hex string") from None
    if len(data) != size:
        raise Wrong(f"hex has invalid length {len(data)} after decoding; expected {size} for {name}")
    return data


def _addresses(value: Any) -> frozenset[bytes]:
    if value is None:
        return frozenset()
    if type(value) is str:
        try:
            return frozenset((_data(value, 20, "address"),))
        except Wrong as wrong:
            raise Wrong(f"invalid address: {wrong}") from None
    if type(value) is not list:
        raise Wrong("invalid addresses in query")
    addresses = []
    for index, item in enumerate(value):
        if type(item) is not str:
            raise Wrong(f"non-string address at index {index}")
        try:
            addresses.append(_data(item, 20, "address"))
        except Wrong as wrong:
            raise Wrong(f"invalid address at index {index}: {wrong}") from None
    return frozenset(addresses)


def _topics(value: Any) -> tuple[frozenset[bytes], ...]:
    if value is None:
        return ()
    if type(value) is not list:
        raise type_error(go_kind(value), "[]interface {}", "input.topics")
    if len(value) > TOPICS_MAX:
        raise Wrong(EXCEED_TOPICS)
    return tuple(_position(item) for item in value)


def _position(value: Any) -> frozenset[bytes]:
    if value is None:
        return frozenset()
    if type(value) is str:
        return frozenset((_data(value, 32, "topic"),))
    if type(value) is not list:
        raise Wrong("invalid topic(s)")
    if len(value) > ALTERNATIVES_MAX:
        raise Wrong(EXCEED_TOPICS)
    allowed = []
    for item in value:
        if item is None:
            return frozenset()
        if type(item) is not str:
            raise Wrong("invalid topic(s)")
        allowed.append(_data(item, 32, "topic"))
    return frozenset(allowed)
