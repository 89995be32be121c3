"""Sends what no seed can repeat, on time: when the real process began, in a request."""

import asyncio
import os
from pathlib import Path

import aiohttp


async def main():
    async with aiohttp.ClientSession() as session:
        started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        body = {"jsonrpc": "2.0", "id": int(started) % 1000 + 1000, "method": "eth_chainId", "params": []}
        async with session.post(os.environ["NODE_HTTP"], json=body) as reply:
            await reply.json()


asyncio.run(main())
