"""`connect()` called twice: the first listener and its connection are nobody's, and `disconnect()` leaves them open."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider

from tests.faults.node import WS, ok, websocket

open_connections: list[web.WebSocketResponse] = []


async def talk(send: Any, call: dict[str, Any], ws: web.WebSocketResponse) -> None:
    open_connections.append(ws)
    await send(ok(call, "0x10"))


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def bot() -> dict[str, Any]:
    w3 = AsyncWeb3(WebSocketProvider(WS))
    for _ in range(2):
        await w3.provider.connect()
        await w3.eth.block_number
    await w3.provider.disconnect()
    await asyncio.sleep(1)
    left = [task.get_coro().__qualname__ for task in asyncio.all_tasks() if "listener" in str(task.get_coro())]
    return {"left": left, "open": [not ws.closed for ws in open_connections]}
