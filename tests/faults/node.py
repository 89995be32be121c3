"""A node that a row can make misbehave: JSON-RPC over HTTP and WebSocket on aiohttp, answered by the row's function."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

HTTP = "http://node:8545"
WS = "ws://node:8546"
HEADER = {"number": "0x10", "hash": "0x" + "ab" * 32, "parentHash": "0x" + "cd" * 32, "timestamp": "0x65"}


def ok(call: dict[str, Any], result: Any) -> dict[str, Any]:
    """Return the answer to *call*."""
    return {"jsonrpc": "2.0", "id": call["id"], "result": result}


def head(number: int, subscription: str = "0x1") -> dict[str, Any]:
    """Return a notification of block *number*."""
    params = {"subscription": subscription, "result": HEADER | {"number": hex(number)}}
    return {"jsonrpc": "2.0", "method": "eth_subscription", "params": params}


def http(answer: Callable[[dict[str, Any]], Awaitable[web.Response | dict[str, Any]]]) -> web.Application:
    """Serve POSTs: *answer* gets each call."""

    async def handle(request: web.Request) -> web.Response:
        found = await answer(await request.json())
        return found if isinstance(found, web.Response) else web.json_response(found)

    app = web.Application()
    app.router.add_post("/", handle)
    return app


Talk = Callable[[Callable[[Any], Awaitable[None]], Any, web.WebSocketResponse], Awaitable[None]]


def websocket(talk: Talk) -> web.Application:
    """Serve WebSockets: for each frame a task that gets a function that sends, the frame, and the socket."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)

        async def send(frame: Any) -> None:
            if not ws.closed:
                await ws.send_str(json.dumps(frame))

        async with asyncio.TaskGroup() as talks:
            async for message in ws:
                talks.create_task(talk(send, json.loads(message.data), ws))
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    return app
