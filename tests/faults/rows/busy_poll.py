"""Waiting for one answer of ten seconds: web3.py's provider turns the loop all the time, websockets alone does not."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from websockets.asyncio.client import connect

from tests.faults.node import WS, ok, websocket


async def talk(send: Any, call: dict[str, Any], _ws: web.WebSocketResponse) -> None:
    await asyncio.sleep(10)
    await send(ok(call, "0x10"))


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


def turns() -> int:
    """Return the turns of the loop so far, those included that the flight did not have to take."""
    loop: Any = asyncio.get_running_loop()
    return int(loop.turns + loop.spin_turns_avoided)


async def bot() -> dict[str, Any]:
    async with AsyncWeb3(WebSocketProvider(WS)) as w3:
        before = turns()
        await w3.eth.block_number
        polled = turns() - before
    async with connect(WS) as ws:
        before = turns()
        await ws.send('{"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}')
        await ws.recv()
        awaited = turns() - before
    return {"web3.py": polled, "websockets": awaited}
