"""Two applications that a scenario serves on host names: one of aiohttp, one of ASGI."""

from aiohttp import web


async def hello(request: web.Request) -> web.Response:
    return web.json_response({"hi": request.match_info["name"]})


app = web.Application()
app.add_routes([web.get("/hi/{name}", hello)])


async def asgi(scope, receive, send):
    message = await receive()
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"asgi " + scope["path"].encode() + b" " + message["body"]})
        return
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": "echo " + message["text"]})
    await send({"type": "websocket.close"})
