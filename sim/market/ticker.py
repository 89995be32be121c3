"""An exchange's ticker: the reference prices over HTTP and, each time one moves, over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence

from aiohttp import WSMsgType, web

from sim.units import ETHER, S


def make_ticker(
    tokens: Sequence[str],
    wei_per_token: Callable[[str], int],
    now_ns: Callable[[], int],
    step_ns: Mapping[str, int],
    epoch_s: int,
) -> web.Application:
    """Return the application: `GET /price/TOKEN` answers once, a WebSocket at `/ws/TOKEN` sends every move.

    Each message is `{"token", "price": decimal text in ether, "wei_per_token": text, "time_ms"}`.

    Args:
        step_ns: time between two moves of each token's price.
    """

    def quote(token: str) -> str:
        wei = wei_per_token(token)
        price = f"{wei // ETHER}.{wei % ETHER:018d}"
        time_ms = epoch_s * 1000 + now_ns() // 10**6
        return json.dumps({"token": token, "price": price, "wei_per_token": str(wei), "time_ms": time_ms})

    def known(request: web.Request) -> str:
        token = request.match_info["token"]
        if token not in tokens:
            raise web.HTTPNotFound(text=f"no token {token!r}; there are {', '.join(tokens)}")
        return token

    async def price(request: web.Request) -> web.Response:
        return web.Response(text=quote(known(request)), content_type="application/json")

    async def stream(request: web.Request) -> web.WebSocketResponse:
        token = known(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sender = asyncio.create_task(send(token, socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            sender.cancel()
        return socket

    async def send(token: str, socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.send_str(quote(token))
            step = step_ns[token]
            await asyncio.sleep((step - now_ns() % step) / S)

    app = web.Application()
    app.add_routes([web.get("/price/{token}", price), web.get("/ws/{token}", stream)])
    return app
