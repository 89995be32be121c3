"""Requests that were cancelled stay in the provider's caches, and push the subscription's own entry out of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider

from tests.faults.node import WS, head, ok, websocket


async def talk(send: Any, call: dict[str, Any], _ws: web.WebSocketResponse) -> None:
    if call["method"] == "eth_subscribe":
        await send(ok(call, "0x1"))
        for number in (1, 2):
            await asyncio.sleep(5 * number)
            await send(head(number))
    else:
        await asyncio.sleep(0.2)
        await send(ok(call, "0x10"))


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def hurried(w3: Any, times: int) -> None:
    for _ in range(times):
        with suppress(TimeoutError):
            await asyncio.wait_for(w3.eth.block_number, 0.1)


async def bot() -> dict[str, Any]:
    async with AsyncWeb3(WebSocketProvider(WS)) as w3:
        await hurried(w3, 50)
        await asyncio.sleep(1)
        processor = w3.provider._request_processor
        left = [len(processor._request_response_cache._data), len(processor._request_information_cache._data)]
    seen = []
    async with AsyncWeb3(WebSocketProvider(WS, request_information_cache_size=20)) as w3:
        await w3.eth.subscribe("newHeads")
        async for message in w3.socket.process_subscriptions():
            event = message.get("result") or message["params"]["result"]
            seen.append(event["number"])
            if len(seen) == 2:
                break
            await hurried(w3, 25)
    return {"left": left, "heads": seen}
