"""Six hundred events at once while the handler asks the node something: the listener is stuck behind its own queue."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from web3.exceptions import TimeExhausted
from web3.utils.subscriptions import NewHeadsSubscription

from tests.faults.node import WS, head, ok, websocket


async def talk(send: Any, call: dict[str, Any], _ws: web.WebSocketResponse) -> None:
    await send(ok(call, "0x1"))
    if call["method"] == "eth_subscribe":
        for number in range(600):
            await send(head(number))


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def bot() -> dict[str, Any]:
    handled: list[int] = []
    async with AsyncWeb3(WebSocketProvider(WS)) as w3:

        async def on_head(context: Any) -> None:
            await w3.eth.block_number
            handled.append(context.result["number"])

        await w3.subscription_manager.subscribe(NewHeadsSubscription(handler=on_head))
        try:
            await w3.subscription_manager.handle_subscriptions()
        except TimeExhausted as error:
            return {"handled": len(handled), "error": type(error).__name__}
    return {"handled": len(handled), "error": None}
