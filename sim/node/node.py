"""One JSON-RPC node of the world."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sim.chain.chain import HeadChange
from sim.chain.transaction import Transaction
from sim.node.desk import Desk
from sim.node.methods import Method, Methods
from sim.node.params import hex_bytes, signature
from sim.node.submission import Submission
from sim.node.subscriptions import Publisher
from sim.node.view import NodeView
from sim.node.wire import IDLE_S, Wire
from sim.record import Recorder

HTTP_PORT: Final = 8545
WS_PORT: Final = 8546
NO_LABELS: Final[Mapping[bytes, str]] = MappingProxyType({})


class Node:
    """A JSON-RPC server over HTTP and WebSocket with its own view of the chain.

    Args:
        name: what the record calls it.
        view: the chain and the mempool as it sees them.
        loop: where it serves: a virtual loop or a real one.
        recorder: where its events go, or None.
        labels: names of accounts by address, for the record.
        idle_s: how long an HTTP connection may be idle until it is closed.
    """

    def __init__(
        self,
        name: str,
        view: NodeView,
        loop: asyncio.AbstractEventLoop,
        recorder: Recorder | None = None,
        labels: Mapping[bytes, str] = NO_LABELS,
        idle_s: float = IDLE_S,
    ) -> None:
        self.name = name
        self.view = view
        self._loop = loop
        self._recorder = recorder
        self._publisher = Publisher(name, view, self._announced)
        submission = Submission(name, recorder, labels)
        self.methods = Methods(view, {"eth_sendRawTransaction": Method(signature(hex_bytes), submission.send)})
        desk = Desk(name, self.methods, self._publisher, recorder)
        self._wire = Wire(desk, self._publisher, self._overflowed, loop, idle_s)

    async def start(self, host: str, http_port: int = HTTP_PORT, ws_port: int = WS_PORT) -> tuple[int, int]:
        """Serve HTTP and WebSockets on their own ports, any path, and return the ports (0 asks for a free one)."""
        http = await self._wire.listen(host, http_port, http=True, websocket=False)
        ws = await self._wire.listen(host, ws_port, http=False, websocket=True)
        return http, ws

    async def listen(self, host: str, port: int) -> int:
        """Serve both HTTP and WebSockets at one more address and return its port: a provider's host name."""
        return await self._wire.listen(host, port, http=True, websocket=True)

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        await self._wire.close()

    def on_head(self, change: HeadChange) -> None:
        """Tell subscribers, in the loop's next turn, that the head moved."""
        self._loop.call_soon(self._publisher.publish_head, change)

    def on_transaction(self, tx: Transaction) -> None:
        """Tell subscribers, in the loop's next turn, of a transaction that can be included now."""
        self._loop.call_soon(self._publisher.publish_transaction, tx)

    def disconnect_all(self) -> None:
        """Drop every connection without a word; listening goes on."""
        self._wire.abort_all()

    def _announced(self, number: int, block_hash: bytes) -> None:
        if self._recorder is not None:
            self._recorder.event("head", self.name, number=number, hash=f"0x{block_hash.hex()}")

    def _overflowed(self, waiting: int) -> None:
        if self._recorder is not None:
            self._recorder.event("ws.overflow", self.name, bytes=waiting)
