"""A provider resets every connection: `async for w3 in AsyncWeb3(...)` comes back at once, each time."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from web3.utils.subscriptions import NewHeadsSubscription
from websockets.exceptions import ConnectionClosed

from sim.units import MS, S
from tests.faults.node import WS, ok, websocket

came: list[float] = []


async def talk(send: Any, call: dict[str, Any], _ws: web.WebSocketResponse) -> None:
    await send(ok(call, "0x1"))


@web.middleware
async def note(request: web.Request, handler: Any) -> Any:
    came.append(asyncio.get_running_loop().time())
    return await handler(request)


def apps() -> dict[int, web.Application]:
    app = websocket(talk)
    app.middlewares.append(note)
    return {8546: app}


def trouble(env: Any, network: Any) -> None:
    """From ten seconds after the start the provider resets whatever is open, five times a second."""
    for n in range(20 * 5):
        env.at(10 * S + n * 200 * MS, network.cut, "node")


async def on_head(context: Any) -> None:
    """Take a head."""


async def listen() -> None:
    async for w3 in AsyncWeb3(WebSocketProvider(WS)):
        try:
            await w3.subscription_manager.subscribe(NewHeadsSubscription(handler=on_head))
            await w3.subscription_manager.handle_subscriptions()
        except ConnectionClosed:
            continue


async def bot() -> dict[str, Any]:
    start = asyncio.get_running_loop().time()
    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(40)
    listening.cancel()
    await asyncio.wait([listening])
    during = [each - start for each in came if 10 <= each - start < 30]
    return {"before": sum(each - start < 10 for each in came), "in twenty seconds": len(during)}
