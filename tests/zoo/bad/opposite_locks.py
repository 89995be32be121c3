"""Pays and audits under the nonce lock and the inventory lock, each in its own order; sometimes they meet."""

import asyncio
import os

import aiohttp


async def ask(session):
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    async with session.post(os.environ["NODE_HTTP"], json=call) as answer:
        return await answer.json()


async def pay(session, nonce, inventory):
    async with nonce:
        await ask(session)
        async with inventory:
            await ask(session)


async def audit(session, nonce, inventory):
    await asyncio.sleep(0.15)
    async with inventory:
        await ask(session)
        async with nonce:
            await ask(session)


async def main():
    nonce, inventory = asyncio.Lock(), asyncio.Lock()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(pay(session, nonce, inventory), audit(session, nonce, inventory))
    print("paid and audited")


asyncio.run(main())
