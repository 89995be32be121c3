"""A NAT forgets a WebSocket's connection: the bot hears nothing for minutes, and what happened meanwhile is lost."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from web3.utils.subscriptions import NewHeadsSubscription
from websockets.exceptions import ConnectionClosed

from sim.units import S
from tests.faults.node import WS, head, ok, websocket

FORGOTTEN_S = 60
heard: list[tuple[int, int]] = []


async def talk(send: Any, call: dict[str, Any], ws: web.WebSocketResponse) -> None:
    loop = asyncio.get_running_loop()
    await send(ok(call, "0x1"))
    while call["method"] == "eth_subscribe" and not ws.closed:
        await asyncio.sleep(12 - loop.time() % 12)
        await send(head(round(loop.time() / 12)))


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


def trouble(env: Any, network: Any) -> None:
    env.at(FORGOTTEN_S * S, network.half_open, "node", True)


async def on_head(context: Any) -> None:
    heard.append((context.result["number"], round(asyncio.get_running_loop().time())))


async def listen() -> None:
    async for w3 in AsyncWeb3(WebSocketProvider(WS)):
        try:
            await w3.subscription_manager.subscribe(NewHeadsSubscription(handler=on_head))
            await w3.subscription_manager.handle_subscriptions()
        except ConnectionClosed:
            continue


async def bot() -> dict[str, Any]:
    start_s = round(asyncio.get_running_loop().time())
    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(500)
    listening.cancel()
    await asyncio.wait([listening])
    numbers = [number for number, _ in heard]
    gaps = [(a, b) for a, b in itertools.pairwise(heard) if b[0] > a[0] + 1]
    return {
        "lost": [later[0] - earlier[0] - 1 for earlier, later in gaps],
        "silent from": [earlier[1] - start_s for earlier, _ in gaps],
        "silent until": [later[1] - start_s for _, later in gaps],
        "heard": len(numbers),
    }
