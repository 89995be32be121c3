"""One end of a simulated TCP connection, as an asyncio transport."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio import base_events, constants, transports
from asyncio.log import logger
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:  # loop and net build on this module
    from sim.host.connection import Connection
    from sim.host.loop import SimLoop

READ_BYTES_MAX = 256 * 1024
"""What one `data_received` gets at most, as in asyncio's selector transport."""

TOGETHER_NS = 100_000
"""Writes of one turn that are no further apart than this leave as one segment: what is between them is no work."""

WINDOW_BYTES = 256 * 1024
"""Bytes under way or unread at the other end before writes are buffered here: the sum of both kernels' buffers."""


_SERVER_ARGS: Callable[[SimTransport], tuple[Any, ...]] = (
    (lambda transport: (transport,)) if sys.version_info >= (3, 13) else (lambda transport: ())
)


_FlowControl: Any = transports._FlowControlMixin  # asyncio's own pauses and limits


class TransportSocket:
    """What `get_extra_info("socket")` answers: names, options, and a descriptor that tells whether the stream ended.

    Clients with a pool (httpcore) poll the descriptor of an idle connection before they use it again. Options are
    accepted and change nothing.
    """

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, transport: SimTransport) -> None:
        self._transport = transport
        self._descriptor: int | None = None

    def fileno(self) -> int:
        """Return a descriptor that is readable once the other end has closed, -1 when the connection is gone."""
        if self._transport._lost:
            return -1
        if self._descriptor is None:
            self._descriptor = os.eventfd(int(self._transport._ended), os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self._descriptor

    def ended(self) -> None:
        """Make the descriptor readable."""
        if self._descriptor is not None:
            os.eventfd_write(self._descriptor, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def getsockname(self) -> Any:
        """Return our address."""
        return self._transport.get_extra_info("sockname")

    def getpeername(self) -> Any:
        """Return the other end's address."""
        return self._transport.get_extra_info("peername")

    def setsockopt(self, *_: Any) -> None:
        """Accept an option."""

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        """Return 0, as for an option that is off."""
        return bytes(buflen) if buflen else 0

    def gettimeout(self) -> float:
        """Return 0: the loop never blocks on it."""
        return 0.0

    def settimeout(self, value: float | None) -> None:
        """Refuse to block, as asyncio's own stand-in does."""
        if value != 0:
            raise ValueError("settimeout(): only 0 timeout is allowed on transport sockets")

    def setblocking(self, flag: bool) -> None:
        """Refuse to block, as asyncio's own stand-in does."""
        if flag:
            raise ValueError("setblocking(): transport sockets cannot be blocking")


class SimTransport(_FlowControl, transports.Transport):  # type: ignore[misc]
    """Stream transport over a `Connection`, in the manner of asyncio's selector transport.

    Args:
        extra: what `get_extra_info` answers.
        context: what callbacks that begin with an arrival run in.
        server: who is told when the connection is gone, for an end that a server accepted.
    """

    _start_tls_compatible = True  # what asyncio and aiohttp ask before start_tls

    def __init__(
        self,
        loop: SimLoop,
        connection: Connection,
        side: int,
        extra: dict[str, Any],
        context: Context | None = None,
        server: base_events.Server | None = None,
    ) -> None:
        super().__init__(extra, loop)  # type: ignore[call-arg]
        self._loop: SimLoop
        self.connection = connection
        self.side = side
        self._server = server
        if server is not None:
            server._attach(*_SERVER_ARGS(self))  # type: ignore[attr-defined]
        self._protocol: asyncio.BaseProtocol | None = None
        self._data_received: Callable[[bytes], None] | None = None
        self._buffered: asyncio.BufferedProtocol | None = None
        self._context: Context = copy_context() if context is None else context
        self._closing = False
        self._lost = False
        self._late_writes = 0
        self._delivery_scheduled = False
        self._eof_sent = False
        self.was_reset = False
        self._reading = True
        self._unread: list[bytes] = []
        self._eof_unread = False
        self._ended = False
        self._socket: TransportSocket | None = None
        self._pending: list[list[bytes]] = []
        self._pending_since_ns = 0
        self._outstanding_bytes = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Answer what asyncio's own transports answer: the socket's stand-in is made when it is asked for."""
        if name == "socket":
            if self._socket is None:
                self._socket = TransportSocket(self)
            return self._socket
        return super().get_extra_info(name, default)

    # Reading ----------------------------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Deliver what arrives from now on to *protocol*."""
        self._protocol = protocol
        self._buffered = protocol if isinstance(protocol, asyncio.BufferedProtocol) else None
        self._data_received = getattr(protocol, "data_received", None)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that data is delivered to."""
        assert self._protocol is not None
        return self._protocol

    def is_reading(self) -> bool:
        """Say whether data is delivered as it arrives."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Keep what arrives until `resume_reading`."""
        if not self._closing:
            self._reading = False

    def resume_reading(self) -> None:
        """Deliver again, beginning with what was kept."""
        if not self._reading and not self._closing:
            self._reading = True
            self._deliver_soon()

    def _deliver_soon(self) -> None:
        if (self._unread or self._eof_unread) and self._reading and not self._closing and not self._delivery_scheduled:
            self._delivery_scheduled = True
            self._loop.call_soon(self._deliver, context=self._context)

    def _arrive(self, data: bytes) -> None:
        """Take a segment off the wire; runs outside the loop's turn. A socket that is closed answers with a reset."""
        if self._lost or self._closing:
            self.connection.consumed(1 - self.side, len(data))
            self.connection.send_reset(self.side)
            return
        self._unread.append(data)
        self._schedule_delivery()

    def _arrive_eof(self) -> None:
        if self._lost or self._closing:
            return
        self._eof_unread = True
        self._note_end()
        self._schedule_delivery()

    def _schedule_delivery(self) -> None:
        if self._reading and not self._delivery_scheduled:
            self._delivery_scheduled = True
            self._loop.arrive(self._deliver, context=self._context)

    def _note_end(self) -> None:
        self._ended = True
        if self._socket is not None:
            self._socket.ended()

    def _deliver(self) -> None:
        """Do what a selector transport does when its socket is readable: one read, or the end of the stream."""
        self._delivery_scheduled = False
        if self._closing or not self._reading:
            return
        try:
            if self._unread:
                self._read_once()
            elif self._eof_unread:
                self._eof_unread = False
                eof_received = getattr(self._protocol, "eof_received", None)
                if not (eof_received is not None and eof_received()):
                    self.close()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._force_close(error)
            raise
        self._deliver_soon()

    def _read_once(self) -> None:
        data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
        self._unread.clear()
        room = READ_BYTES_MAX
        if self._buffered is not None:
            buffer = memoryview(self._buffered.get_buffer(-1)).cast("B")
            room = len(buffer)
            if not room:
                self._unread.append(data)
                raise RuntimeError("get_buffer() returned an empty buffer")
            buffer[: min(room, len(data))] = data[:room]
        if len(data) > room:
            self._unread.append(data[room:])
        size = min(room, len(data))
        self.connection.consumed(1 - self.side, size)
        if self._buffered is not None:
            self._buffered.buffer_updated(size)
        elif self._data_received is not None:
            self._data_received(data[:room])

    # Writing ----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*; bytes of one turn travel together, unless the bot works for a while between them."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._closing:
            self._late_writes += 1
            if self._late_writes >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES and self._loop.signals is not None:
                logger.warning("socket.send() raised exception.")
            return
        payload = bytes(data)
        self._loop.activity += 1
        self._outstanding_bytes += len(payload)
        now_ns = self._loop.machine.now_ns()
        if self._pending and now_ns - self._pending_since_ns <= TOGETHER_NS:
            self._pending[-1].append(payload)
        else:
            self._pending.append([payload])
            self._pending_since_ns = now_ns
            self._loop.env.at(now_ns, self._send_first)
        self._maybe_pause_protocol()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send the parts as one write."""
        self.write(b"".join(list_of_data))

    def _send_first(self) -> None:
        if self._pending:
            parts = self._pending.pop(0)
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            self.connection.send(self.side, data, crc32(data))

    def _send_pending(self) -> None:
        while self._pending:
            self._send_first()

    def _acked(self, size: int) -> None:
        self._outstanding_bytes -= size
        if self._protocol_paused and not self._lost:
            self._loop.arrive(self._resume_protocol, context=self._context)

    def _resume_protocol(self) -> None:
        if not self._lost:
            self._maybe_resume_protocol()

    def write_eof(self) -> None:
        """Close the sending half after what was written."""
        if not self._eof_sent and not self._closing:
            self._eof_sent = True
            self._send_pending()
            self.connection.send_eof(self.side)

    def can_write_eof(self) -> bool:
        """Say that half-close works, as on a plain socket."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the bytes that the window does not take yet."""
        return max(0, self._outstanding_bytes - WINDOW_BYTES)

    def room(self) -> int:
        """Return how many bytes, at least 1, let the protocol be told to pause once they are written."""
        return max(1, WINDOW_BYTES + int(self._high_water) + 1 - self._outstanding_bytes)

    # Ending -----------------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Say whether `close` or `abort` was called, or the connection is gone."""
        return self._closing

    def close(self) -> None:
        """Send what was written, then end both halves."""
        if not self._closing:
            self._closing = True
            self._send_pending()
            if self._unread:  # a socket that is closed with something unread resets the connection
                self.connection.send_reset(self.side)
            elif not self._eof_sent:
                self.connection.send_eof(self.side)
            self._loop.call_soon(self._connection_lost, None)

    def abort(self) -> None:
        """Drop the connection at once; the other end sees a reset."""
        self._force_close(None)

    def _force_close(self, error: BaseException | None) -> None:
        if not self._lost:
            self._closing = True
            self._pending.clear()
            self.connection.send_reset(self.side)
            self._loop.call_soon(self._connection_lost, error)

    def _reset(self, error: Exception | None) -> None:
        """The other end, or a fault, dropped the connection; runs outside the loop's turn."""
        if not self._lost:
            self._closing = True
            self._pending.clear()
            self.was_reset = True
            self._note_end()
            self._loop.arrive(self._connection_lost, error, context=self._context)

    def _connection_lost(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = True
        if self._socket is not None:
            self._socket.close()
        self.connection.closed(self.side)
        try:
            if self._protocol is not None:
                self._protocol.connection_lost(error)  # type: ignore[arg-type]
        finally:
            server, self._server = self._server, None
            if server is not None:
                server._detach(*_SERVER_ARGS(self))  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        state = "closed" if self._lost else "closing" if self._closing else "open"
        return f"<SimTransport {state} {self.get_extra_info('sockname')} -> {self.get_extra_info('peername')}>"
