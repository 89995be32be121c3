"""Reading the chain into the view: the start, the gaps, the logs that did not come, the check now and then."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from bot import wire
from bot.errors import NodeError
from bot.metrics import Metrics
from bot.provider import Endpoints
from bot.view import Header, Reserves, View

log = structlog.get_logger()

# A longer gap is not walked block by block; the view starts again from the newest block.
GAP_MAX_BLOCKS = 32
# A node behind a load balancer may not know the block another one announced; it is given this long.
LAG_WAITS_S = (0.1, 0.2, 0.4)
LAG_TEXTS = ("header not found", "unknown block", "block not found", "hash not found")


class ChainReader:
    """Reads that are pinned to one block hash, for one view."""

    def __init__(self, endpoints: Endpoints, view: View, metrics: Metrics) -> None:
        self._endpoints = endpoints
        self._view = view
        self._metrics = metrics
        self._topic_bits = wire.bloom_bits(wire.SYNC_TOPIC)
        self._pool_bits = {pool: wire.bloom_bits(pool) for pool in view.pools}

    def awaits_logs(self) -> bool:
        """Whether the head promises Sync logs that have not come."""
        return self._view.awaits_logs(self._topic_bits, self._pool_bits)

    def may_await_more(self) -> bool:
        """Whether the head's Sync logs that came may not be all: the filter does not count."""
        return bool(self._view.promised_logs(self._topic_bits, self._pool_bits))

    async def start_again(self, reason: str, header: Header | None = None) -> None:
        """Anchor the view at *header*, or at the newest block."""
        if header is None:
            header = wire.header(await self._endpoints.request("eth_getBlockByNumber", ["latest", False]))
        reserves = {pool: await self._reserves(pool, header) for pool in self._view.pools}
        self._view.anchor(header, reserves)
        self._metrics.reanchored.labels(reason).inc()
        log.info("view.anchored", reason=reason, number=header.number)

    async def catch_up(self, target: Header | None = None) -> tuple[bytes, ...]:
        """Bring the view to *target*, or to the newest block; returns the blocks orphaned on the way."""
        if target is None:
            target = wire.header(await self._endpoints.request("eth_getBlockByNumber", ["latest", False]))
        if self._view.head is None:
            await self.start_again("start", target)
            return ()
        if not self._view.is_complete(self._view.head.hash):
            # Some of its logs may have gone down with the connection.
            await self.read_logs(self._view.head)
        missing = await self._missing(target)
        if missing is None:
            await self.start_again("gap", target)
            return ()
        orphaned: tuple[bytes, ...] = ()
        for header in reversed(missing):
            orphaned += self._view.apply(header).orphaned
            if self.awaits_logs():
                await self.read_logs(header)
        self._metrics.backfilled.inc(len(missing))
        return orphaned

    async def read_logs(self, header: Header) -> None:
        """Read one block's Sync logs by its hash."""
        query = {
            "blockHash": wire.hexed(header.hash),
            "address": [wire.hexed(pool) for pool in self._view.pools],
            "topics": [wire.hexed(wire.SYNC_TOPIC)],
        }
        for raw in await self._patiently("eth_getLogs", [query]):
            if self._view.apply_log(wire.sync_log(raw)):
                self._metrics.logs.labels("backfilled").inc()
        self._view.complete(header.hash)

    async def reconcile(self) -> bool:
        """Compare the view with the chain at the head; on a difference say so, and start again."""
        head = self._view.head
        assert head is not None
        for pool in self._view.pools:
            there, here = await self._reserves(pool, head), self._view.reserves(pool)
            if self._view.head is not head:
                return True
            if there != here:
                log.error("view.diverged", pool=wire.hexed(pool), view=str(here), chain=str(there), number=head.number)
                await self.start_again("diverged", head)
                return False
        return True

    async def _missing(self, target: Header) -> list[Header] | None:
        """Return the headers from *target* back to the view, newest first; None where that is too far."""
        if self._view.contains(target.hash):
            return []
        missing = [target]
        while not self._view.contains(missing[-1].parent_hash):
            if len(missing) >= GAP_MAX_BLOCKS:
                return None
            raw = await self._endpoints.request("eth_getBlockByHash", [wire.hexed(missing[-1].parent_hash), False])
            if raw is None:
                return None
            missing.append(wire.header(raw))
        return missing

    async def _reserves(self, pool: bytes, header: Header) -> Reserves:
        call = wire.get_reserves_call(pool)
        return wire.reserves(await self._patiently("eth_call", [call, wire.at_block(header.hash)]))

    async def _patiently(self, method: str, params: list[Any]) -> Any:
        """Ask again where the node does not know the block yet."""
        for wait_s in LAG_WAITS_S:
            try:
                return await self._endpoints.request(method, params)
            except NodeError as error:
                if not any(text in error.message.lower() for text in LAG_TEXTS):
                    raise
                await asyncio.sleep(wait_s)
        return await self._endpoints.request(method, params)
