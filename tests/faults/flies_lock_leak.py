"""A bot that looks everything up anew on each head, and drops the look-up before: a reorg's heads come together."""

import asyncio
import json
import os

from web3 import AsyncHTTPProvider, AsyncWeb3
from websockets.asyncio.client import connect


async def refresh(w3, number):
    head, *_ = await asyncio.gather(
        w3.eth.get_block(number), w3.eth.gas_price, w3.eth.get_transaction_count("0x" + "11" * 20)
    )
    print("refreshed", head["number"], flush=True)


async def main():
    w3 = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_HTTP"]))
    task = None
    async with connect(os.environ["NODE_WS"]) as ws:
        await ws.send('{"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}')
        async for frame in ws:
            params = json.loads(frame).get("params")
            if params:
                if task is not None and not task.done():
                    task.cancel()
                    print("dropped", flush=True)
                task = asyncio.create_task(refresh(w3, int(params["result"]["number"], 16)))
                for _ in range(3):  # let it begin
                    await asyncio.sleep(0)


asyncio.run(main())
