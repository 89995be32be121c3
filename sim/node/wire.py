"""HTTP and WebSocket listeners for a `Desk`, over aiohttp's low-level server.

It runs on any asyncio loop. Bytes on the wire hold no wall time: aiohttp's own `Date` and `Server` headers never go
out. Nothing here waits for a slow client of a WebSocket: what it does not read is kept by its transport up to
`OUTGOING_BYTES_MAX`, then the connection is dropped.

Source:
    go-ethereum, `rpc/http.go`, `rpc/websocket.go`, `node/rpcstack.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from struct import pack
from typing import Any, Final, cast

from aiohttp import WSMsgType, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from sim.node import rpc
from sim.node.desk import HTTP, WEBSOCKET, Desk
from sim.node.subscriptions import Publisher, Session

OUTGOING_BYTES_MAX: Final = 16 * 1024 * 1024
PING_INTERVAL_S: Final = 30.0
IDLE_S: Final = 120.0

JSON: Final = "application/json"
_ACCEPTED: Final = frozenset((JSON, "application/json-rpc", "application/jsonrequest"))
_TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
}


class Reply(web.StreamResponse):
    """An HTTP response written in one piece, with the headers geth sends and no others."""

    def __init__(self, body: bytes, status: int = 200, content_type: str = JSON, close: bool = False) -> None:
        super().__init__(status=status)
        self._head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content_type}\r\n"
        self._whole = body
        self._alive = not close
        self._request: web.BaseRequest | None = None

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after this response."""
        return self._alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Take the request to answer."""
        self._request = request
        if not request.keep_alive:
            self._alive = False
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the response."""
        request = self._request
        transport = None if request is None else request.transport
        if request is None or transport is None:
            raise ConnectionResetError("the client is gone")
        whole = self._whole
        closing = "" if self._alive else "Connection: close\r\n"
        transport.write(f"{self._head}{closing}Content-Length: {len(whole)}\r\n\r\n".encode("ascii") + whole)
        await request.writer.drain()


def _text(status: int, message: str, close: bool = False) -> Reply:
    return Reply(f"{message}\n".encode(), status, _TEXT, close)


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Protocol(web.RequestHandler):
    """aiohttp's protocol of one connection, with our words for a request that is not HTTP."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request; anything else is our bug and goes to the loop's exception handler."""
        if status >= 500:
            context = {"message": "a request broke its handler", "exception": exc}
            asyncio.get_running_loop().call_exception_handler(context)
            return _text(500, _REASONS[500], close=True)
        return _text(400, "400 Bad Request", close=True)


class _Server(web.Server):
    """aiohttp's server, making `_Protocol`s."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop, idle_s: float) -> None:
        super().__init__(handler, request_factory=self._request, loop=loop)
        self._idle_s = idle_s
        self._own_loop = loop
        self._logger = _private_logger()

    def __call__(self) -> web.RequestHandler:
        return _Protocol(
            self,
            loop=self._own_loop,
            keepalive_timeout=self._idle_s,
            tcp_keepalive=False,
            logger=self._logger,
            access_log=cast(logging.Logger, None),
            auto_decompress=False,
        )

    def _request(
        self, message: Any, payload: Any, protocol: Any, writer: AbstractStreamWriter, task: Any
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._own_loop, client_max_size=rpc.BODY_BYTES_MAX
        )


def _private_logger() -> logging.Logger:
    """Return a logger outside the tree of loggers, so that the bot's logging shows nothing of the world."""
    logger = logging.Logger("windtunnel.node", logging.ERROR)  # noqa: LOG001 - outside the tree on purpose
    logger.addHandler(logging.NullHandler())
    return logger


