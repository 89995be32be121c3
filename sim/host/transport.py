"""One end of a simulated TCP connection, as an asyncio transport."""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio import transports
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:  # loop and net build on this module
    from sim.host.loop import SimLoop
    from sim.host.net import Connection

HIGH_WATER_BYTES = 64 * 1024
"""asyncio's own default: above this many unsent bytes the protocol is asked to pause."""

TOGETHER_NS = 100_000
"""Writes of one turn that are no further apart than this leave as one segment: what is between them is no work."""

WINDOW_BYTES = 256 * 1024
"""Bytes that may be under way or unread at the other end before writes are buffered here: the sum of both kernels' buffers."""


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


class SimTransport(transports.Transport):
    """Stream transport over a `Connection`; `extra` holds what `get_extra_info` answers."""

    def __init__(self, loop: SimLoop, connection: Connection, side: int, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = loop
        self.connection = connection
        self.side = side
        self._protocol: asyncio.BaseProtocol | None = None
        self._data_received: Callable[[bytes], None] | None = None
        self._buffered: asyncio.BufferedProtocol | None = None
        self._context: Context = copy_context()
        self._closing = False
        self._lost = False
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
        self._write_paused = False
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4

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
        self._reading = False

    def resume_reading(self) -> None:
        """Deliver again, beginning with what was kept."""
        if not self._reading and not self._closing:
            self._reading = True
            if self._unread or self._eof_unread:
                self._loop.call_soon(self._deliver)

    def _arrive(self, data: bytes) -> None:
        """Take a segment off the wire; runs outside the loop's turn."""
        if self._lost or self._closing:
            self.connection.consumed(1 - self.side, len(data))
            return
        self._unread.append(data)
        if self._reading and len(self._unread) == 1:
            self._loop.arrive(self._deliver, context=self._context)

    def _arrive_eof(self) -> None:
        if self._lost or self._closing:
            return
        self._eof_unread = True
        self._note_end()
        if self._reading:
            self._loop.arrive(self._deliver, context=self._context)

    def _note_end(self) -> None:
        self._ended = True
        if self._socket is not None:
            self._socket.ended()

    def _deliver(self) -> None:
        if self._unread and self._reading and not self._closing:
            data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
            self._unread.clear()
            self.connection.consumed(1 - self.side, len(data))
            if self._buffered is not None:
                _feed_buffered(self._buffered, data)
            elif self._data_received is not None:
                self._data_received(data)
        if self._eof_unread and self._reading and not self._unread and not self._closing:
            self._eof_unread = False
            eof_received = getattr(self._protocol, "eof_received", None)
            if not (eof_received is not None and eof_received()):
                self.close()

    # Writing ----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*; bytes of one turn travel together, unless the bot works for a while between them."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._closing or self._lost:
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
        if not self._write_paused and self.get_write_buffer_size() > self._high and self._protocol is not None:
            self._write_paused = True
            self._protocol.pause_writing()

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
        if self._write_paused and self.get_write_buffer_size() <= self._low and not self._lost:
            self._write_paused = False
            assert self._protocol is not None
            self._loop.arrive(self._protocol.resume_writing, context=self._context)

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

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and high water marks, in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks between which the protocol is paused and resumed."""
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low

    # Ending -----------------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Say whether `close` or `abort` was called, or the connection is gone."""
        return self._closing

    def close(self) -> None:
        """Send what was written, then end both halves."""
        if not self._closing:
            self._closing = True
            self._send_pending()
            if not self._lost:
                self.connection.send_eof(self.side, last=True)
            self._loop.call_soon(self._connection_lost, None)

    def abort(self) -> None:
        """Drop the connection at once; the other end sees a reset."""
        if not self._lost:
            self._closing = True
            self._pending.clear()
            self.connection.send_reset(self.side)
            self._loop.call_soon(self._connection_lost, None)

    def _reset(self, error: Exception | None) -> None:
        """The other end, or a fault, dropped the connection; runs outside the loop's turn."""
        if not self._lost:
            self._closing = True
            self._pending.clear()
            self.was_reset = True
            self._note_end()
            self._loop.arrive(self._connection_lost, error, context=self._context)

    def _connection_lost(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        if self._socket is not None:
            self._socket.close()
        self.connection.closed(self.side)
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def __repr__(self) -> str:
        state = "closed" if self._lost else "closing" if self._closing else "open"
        return f"<SimTransport {state} {self.get_extra_info('sockname')} -> {self.get_extra_info('peername')}>"


def _feed_buffered(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    view = memoryview(data)
    while view:
        buffer = protocol.get_buffer(len(view))
        size = min(len(buffer), len(view))
        memoryview(buffer)[:size] = view[:size]
        protocol.buffer_updated(size)
        view = view[size:]
