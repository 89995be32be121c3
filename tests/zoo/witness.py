"""Our own bot, and after its flight a look at every block: what a node says of transactions and receipts."""

import asyncio
import json
import os
from pathlib import Path

import aiohttp

from bot import app, config


async def ask(session, method, *params):
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with session.post(os.environ["NODE_HTTP"], json=call) as answer:
        return (await answer.json())["result"]


async def main():
    await app.fly(config.load())
    async with aiohttp.ClientSession() as session:
        head = int(await ask(session, "eth_blockNumber"), 16)
        found, number = [], head
        while True:
            block = await ask(session, "eth_getBlockByNumber", hex(number), True)
            if not block or number < head - 1000 or int(block["timestamp"], 16) <= 1_767_225_600:
                break
            found.append([block, await ask(session, "eth_getBlockReceipts", hex(number))])
            number -= 1
    Path("blocks.json").write_text(json.dumps(found[::-1]))


asyncio.run(main())
