"""Meets every trouble of its scenario with aiohttp, websockets and asyncio's streams, and prints what it saw."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable

import aiohttp
import websockets

HTTP, WS = os.environ["HTTP"], os.environ["WS"]
CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
RAW = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
start = time.monotonic()


async def until(second: float) -> None:
    await asyncio.sleep(start + second - time.monotonic())


async def timed(work: Awaitable[object]) -> str:
    begun = time.monotonic()
    try:
        result = str(await work)
    except (OSError, EOFError, aiohttp.ClientError, websockets.ConnectionClosed, TimeoutError) as error:
        result = type(error).__name__
    return f"{result} {round((time.monotonic() - begun) * 1000)}"


async def ask(session: aiohttp.ClientSession, url: str = HTTP) -> object:
    async with session.post(url, json=CALL) as response:
        return (await response.json())["result"]


async def stream(host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(host, 80)


async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> object:
    writer.write(RAW)
    return (await reader.readuntil(b"\r\n")).decode().strip()


def tell(trouble: str, *seen: object) -> None:
    print(trouble, "|", *seen, flush=True)


async def partitions(session: aiohttp.ClientSession) -> None:
    for name, second in (("cut", 100), ("one_way", 200), ("lossy", 300)):
        await until(second - 1)
        tell(f"{name} before", await timed(ask(session)))
        await until(second + 1)
        tell(name, await timed(ask(session)))


async def half_open() -> None:
    for name, second in (("reboot", 400), ("nat", 500)):
        await until(second - 5)
        pair = await stream("a.example.com")
        async with websockets.connect(WS, ping_interval=20, ping_timeout=20) as ws:
            await until(second + 1)
            tell(f"{name} looks open", ws.state.name, pair[0].at_eof())
            tell(f"{name} websocket", await timed(ws.recv()))
            tell(f"{name} stream", await timed(asyncio.wait_for(reply(*pair), 30)))
        pair[1].close()


async def resets() -> None:
    await until(595)
    first = await stream("a.example.com")
    tell("restart", await timed(first[0].readexactly(1)))
    first[1].close()
    await until(601)
    tell("restart refuses", await timed(stream("a.example.com")))
    await until(606)
    streams = [await stream("a.example.com") for _ in range(20)]
    await until(651)
    states = [reader.exception() is not None for reader, _ in streams]
    tell("some", sum(states))
    for _, writer in streams:
        writer.close()


async def crossing() -> None:
    await until(655)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=3600)) as session:
        tell("crossing first", await timed(ask(session)))
        await asyncio.sleep(39.997)
        tell("crossing", await timed(ask(session)))


async def closing() -> None:
    await until(701)
    async with websockets.connect(WS) as ws:
        tell("slow_fin", await timed(ws.close()))
    await until(740)
    reader, writer = await stream("a.example.com")
    tell("keep_alive first", await timed(reply(reader, writer)))
    tell("keep_alive", await timed(reader.read()))
    writer.close()


async def names() -> None:
    loop = asyncio.get_running_loop()
    for name, second in (("gone", 801), ("mute", 831), ("moved", 861)):
        await until(second)
        tell(name, await timed(loop.getaddrinfo("a.example.com", 80, type=socket.SOCK_STREAM)))
        async with aiohttp.ClientSession() as session:
            tell(f"{name} aiohttp", await timed(ask(session)))
    tell("addresses", socket.gethostbyname("a.example.com") == socket.gethostbyname("b.example.com"))
    await until(880)
    tell("slow", (await timed(stream("b.example.com"))).split()[-1])
    await until(900)
    tell("silent", await timed(stream("silent.example.com")))


async def idle() -> None:
    await until(1040)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=3600)) as session:
        for name, seconds in (("idle first", 340), ("idle allowed", 360), ("idle", 0), ("idle again", 0)):
            tell(name, await timed(ask(session, "https://b.example.com/")))
            await asyncio.sleep(seconds)


async def main() -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(use_dns_cache=False)) as session:
        await partitions(session)
    await half_open()
    await resets()
    await crossing()
    await closing()
    await names()
    await idle()


asyncio.run(main())
