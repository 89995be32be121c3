"""A transaction that the node takes, but confirms late: the provider sends it again and reports "already known"."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3RPCError

from tests.faults.node import HTTP, http, ok

mempool: list[str] = []
arrived: list[float] = []


async def answer(call: dict[str, Any]) -> dict[str, Any]:
    raw = call["params"][0]
    arrived.append(asyncio.get_running_loop().time())
    if raw in mempool:
        return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": "already known"}}
    mempool.append(raw)
    await asyncio.sleep(45)
    return ok(call, "0x" + "ab" * 32)


def apps() -> dict[int, web.Application]:
    return {8545: http(answer)}


async def bot() -> dict[str, Any]:
    w3 = AsyncWeb3(AsyncHTTPProvider(HTTP))
    try:
        said = (await w3.eth.send_raw_transaction("0x02f8")).hex()
    except Web3RPCError as error:
        said = error.rpc_response["error"]["message"]
    await w3.provider.disconnect()
    return {"said": said, "sent": len(arrived), "in the mempool": len(mempool), "after_s": arrived[-1] - arrived[0]}
