"""A receipt one block deep is final for `wait_for_transaction_receipt`; a reorg later the hash is unknown."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import TransactionNotFound

from tests.faults.node import HTTP, http, ok

HASH = "0x" + "ab" * 32
RECEIPT = {"transactionHash": HASH, "blockNumber": "0x10", "status": "0x1", "logs": [], "blockHash": "0x" + "cd" * 32}
began: list[float] = []


async def answer(call: dict[str, Any]) -> dict[str, Any]:
    now = asyncio.get_running_loop().time()
    began.append(now)
    orphaned = now - began[0] > 12
    return ok(call, None if orphaned else RECEIPT)


def apps() -> dict[int, web.Application]:
    return {8545: http(answer)}


async def bot() -> dict[str, Any]:
    w3 = AsyncWeb3(AsyncHTTPProvider(HTTP))
    receipt = await w3.eth.wait_for_transaction_receipt(HASH)
    await asyncio.sleep(15)
    try:
        later = (await w3.eth.get_transaction_receipt(HASH))["status"]
    except TransactionNotFound:
        later = None
    await w3.provider.disconnect()
    return {"status": receipt["status"], "later": later}
