"""Asks two nodes over aiohttp and says how long each answer took, in milliseconds."""

import asyncio
import os
import time

import aiohttp


async def took(session: aiohttp.ClientSession, url: str, calls: int) -> int:
    start = time.monotonic()
    batch = [
        {"jsonrpc": "2.0", "id": n, "method": "eth_getBlockByNumber", "params": ["0x1", True]} for n in range(calls)
    ]
    async with session.post(url, json=batch) as response:
        answer = await response.read()
    assert len(answer) > 30 * calls
    return round((time.monotonic() - start) * 1000)


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("NODE_HTTP", "NODE_B_HTTP"):
            await took(session, os.environ[name], 1)
            print(name, await took(session, os.environ[name], 1), await took(session, os.environ[name], 500))


asyncio.run(main())