class Wire:
    """The connections of one node.

    Args:
        overflowed: called with the bytes waiting when a client that does not read is dropped.
    """

    def __init__(
        self,
        desk: Desk,
        publisher: Publisher,
        overflowed: Callable[[int], None],
        loop: asyncio.AbstractEventLoop,
        idle_s: float,
    ) -> None:
        self._idle_s = idle_s
        self._desk = desk
        self._publisher = publisher
        self._overflowed = overflowed
        self._loop = loop
        self._servers: list[tuple[asyncio.AbstractServer, _Server]] = []

    async def listen(self, host: str, port: int, *, http: bool, websocket: bool) -> int:
        """Serve HTTP, WebSockets or both at an address, any path, and return the port."""
        protocols = _Server(self._handler(http, websocket), self._loop, self._idle_s)
        server = await self._loop.create_server(protocols, host, port)
        self._servers.append((server, protocols))
        return port or int(server.sockets[0].getsockname()[1])

    def _handler(self, http: bool, websocket: bool) -> Handler:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if websocket and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await self._serve_websocket(request)
            if http:
                return await self._serve_http(request)
            return Reply(b"", 404, _TEXT)

        return handle

    def abort_all(self) -> None:
        """Drop every connection without a word, as a reset does."""
        for _, protocols in self._servers:
            for connection in protocols.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        for server, _ in self._servers:
            server.close()
        self.abort_all()
        for _, protocols in self._servers:
            await protocols.shutdown(0)
        self._servers.clear()

    async def _serve_http(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get(hdrs.CONTENT_TYPE) != JSON or request.method != hdrs.METH_POST:
            refused = _validate(request)
            if refused is not None:
                return refused
        length = request.content_length
        if length is not None and length > rpc.BODY_BYTES_MAX:
            message = f"content length too large ({length}>{rpc.BODY_BYTES_MAX})"
            return _text(413, message, close=True)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            body = b"{"  # geth reads up to its limit, so what it has is cut short
        except web.RequestPayloadError:
            return _text(400, "400 Bad Request", close=True)
        try:
            message = rpc.parse(body)
        except rpc.ParseError:
            if not body.strip():
                return Reply(b"")
            return Reply(self._desk.refuse("parse error", HTTP, len(body)).encode("ascii"))
        reply = self._desk.answer(message, len(body), None)
        return Reply(b"" if reply is None else reply.encode("ascii"))

    async def _serve_websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            compress=False, heartbeat=PING_INTERVAL_S, max_msg_size=rpc.FRAME_BYTES_MAX, autoclose=True
        )
        if not socket.can_prepare(request):
            return _text(400, _REASONS[400])
        socket.headers[hdrs.DATE] = socket.headers[hdrs.SERVER] = ""
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = _Connection(transport, self._overflowed)
        session = Session(connection.send)
        self._publisher.connect(session)
        try:
            await self._converse(socket, connection, session)
        finally:
            self._publisher.disconnect(session)
        return socket

    async def _converse(self, socket: web.WebSocketResponse, connection: _Connection, session: Session) -> None:
        desk = self._desk
        while True:
            frame = await socket.receive()
            if frame.type is WSMsgType.TEXT:
                payload = cast(str, frame.data).encode()
            elif frame.type is WSMsgType.BINARY:
                payload = cast(bytes, frame.data)
            else:
                return
            try:
                message = rpc.parse(payload)
            except rpc.ParseError as error:
                if not error.cut:
                    connection.send(desk.refuse(str(error), WEBSOCKET, len(payload)))
                connection.close()
                return
            reply = desk.answer(message, len(payload), session)
            if reply is not None:
                connection.send(reply)


def _validate(request: web.BaseRequest) -> Reply | None:
    """Return the refusal of a request that is not a plain POST of JSON, or None if it can be read."""
    if request.method == hdrs.METH_GET and not request.content_length and not request.query_string:
        return Reply(b"")
    if request.method in (hdrs.METH_PUT, hdrs.METH_DELETE):
        return _text(405, "method not allowed", close=True)
    if request.method == hdrs.METH_OPTIONS:
        return None
    sent = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if sent in _ACCEPTED:
        return None
    return _text(415, f"invalid content type, only {JSON} is supported", close=True)


class _Connection:
    """The sending half of a WebSocket."""

    __slots__ = ("_overflowed", "_transport")

    def __init__(self, transport: asyncio.Transport, overflowed: Callable[[int], None]) -> None:
        self._transport = transport
        self._overflowed = overflowed

    def send(self, text: str) -> None:
        """Send a message now, or drop the connection if its client left too much unread."""
        transport = self._transport
        if transport.is_closing():
            return
        waiting = transport.get_write_buffer_size()
        if waiting > OUTGOING_BYTES_MAX:
            transport.abort()
            self._overflowed(waiting)
            return
        payload = text.encode("ascii")
        size = len(payload)
        if size < 126:
            head = bytes((0x81, size))
        elif size < 65536:
            head = pack("!BBH", 0x81, 126, size)
        else:
            head = pack("!BBQ", 0x81, 127, size)
        transport.write(head + payload)

    def close(self) -> None:
        """Close after what is written."""
        self._transport.close()
