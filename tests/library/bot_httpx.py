"""httpx: its client over anyio, plain and https, pooled connections, time-outs; and the one without a loop."""

import asyncio
import os

import httpx

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


async def main():
    async with httpx.AsyncClient(timeout=2) as client:
        for _ in range(2):
            answer = await client.post(os.environ["NODE_HTTP"], json=CALL)
            print(answer.http_version, "block", int(answer.json()["result"], 16))
        answer = await client.post("https://rpc.example.com/v3/key", json=CALL)
        print("over https", answer.status_code, answer.json()["id"])
        answers = await asyncio.gather(*(client.post(os.environ["NODE_HTTP"], json=CALL) for _ in range(5)))
        print("at once", len(answers))
        try:
            await client.get("http://down.example.com")
        except httpx.ConnectError:
            print("down")
        try:
            await client.post(os.environ["NODE_HTTP"], json=CALL, timeout=0.005)
        except httpx.TimeoutException as error:
            print("timed out", type(error).__name__)


def ask():
    with httpx.Client() as client:
        answers = [client.post(url, json=CALL) for url in (os.environ["NODE_HTTP"], "https://rpc.example.com/v3/key")]
        print("without a loop", [answer.json()["id"] for answer in answers])


asyncio.run(main())
ask()
