"""Reserves of the watched pools as of one block, moved forward and back along the chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

# Blocks kept for rewinding; deeper reorgs are answered by reading the chain again.
DEPTH_MAX = 128
# Blocks whose logs came and whose header has not (or that were orphaned) are kept this long.
STRAY_MAX = 128


@dataclass(frozen=True, slots=True)
class Reserves:
    """A pool's two reserves, in the order of its contract."""

    reserve0: int
    reserve1: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the bot keeps of a block's header."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_s: int
    base_fee_wei: int
    gas_used: int
    gas_limit: int
    # Addresses and topics of the block's logs (yellow paper 4.3.1); None where the node left it out.
    logs_bloom: int | None = None


@dataclass(frozen=True, slots=True)
class SyncLog:
    """A pool's own report of its reserves, at one place of one block."""

    pool: bytes
    block_hash: bytes
    block_number: int
    log_index: int
    reserves: Reserves
    tx_hash: bytes
    removed: bool = False


class Step(Enum):
    """How a header changed the view."""

    DUPLICATE = "duplicate"
    EXTENDED = "extended"
    REORGED = "reorged"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Change:
    """The answer to a header: the step and, where blocks were orphaned, their hashes newest first."""

    step: Step
    orphaned: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Syncs:
    """The last report of each pool within one block, and the places already seen."""

    last: dict[bytes, tuple[int, Reserves]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def add(self, log: SyncLog) -> bool:
        if log.log_index in self.seen:
            return False
        self.seen.add(log.log_index)
        known = self.last.get(log.pool)
        if known is None or known[0] < log.log_index:
            self.last[log.pool] = (log.log_index, log.reserves)
        return True


class View:
    """The chain as far as the bot has followed it: a run of headers with the reserves each left.

    Logs are kept by block hash, so they may come before their header, twice, or for a block that is orphaned and
    later canonical again. Rewinding forgets nothing a later step forward would need.
    """

    def __init__(self, pools: Iterable[bytes]) -> None:
        self.pools = tuple(pools)
        self._headers: list[Header] = []
        self._height: dict[bytes, int] = {}
        self._anchor: dict[bytes, Reserves] = {}
        self._syncs: dict[bytes, _Syncs] = {}
        self._complete: set[bytes] = set()

    @property
    def head(self) -> Header | None:
        """The newest block of the view; None before the first anchor."""
        return self._headers[-1] if self._headers else None

    @property
    def oldest(self) -> Header | None:
        """The oldest block still kept; what lies before is settled as far as the view is concerned."""
        return self._headers[0] if self._headers else None

    def header_at(self, number: int) -> Header | None:
        """Return the view's block at *number*, if it is still kept."""
        if not self._headers:
            return None
        index = number - self._headers[0].number
        return self._headers[index] if 0 <= index < len(self._headers) else None

    def contains(self, block_hash: bytes) -> bool:
        """Whether the block is on the branch the view follows."""
        return block_hash in self._height

    def reserves(self, pool: bytes) -> Reserves:
        """Return a pool's reserves as of the head."""
        for header in reversed(self._headers[1:]):
            syncs = self._syncs.get(header.hash)
            if syncs is not None and pool in syncs.last:
                return syncs.last[pool][1]
        return self._anchor[pool]

    def snapshot(self) -> tuple[bytes | None, tuple[Reserves, ...]]:
        """Return the head's hash and every pool's reserves, to compare views by."""
        return (self.head.hash if self.head else None, tuple(self.reserves(pool) for pool in self.pools))

    def anchor(self, header: Header, reserves: dict[bytes, Reserves]) -> None:
        """Start again from *header*, whose reserves were read from the chain."""
        assert set(reserves) == set(self.pools), f"reserves of {len(reserves)} pools, {len(self.pools)} watched"
        self._headers = [header]
        self._height = {header.hash: header.number}
        self._anchor = dict(reserves)
        self._complete = {header.hash}

    def apply(self, header: Header) -> Change:
        """Follow the chain to *header*; a parent that is not known is a gap, and nothing changes."""
        if self.contains(header.hash):
            return Change(Step.DUPLICATE)
        if not self.contains(header.parent_hash):
            return Change(Step.GAP)
        orphaned = self._rewind(header.parent_hash)
        self._headers.append(header)
        self._height[header.hash] = header.number
        if len(self._headers) > DEPTH_MAX:
            self._fold_oldest()
        return Change(Step.REORGED if orphaned else Step.EXTENDED, orphaned)

    def apply_log(self, log: SyncLog) -> bool:
        """Keep a pool's report; false where it was known, is of another pool, or takes back a block."""
        if log.removed or log.pool not in self.pools:
            return False
        syncs = self._syncs.setdefault(log.block_hash, _Syncs())
        fresh = syncs.add(log)
        self._forget_strays()
        return fresh

    def retract(self, block_hash: bytes) -> tuple[bytes, ...]:
        """Rewind to before a block the node took back; the hashes orphaned, newest first."""
        if not self.contains(block_hash):
            return ()
        index = self._index(block_hash)
        # The anchor cannot be undone: what came before it was never known.
        return self._rewind(self._headers[index - 1].hash) if index > 0 else ()

    def complete(self, block_hash: bytes) -> None:
        """Note that every log of the block is here, as a read of exactly that block says."""
        self._complete.add(block_hash)

    def is_complete(self, block_hash: bytes) -> bool:
        """Whether the block's logs are known to be all here."""
        return block_hash in self._complete

    def awaits_logs(self, sync_topic_bits: int, pool_bits: dict[bytes, int]) -> bool:
        """Whether the head's bloom filter promises a report of a pool that has not come.

        Args:
            sync_topic_bits: The filter's bits of the Sync topic.
            pool_bits: The filter's bits of each pool's address.
        """
        promised = self.promised_logs(sync_topic_bits, pool_bits)
        known = self._syncs.get(self.head.hash) if self.head else None
        return any(known is None or pool not in known.last for pool in promised)

    def promised_logs(self, sync_topic_bits: int, pool_bits: dict[bytes, int]) -> list[bytes]:
        """Return the pools of which the head's bloom filter promises reports that may not all be here."""
        head = self.head
        if head is None or head.hash in self._complete or head.logs_bloom is None:
            return []
        bloom = head.logs_bloom
        if bloom & sync_topic_bits != sync_topic_bits:
            return []
        return [pool for pool, bits in pool_bits.items() if bloom & bits == bits]

    def _index(self, block_hash: bytes) -> int:
        return self._height[block_hash] - self._headers[0].number

    def _rewind(self, ancestor_hash: bytes) -> tuple[bytes, ...]:
        keep = self._index(ancestor_hash) + 1
        orphaned = tuple(header.hash for header in reversed(self._headers[keep:]))
        del self._headers[keep:]
        for block_hash in orphaned:
            del self._height[block_hash]
        return orphaned

    def _fold_oldest(self) -> None:
        """Make the second oldest block the anchor."""
        oldest, second = self._headers[0], self._headers[1]
        syncs = self._syncs.pop(second.hash, None)
        if syncs is not None:
            for pool, (_, reserves) in syncs.last.items():
                self._anchor[pool] = reserves
        del self._headers[0]
        del self._height[oldest.hash]
        self._complete.discard(oldest.hash)

    def _forget_strays(self) -> None:
        """Drop the oldest logs of blocks the view does not hold, above the limit."""
        if len(self._syncs) <= DEPTH_MAX + STRAY_MAX:
            return
        for block_hash in [known for known in self._syncs if known not in self._height][:STRAY_MAX]:
            del self._syncs[block_hash]
            self._complete.discard(block_hash)
