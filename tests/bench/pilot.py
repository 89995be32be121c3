"""A bot that makes as many calls as it is ordered to: flown in the simulated world, and run as it is against Anvil.

It imports nothing of Windtunnel, but for a watch where the order is to split the time. Orders come and answers go by
named pipes; while it waits for an order it blocks, and so does the world it is in. Whoever gives the orders holds the
watch on the whole.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, TextIO

from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider

PAIR_ABI: Any = [
    {
        "type": "function",
        "name": "getReserves",
        "stateMutability": "view",
        "inputs": [],
        "outputs": [
            {"name": "_reserve0", "type": "uint112"},
            {"name": "_reserve1", "type": "uint112"},
            {"name": "_blockTimestampLast", "type": "uint32"},
        ],
    }
]


async def call(client: AsyncWeb3[Any], what: str, count: int) -> None:
    """Make *count* calls, one after the other."""
    if what == "blockNumber":
        for _ in range(count):
            assert await client.eth.block_number >= 0
        return
    pair = client.eth.contract(address=AsyncWeb3.to_checksum_address(os.environ["PAIR"]), abi=PAIR_ABI)
    for _ in range(count):
        assert (await pair.functions.getReserves().call())[0] > 0


async def main(orders: TextIO, answers: TextIO) -> None:
    """Do as ordered until the orders end."""
    http = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_HTTP"]))
    async with AsyncWeb3(WebSocketProvider(os.environ["NODE_WS"])) as websocket:
        clients = {"HTTP": http, "WebSocket": websocket}
        watch = None
        for line in iter(orders.readline, ""):
            order = json.loads(line)
            if order["split"] and watch is None:
                from tests.bench.stopwatch import install  # only now, so that other rounds have nothing of it

                watch = install(asyncio.get_running_loop())
                await asyncio.sleep(0)
            if watch is not None:
                watch.reset()
            await call(clients[order["provider"]], order["call"], order["count"])
            print(json.dumps(watch.spent_s() if watch is not None else {}), file=answers, flush=True)
    await http.provider.disconnect()


with Path(os.environ["ORDERS"]).open() as given, Path(os.environ["ANSWERS"]).open("w") as taken:
    asyncio.run(main(given, taken))
