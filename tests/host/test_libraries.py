"""Unmodified libraries on the virtual loop: aiohttp, aiodns, websockets and web3.py."""

from __future__ import annotations

from tests.host.flown import fly

_SERVER = """
import aiohttp
from aiohttp import WSMsgType, web

class Node:
    def __init__(self): self.block = 0
    def answer(self, request):
        method = request["method"]
        result = {"eth_chainId": "0x1", "eth_blockNumber": hex(self.block), "eth_subscribe": "0xabc",
                  "eth_unsubscribe": True}.get(method)
        return {"jsonrpc": "2.0", "id": request["id"], "result": result}
    async def http(self, request):
        if request.headers.get("Upgrade", "").lower() != "websocket":
            self.block += 1
            return web.json_response(self.answer(await request.json()))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                asked = message.json()
                await socket.send_json(self.answer(asked))
                if asked["method"] == "eth_subscribe":
                    asyncio.ensure_future(self.heads(socket))
        return socket
    async def heads(self, socket):
        for n in range(1, 4):
            await asyncio.sleep(1)
            header = {"number": hex(n), "hash": "0x" + "11" * 32}
            params = {"subscription": "0xabc", "result": header}
            await socket.send_json({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})

async def serve():
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", Node().http)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for port in (8545, 443):
        await web.TCPSite(runner, "node-a", port).start()
serving = world.create_task(serve())
while not serving.done(): env.step()
serving.result()
"""


def test_aiohttp_client_and_server_with_and_without_aiodns() -> None:
    """Requests, a WebSocket, https and wss URLs work through aiohttp's default resolver and its threaded one."""
    said = fly(
        _SERVER
        + """
from aiohttp.resolver import AsyncResolver, DefaultResolver, ThreadedResolver
ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
async def main():
    said["default"] = DefaultResolver is AsyncResolver
    for resolver in (AsyncResolver, ThreadedResolver):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver())) as session:
            results = []
            for url in ("http://node-a:8545/", "https://node-a/"):
                async with session.post(url, json=ask) as response:
                    results.append((response.status, (await response.json())["result"]))
            for url in ("ws://node-a:8545", "wss://node-a/ws"):
                async with session.ws_connect(url) as socket:
                    await socket.send_json(ask)
                    results.append((await socket.receive_json())["result"])
            said[resolver.__name__] = results
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver())) as session:
                await session.get("http://elsewhere.example/")
        except aiohttp.ClientConnectorError as error:
            said["unknown " + resolver.__name__] = "elsewhere.example" in str(error)
asyncio.run(main())
said["refused"] = refused
"""
    )

    expected = [[200, "0x1"], [200, "0x1"], "0x1", "0x1"]
    assert said["AsyncResolver"] == said["ThreadedResolver"] == expected
    assert said["unknown AsyncResolver"]
    assert said["unknown ThreadedResolver"]
    assert said["refused"] == []


def test_websockets_client_and_server() -> None:
    """The websockets library talks to itself over the simulated network, and its pings keep virtual time."""
    said = fly("""
        import websockets
        from websockets.asyncio.client import connect
        from websockets.asyncio.server import serve
        async def echo(socket):
            async for message in socket: await socket.send(message[::-1])
        async def main():
            async with serve(echo, "127.0.0.1", 9001, ping_interval=1):
                async with connect("ws://localhost:9001", ping_interval=1) as socket:
                    await socket.send("abc"); said["got"] = await socket.recv()
                    await socket.send(b"x" * 2_000_00); said["long"] = len(await socket.recv())
                    await asyncio.sleep(30)
                    await socket.send("still"); said["later"] = await socket.recv()
                    said["latency"] = socket.latency < 0.1
                said["code"] = socket.close_code
        asyncio.run(main())
    """)

    assert said == {"got": "cba", "long": 200_000, "later": "llits", "latency": True, "code": 1000}


def test_web3_over_http_and_websocket() -> None:
    """AsyncHTTPProvider with fifty requests at once, and WebSocketProvider with a subscription, work unmodified."""
    script = (
        _SERVER
        + """
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
async def main():
    w3 = AsyncWeb3(AsyncHTTPProvider("http://node-a:8545"))
    numbers = await asyncio.gather(*[w3.eth.block_number for _ in range(50)])
    said["distinct"] = len(set(numbers))
    await w3.provider.disconnect()
    heads = []
    async with AsyncWeb3(WebSocketProvider("ws://node-a:8545")) as w3:
        said["chain"] = await w3.eth.chain_id
        await w3.eth.subscribe("newHeads")
        async for message in w3.socket.process_subscriptions():
            heads.append(message["result"]["number"])
            if len(heads) == 3: break
    said["heads"] = heads
asyncio.run(main())
said.update(now=env.now, turns=loops[0].turns, avoided=loops[0].spin_turns_avoided, refused=refused)
"""
    )

    said, again = fly(script), fly(script, hash_seed=5)

    assert said == again
    assert said["distinct"] == 50
    assert said["chain"] == 1
    assert said["heads"] == [1, 2, 3]
    assert said["turns"] < 4000
    assert said["refused"] == []
