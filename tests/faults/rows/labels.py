"""Subscribing again after a reconnect: a label is refused, and without one the dead subscriptions pile up."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from web3.exceptions import Web3ValueError
from web3.utils.subscriptions import NewHeadsSubscription
from websockets.exceptions import ConnectionClosed

from tests.faults.node import WS, head, ok, websocket

ids = iter(range(1, 100))


async def talk(send: Any, call: dict[str, Any], ws: web.WebSocketResponse) -> None:
    subscription = hex(next(ids))
    await send(ok(call, subscription))
    await asyncio.sleep(1)
    await send(head(1, subscription))
    await asyncio.sleep(1)
    await ws.close(code=1012)


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def on_head(context: Any) -> None:
    """Take a head."""


async def rounds(label: str | None) -> tuple[list[int], str | None]:
    held: list[int] = []
    async for w3 in AsyncWeb3(WebSocketProvider(WS)):
        try:
            await w3.subscription_manager.subscribe(NewHeadsSubscription(label=label, handler=on_head))
            held.append(len(w3.subscription_manager.subscriptions))
            if len(held) == 4:
                return held, None
            await w3.subscription_manager.handle_subscriptions()
        except ConnectionClosed:
            continue
        except Web3ValueError as error:
            return held, str(error).partition("\n")[0]
    return held, "the iteration ended"


async def bot() -> dict[str, Any]:
    return {"with a label": await rounds("heads"), "without": await rounds(None)}
