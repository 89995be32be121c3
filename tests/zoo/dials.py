"""Dials every name it knows, by every scheme, and then reads a variable that nobody set."""

import asyncio
import json
import os

import aiohttp

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
URLS = [
    "http://node-a:8545",
    "http://rpc.example.com/v2/key?x=1",
    "https://rpc.example.com/v2/key",
    "https://RPC.example.com:8443/",
    "wss://rpc.example.com/ws",
    "ws://node-a:8546",
    "http://down.example.com",
    "http://nobody.example.com",
]


async def dial(session, url):
    try:
        if url.startswith("ws"):
            async with session.ws_connect(url) as ws:
                await ws.send_json(CALL)
                return (await ws.receive_json())["result"]
        async with session.post(url, json=CALL) as answer:
            return (await answer.json())["result"]
    except aiohttp.ClientError as error:
        return f"{type(error).__name__}: {error}"


async def main():
    async with aiohttp.ClientSession() as session:
        for url in URLS:
            print(json.dumps({url: await dial(session, url)}))
    print(os.environ["API_TOKEN"])


asyncio.run(main())
