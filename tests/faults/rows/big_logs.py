"""An answer of 1.4 MB over a WebSocket: the client closes with 1009, and whatever else was asked dies with it."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider
from websockets.exceptions import ConnectionClosed

from tests.faults.node import WS, ok, websocket

LOG = {
    "address": "0x" + "11" * 20, "topics": ["0x" + "22" * 32], "data": "0x" + "00" * 32, "blockNumber": "0x1",
    "transactionHash": "0x" + "33" * 32, "transactionIndex": "0x0", "blockHash": "0x" + "44" * 32, "logIndex": "0x0",
    "removed": False,
}  # fmt: skip
closes: list[int | None] = []


async def talk(send: Any, call: dict[str, Any], ws: web.WebSocketResponse) -> None:
    if call["method"] == "eth_getLogs":
        await send(ok(call, [LOG] * 3000))
    await asyncio.sleep(5)
    await send(ok(call, "0x10"))
    closes.append(ws.close_code)


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def bot() -> dict[str, Any]:
    async with AsyncWeb3(WebSocketProvider(WS)) as w3:
        asked = [w3.eth.get_logs({"fromBlock": 0}), w3.eth.block_number, w3.eth.gas_price]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        try:
            later = str(await w3.eth.block_number)
        except ConnectionClosed as error:
            later = type(error).__name__
    await asyncio.sleep(6)
    return {"answers": [type(each).__name__ for each in answers], "later": later, "code": closes[0]}
