"""Applications of the user's on host names of their own: aiohttp or ASGI, on virtual time."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from aiohttp import WSMsgType, web

from sim.errors import ScenarioError

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def load(reference: str, path: str, builtin: Mapping[str, Callable[[], web.Application]]) -> Any:
    """Return the application that `module:attribute` names.

    Its modules are forgotten afterwards, so that a bot in the same folder imports copies of its own.

    Args:
        path: the folder its modules live in: the bot's.
        builtin: applications that Windtunnel ships, by reference.

    Raises:
        ScenarioError: there is no such module or attribute, or it is no application.
    """
    if reference in builtin:
        return builtin[reference]()
    name, _, attribute = reference.partition(":")
    before = set(sys.modules)
    sys.path.insert(0, path)
    try:
        app = importlib.import_module(name)
        for part in attribute.split("."):
            app = getattr(app, part)
    except ImportError as error:
        known = ", ".join(sorted(builtin))
        raise ScenarioError(f"cannot import {name!r} from {path}: {error}; or use one that ships: {known}") from None
    except AttributeError:
        raise ScenarioError(f"the module {name!r} has no {attribute!r}") from None
    finally:
        sys.path.remove(path)
        for each in set(sys.modules) - before:
            if str(getattr(sys.modules[each], "__file__", None) or "").startswith(path.rstrip("/") + "/"):
                del sys.modules[each]
    if not isinstance(app, web.Application) and not callable(app):
        raise ScenarioError(f"{reference} is a {type(app).__name__}; expected an aiohttp or ASGI application")
    return app


async def serve(app: Any, host: str, port: int) -> web.BaseRunner:
    """Serve *app* at a host of the network until its runner is cleaned up."""
    runner: web.BaseRunner
    if isinstance(app, web.Application):
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
    else:
        runner = web.ServerRunner(web.Server(AsgiServer(app), access_log=None))
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


class AsgiServer:
    """Hands aiohttp's requests and WebSockets to an ASGI 3 application (`http` and `websocket` scopes).

    Source:
        ASGI specification 3.0, HTTP & WebSocket message format 2.3. There is no `lifespan`: a host has no end.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        return await self._http(request)

    async def _http(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        pending = [{"type": "http.request", "body": body, "more_body": False}]
        response = web.StreamResponse()

        async def receive() -> Message:
            if pending:
                return pending.pop()
            await asyncio.get_running_loop().create_future()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.set_status(message["status"])
                for name, value in message.get("headers", ()):
                    response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
                await response.prepare(request)
            elif message["type"] == "http.response.body":
                await response.write(message.get("body", b""))
                if not message.get("more_body", False):
                    await response.write_eof()

        await self._app(_scope(request, "http"), receive, send)
        return response

    async def _websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        connected = False

        async def receive() -> Message:
            nonlocal connected
            if not connected:
                connected = True
                return {"type": "websocket.connect"}
            message = await socket.receive()
            if message.type is WSMsgType.TEXT:
                return {"type": "websocket.receive", "text": message.data}
            if message.type is WSMsgType.BINARY:
                return {"type": "websocket.receive", "bytes": message.data}
            return {"type": "websocket.disconnect", "code": socket.close_code or 1005}

        async def send(message: Message) -> None:
            if message["type"] == "websocket.accept":
                await socket.prepare(request)
            elif message["type"] == "websocket.send" and message.get("text") is not None:
                await socket.send_str(message["text"])
            elif message["type"] == "websocket.send":
                await socket.send_bytes(message["bytes"])
            elif socket.prepared:
                await socket.close(code=message.get("code", 1000))

        await self._app(_scope(request, "websocket"), receive, send)
        return socket if socket.prepared else web.Response(status=403)


def _scope(request: web.BaseRequest, kind: str) -> Message:
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http" if kind == "http" else "ws",
        "path": request.path,
        "raw_path": request.raw_path.partition("?")[0].encode(),
        "query_string": request.query_string.encode(),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "subprotocols": [],
        "client": None,
        "server": (request.host, None),
    }
