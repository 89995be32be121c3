"""Somebody's script, knowing nothing of Windtunnel: watch heads over a WebSocket, send one transfer over HTTP."""

import asyncio
import os

import aiohttp
from web3 import AsyncHTTPProvider, AsyncWeb3


async def watch_heads(session, count):
    async with session.ws_connect(os.environ["NODE_WS"]) as ws:
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        async for message in ws:
            params = message.json().get("params")
            if params:
                print("head", int(params["result"]["number"], 16), flush=True)
                count -= 1
                if count == 0:
                    return


async def transfer(w3):
    me = w3.eth.account.from_key(os.environ["BOT_KEY"])
    tx = {"from": me.address, "to": "0x" + "11" * 20, "value": 10**15, "gas": 21_000,
          "nonce": await w3.eth.get_transaction_count(me.address), "chainId": await w3.eth.chain_id,
          "maxFeePerGas": 3 * (await w3.eth.gas_price), "maxPriorityFeePerGas": 10**9}  # fmt: skip
    tx_hash = await w3.eth.send_raw_transaction(me.sign_transaction(tx).raw_transaction)
    receipt = await w3.eth.wait_for_transaction_receipt(tx_hash)
    print("included", receipt["status"], receipt["blockNumber"])


async def main():
    w3 = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_HTTP"]))
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(watch_heads(session, 2), transfer(w3))
    await w3.provider.disconnect()


asyncio.run(main())
