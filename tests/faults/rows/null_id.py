"""One frame with the id null, a provider's rate limit: the listener dies, and every later call with it."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from web3.exceptions import Web3RPCError

from tests.faults.node import WS, ok, websocket

LIMIT = {"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": "rate limit"}}


async def talk(send: Any, call: dict[str, Any], _ws: web.WebSocketResponse) -> None:
    await send(ok(call, "0x10"))
    if call["method"] == "eth_gasPrice":
        await send(LIMIT)


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def bot() -> dict[str, Any]:
    said = []
    try:
        async with AsyncWeb3(WebSocketProvider(WS)) as w3:
            for ask in (lambda: w3.eth.block_number, lambda: w3.eth.gas_price, *[lambda: w3.eth.block_number] * 3):
                try:
                    said.append(await ask())
                except Web3RPCError as error:
                    said.append(error.rpc_response["error"]["message"])
            alive = not w3.provider._message_listener_task.done()
    except Web3RPCError as error:
        return {"said": said, "alive": alive, "at exit": error.rpc_response["error"]["message"]}
    return {"said": said, "alive": alive, "at exit": None}
