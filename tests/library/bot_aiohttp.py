"""aiohttp's client, with aiodns and without: kept connections, a WebSocket, a host that is down, a time-out."""

import asyncio
import os

import aiohttp

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


async def heads(session, count):
    async with session.ws_connect(os.environ["NODE_WS"], heartbeat=5) as ws:
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        print("subscribed", "result" in await ws.receive_json())
        for _ in range(count):
            print("head", int((await ws.receive_json())["params"]["result"]["number"], 16))


async def talk(resolver):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as session:
        for _ in range(3):
            async with session.post(os.environ["NODE_HTTP"], json=CALL) as answer:
                print("block", int((await answer.json())["result"], 16))
        async with session.post("https://rpc.example.com/v3/key", json=CALL) as answer:
            print("over https", answer.status, (await answer.json())["id"])
        print("connections kept", sum(map(len, session.connector._conns.values())))
        try:
            await session.get("http://down.example.com")
        except aiohttp.ClientConnectorError as error:
            print("down", error.os_error.errno)
        try:
            await session.get("http://nowhere.example.com")
        except aiohttp.ClientConnectorDNSError:
            print("no such name")
        try:
            await session.post(os.environ["NODE_HTTP"], json=CALL, timeout=aiohttp.ClientTimeout(total=0.005))
        except TimeoutError:
            print("timed out")
        await heads(session, 1)


async def main():
    print("by itself it takes", aiohttp.DefaultResolver.__name__)
    for resolver in (aiohttp.AsyncResolver(), aiohttp.ThreadedResolver()):
        print("with", type(resolver).__name__)
        await talk(resolver)
        await resolver.close()


asyncio.run(main())
