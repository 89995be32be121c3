"""A line between the bot and a real node that can be cut, or say what a node would not: HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tests.bot.anvil import PATIENCE_S, Node

Answer = web.Response | None


class Line:
    """A proxy in front of one node; `requests` counts what passed over HTTP, by method."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.port = 0
        self.requests: Counter[str] = Counter()
        self.connections = 0
        # Answers in the node's place, if it returns anything.
        self.answer: Callable[[dict[str, Any]], Answer] = lambda request: None
        self._sockets: dict[web.WebSocketResponse, asyncio.BaseTransport] = {}

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every WebSocket as a cable does: without a word."""
        for transport in self._sockets.values():
            assert isinstance(transport, asyncio.WriteTransport)
            transport.abort()

    async def say(self, frame: str) -> None:
        """Send a frame of our own to everyone on a WebSocket."""
        for socket in self._sockets:
            await socket.send_str(frame)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        async with aiohttp.ClientSession() as session:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._pump(request, session)
            body = await request.json()
            self.requests[body["method"]] += 1
            instead = self.answer(body)
            if instead is not None:
                return instead
            async with session.post(self.node.http, json=body) as answer:
                return web.Response(body=await answer.read(), content_type="application/json")

    async def _pump(self, request: web.Request, session: aiohttp.ClientSession) -> web.WebSocketResponse:
        near = web.WebSocketResponse(max_msg_size=0)
        await near.prepare(request)
        self.connections += 1
        assert request.transport is not None
        self._sockets[near] = request.transport
        try:
            async with session.ws_connect(self.node.ws, max_msg_size=0) as far, asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(near, far))
                tasks.create_task(_copy(far, near))
        finally:
            del self._sockets[near]
        return near


async def _copy(source: Any, sink: Any) -> None:
    async for message in source:
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            text = message.data if isinstance(message.data, str) else message.data.decode()
            try:
                await sink.send_str(text)
            except ConnectionError:
                break
    await sink.close()


@asynccontextmanager
async def laid(node: Node) -> AsyncIterator[Line]:
    """Lay a line to the node while the body runs."""
    line = Line(node)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", line.handle)
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        line.port = runner.addresses[0][1]
        yield line
    finally:
        line.cut()
        await runner.cleanup()


async def eventually(ask: Callable[[], Any], what: str) -> Any:
    """Ask until the answer is true, leaving the loop to the others in between."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + PATIENCE_S
    while loop.time() < deadline_s:
        answer = ask()
        if answer:
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")
