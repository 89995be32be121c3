"""Asks an aiohttp application, an ASGI application and the shipped ticker, over HTTP and WebSocket."""

import asyncio

import aiohttp
import websockets


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        print(await (await session.get("https://api.example.com/hi/bob")).text())
        print(await (await session.post("http://asgi.example.com:9000/x", data=b"body")).text())
        print(await (await session.get("https://ticker.example.com/price/token")).text())
    async with websockets.connect("wss://asgi.example.com/ws") as socket:
        await socket.send("hello")
        print(await socket.recv())
    async with websockets.connect("wss://ticker.example.com/ws/token") as socket:
        for _ in range(3):
            print(await socket.recv())


asyncio.run(main())
