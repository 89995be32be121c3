"""Asks a provider with web3.py and requests while a trace is played back, and prints what became of each call."""

import asyncio
import time

import aiohttp
import requests
import websockets
from web3 import AsyncHTTPProvider, AsyncWeb3

URL = "https://rpc.example.com/v2/key"
start = time.monotonic()


async def tell(name: str, second: float, work) -> None:
    await asyncio.sleep(start + second - time.monotonic())
    begun = time.monotonic()
    try:
        result = str(await work())
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        result = f"{type(error).__name__} {getattr(error, 'status', '')}".strip()
    print(name, "|", result, round((time.monotonic() - begun) * 1000), flush=True)


def blocking() -> str:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    return str(requests.post(URL, json=body, timeout=5).status_code)


async def socket_ping() -> str:
    async with websockets.connect("wss://rpc.example.com/") as ws:
        await ws.send('{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}')
        return (await ws.recv())[-15:]


async def main() -> None:
    provider = AsyncHTTPProvider(URL, request_kwargs={"timeout": aiohttp.ClientTimeout(total=1)})
    provider.exception_retry_configuration = None
    w3 = AsyncWeb3(provider)

    async def chain_id() -> int:
        return await w3.eth.chain_id

    async def logs() -> list:
        return await w3.eth.get_logs({"fromBlock": 23000000, "toBlock": 23000000})

    for name, second in (("first", 0.5), ("slower", 2), ("limited", 3.5), ("silent", 5.5), ("reset", 7.5)):
        await tell(name, second, chain_id)
    await tell("logs", 8.2, logs)
    await tell("refused", 9.5, chain_id)
    await tell("again", 12.5, chain_id)
    await tell("websocket", 13.5, socket_ping)
    await tell("requests", 14.5, lambda: asyncio.to_thread(blocking))
    await provider.disconnect()


asyncio.run(main())
