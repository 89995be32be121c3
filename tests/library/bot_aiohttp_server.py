"""aiohttp.web: a server of the bot's own, called by the bot itself; WebSocket, stream and graceful stop included."""

import asyncio

import aiohttp
from aiohttp import web


async def hello(request):
    return web.json_response({"hello": request.match_info["name"]})


async def count(request):
    stream = web.StreamResponse()
    await stream.prepare(request)
    for number in range(3):
        await stream.write(f"{number}\n".encode())
        await asyncio.sleep(1)
    await stream.write_eof()
    return stream


async def echo(request):
    ws = web.WebSocketResponse(heartbeat=10)
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data.upper())
    print("echo closed", ws.close_code)
    return ws


async def main():
    app = web.Application()
    app.add_routes([web.get("/hello/{name}", hello), web.get("/count", count), web.get("/echo", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 8080).start()
    print("serving", runner.addresses)
    async with aiohttp.ClientSession("http://localhost:8080") as session:
        async with session.get("/hello/bot") as answer:
            print(answer.status, await answer.json())
        async with session.get("/count") as answer:
            print("streamed", [line.decode().strip() async for line in answer.content])
        async with session.ws_connect("/echo") as ws:
            await ws.send_str("shout")
            print(await ws.receive_str())
        async with session.get("/nothing") as answer:
            print(answer.status)
    await runner.cleanup()
    print("stopped")


asyncio.run(main())
