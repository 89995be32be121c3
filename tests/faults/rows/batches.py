"""Two batches at once on one WebSocket: each gets the other's answers, cut to its own length."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider

from tests.faults.node import WS, ok, websocket

BALANCES = {"0x" + "11" * 20: 11, "0x" + "22" * 20: 22}


async def talk(send: Any, calls: Any, _ws: web.WebSocketResponse) -> None:
    await asyncio.sleep(0.5 if len(calls) == 2 else 0.1)
    await send([ok(call, hex(BALANCES[call["params"][0].lower()])) for call in calls])


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def bot() -> dict[str, Any]:
    first, second = BALANCES
    async with AsyncWeb3(WebSocketProvider(WS)) as w3:

        async def ask(address: str, times: int) -> list[int]:
            async with w3.batch_requests() as batch:
                for _ in range(times):
                    batch.add(w3.eth.get_balance(address))
                return await batch.async_execute()

        slow, fast = await asyncio.gather(ask(first, 2), ask(second, 3), return_exceptions=True)
    return {"slow": str(slow), "fast": str(fast)}
