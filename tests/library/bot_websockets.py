"""websockets: connect, subscribe, keep-alive pings, reconnecting iteration, close; and a server of its own."""

import asyncio
import json
import os

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedOK


async def main():
    async with connect(os.environ["NODE_WS"], ping_interval=5) as ws:
        await ws.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
        print("subscribed", "result" in json.loads(await ws.recv()))
        for _ in range(2):
            print("head", int(json.loads(await ws.recv())["params"]["result"]["number"], 16))
        print("ping", round(await (await ws.ping()), 3))
    print("closed", ws.close_code)

    async with connect("wss://rpc.example.com/key") as ws:
        await ws.send('{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}')
        print("over wss", json.loads(await ws.recv())["id"])

    async def handler(ws):
        async for message in ws:
            await ws.send(message[::-1])
            await ws.close(1000, "enough")

    async with serve(handler, "localhost", 9001):
        async for ws in connect("ws://localhost:9001"):
            await ws.send("stressed")
            print(await ws.recv())
            try:
                await ws.recv()
            except ConnectionClosedOK as end:
                print("end", end.rcvd.reason)
            break


asyncio.run(main())
