"""A log that a reorg took back: after `process_log` it cannot be told from a new one."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from web3 import AsyncWeb3, WebSocketProvider

from tests.faults.node import WS, ok, websocket

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
LOG = {
    "address": "0x" + "11" * 20, "topics": [TRANSFER, "0x" + "00" * 32, "0x" + "00" * 32],
    "data": "0x" + "00" * 31 + "07", "blockNumber": "0x10", "blockHash": "0x" + "44" * 32, "logIndex": "0x0",
    "transactionHash": "0x" + "33" * 32, "transactionIndex": "0x0",
}  # fmt: skip
ADDRESS = {"indexed": True, "internalType": "address", "type": "address"}
ABI = [
    {
        "type": "event", "name": "Transfer", "anonymous": False,
        "inputs": [
            ADDRESS | {"name": "src"}, ADDRESS | {"name": "dst"}, {"indexed": False, "name": "wad", "type": "uint256"},
        ],
    }
]  # fmt: skip


async def talk(send: Any, call: dict[str, Any], _ws: web.WebSocketResponse) -> None:
    await send(ok(call, "0x1"))
    for removed in (False, True):
        params = {"subscription": "0x1", "result": LOG | {"removed": removed}}
        await send({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


def apps() -> dict[int, web.Application]:
    return {8546: websocket(talk)}


async def bot() -> dict[str, Any]:
    raw, processed = [], []
    async with AsyncWeb3(WebSocketProvider(WS)) as w3:
        event = w3.eth.contract(abi=ABI).events.Transfer()
        await w3.eth.subscribe("logs", {})
        async for message in w3.socket.process_subscriptions():
            raw.append(message["result"]["removed"])
            processed.append(dict(event.process_log(message["result"])))
            if len(raw) == 2:
                break
    return {"raw": raw, "keys": sorted(processed[1]), "same": processed[0] == processed[1]}
