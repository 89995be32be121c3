"""Datagrams on the simulated network: UDP endpoints of asyncio's, which lose what a link loses."""

from __future__ import annotations

import asyncio
import socket
from asyncio import transports
from collections import deque
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from sim.host.net import Network, Site

if TYPE_CHECKING:  # the loop builds on this module
    from sim.host.loop import SimLoop

PAYLOAD_BYTES_MAX = 65_507
"""What a datagram holds at most, without the headers of IPv4 and UDP."""

RECEIVE_BYTES_MAX = 212_992
"""Unread bytes above which an endpoint drops what comes (Linux, `net.core.rmem_default`)."""

DATAGRAM = 0
"""Stands where connections have their ordinal, from 1, in the key of a draw."""

Address = tuple[str, int]


class DatagramSocket:
    """What `get_extra_info("socket")` answers: names, and options that change nothing."""

    family = socket.AF_INET
    type = socket.SOCK_DGRAM
    proto = socket.IPPROTO_UDP

    def __init__(self, transport: SimDatagramTransport) -> None:
        self._transport = transport

    def fileno(self) -> int:
        """Return -1: there is no descriptor."""
        return -1

    def getsockname(self) -> Any:
        """Return our address."""
        return self._transport.get_extra_info("sockname")

    def getpeername(self) -> Any:
        """Return the other end's address."""
        return self._transport.get_extra_info("peername")

    def setsockopt(self, *_: Any) -> None:
        """Accept an option."""

    def getsockopt(self, *_: Any) -> int:
        """Return 0, as for an option that is off."""
        return 0


class SimDatagramTransport(transports.DatagramTransport):
    """One UDP port of a host.

    Args:
        site, port: the address that it is bound to.
        peer: the only address that it talks with, or None.
    """

    def __init__(
        self, loop: SimLoop, network: Network, site: Site, port: int, peer: tuple[Site, int] | None, protocol: Any
    ) -> None:
        super().__init__()
        self._extra: dict[str, Any] = {"sockname": (site.ip, port)}
        self.loop = loop
        self.network = network
        self.site, self.port = site, port
        self.peer: tuple[Site, int] | None = None
        if peer is not None:
            self.meet(peer)
        self._protocol = protocol
        self._context: Context = copy_context()
        self._sent: dict[str, tuple[int, int]] = {}
        self._unread: deque[tuple[bytes, Address]] = deque()
        self._unread_bytes = 0
        self._delivering = False
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Answer names, and a stand-in for the socket."""
        return DatagramSocket(self) if name == "socket" else self._extra.get(name, default)

    # Sending ----------------------------------------------------------------------------------------------------

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send *data* to *addr*, or to the peer; nobody says whether it arrives."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self.peer is not None:
            if addr not in (None, (self.peer[0].ip, self.peer[1])):
                raise ValueError(f"Invalid address: must be None or {(self.peer[0].ip, self.peer[1])}")
            target, port = self.peer
        else:
            if addr is None:
                raise ValueError("an address is needed: this endpoint has no remote_addr")
            target, port = self.network.resolve(addr[0], self.loop.machine.site), int(addr[1])
        if self._closing:
            return
        payload = bytes(data)
        if len(payload) > PAYLOAD_BYTES_MAX:
            self._protocol.error_received(OSError(90, "Message too long"))
        else:
            self.post(payload, target, port)

    def meet(self, peer: tuple[Site, int]) -> None:
        """Talk with *peer* alone from now on."""
        self.peer = peer
        self._extra["peername"] = (peer[0].ip, peer[1])

    def post(self, payload: bytes, target: Site, port: int) -> None:
        """Put *payload* on the wire."""
        self.loop.activity += 1
        t_ns = self._arrival_ns(target, len(payload))
        network = self.network
        network.trace = hash((network.trace, t_ns, self.port, port, len(payload), crc32(payload)))
        if t_ns is not None:
            network.env.at(t_ns, self._deliver_to, target, port, payload)

    def _arrival_ns(self, target: Site, size: int) -> int | None:
        """Return when a datagram sent now is there, or None if it is lost."""
        network, now_ns = self.network, self.loop.machine.now_ns()
        outward = target.name != network.bot_site
        far, side = (target, 0) if outward else (self.site, 1)
        ordinal, count = self._sent.get(target.name, (0, 0))
        if not count:
            far.endpoints += 1
            ordinal = far.endpoints
        self._sent[target.name] = (ordinal, count + 1)
        line = network.line(self.site, target)
        key = (DATAGRAM, ordinal, side, count)
        if line.down or line.loses(far.name, *key):
            return None
        delay_ns = network.delay_ns(line, far, *key)
        if line.link.jitter_ns:
            delay_ns = max(0, delay_ns + int(line.jitter(None, far.name, *key) * line.link.jitter_ns))
        return line.departs_ns(now_ns, size) + delay_ns

    def _deliver_to(self, target: Site, port: int, payload: bytes) -> None:
        there = self.network.datagram_ports.get((target.name, port))
        source = (self.site.ip, self.port)
        if there is None:
            if self.peer is not None and not self.network.line(target, self.site).down:
                t_ns = self._arrival_ns(target, 0)
                if t_ns is not None:
                    self.network.env.at(t_ns, self._unreachable)
        elif there.peer is None or source == (there.peer[0].ip, there.peer[1]):
            there._arrive(payload, source)

    def _unreachable(self) -> None:
        if not self._closing:
            error = ConnectionRefusedError(111, "Connection refused")
            self.loop.arrive(self._protocol.error_received, error, context=self._context)

    # Receiving --------------------------------------------------------------------------------------------------

    def _arrive(self, payload: bytes, source: Address) -> None:
        """Take a datagram off the wire; runs outside the loop's turn."""
        if self._closing or self._unread_bytes + len(payload) > RECEIVE_BYTES_MAX:
            return
        self._unread.append((payload, source))
        self._unread_bytes += len(payload)
        if not self._delivering:
            self._delivering = True
            self.loop.arrive(self._deliver, context=self._context)

    def _deliver(self) -> None:
        """Do what a selector transport does when its socket is readable: one datagram."""
        self._delivering = False
        if self._closing or not self._unread:
            return
        payload, source = self._unread.popleft()
        self._unread_bytes -= len(payload)
        if self._unread:
            self._delivering = True
            self.loop.call_soon(self._deliver, context=self._context)
        self._protocol.datagram_received(payload, source)

    # Ending -----------------------------------------------------------------------------------------------------

    def get_write_buffer_size(self) -> int:
        """Return 0: what is sent has left."""
        return 0

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that datagrams are delivered to."""
        return cast(asyncio.BaseProtocol, self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Deliver to *protocol* from now on."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Say whether `close` or `abort` was called."""
        return self._closing

    def close(self) -> None:
        """Give the port back."""
        if not self._closing:
            self._closing = True
            self.network.datagram_ports.pop((self.site.name, self.port), None)
            self.loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Do the same: nothing waits to be sent."""
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closing else "open"
        return f"<SimDatagramTransport {state} {self._extra['sockname']} -> {self._extra.get('peername', '*')}>"


def bind(loop: SimLoop, network: Network, local: Any, peer: tuple[Site, int] | None, protocol: Any) -> Any:
    """Return a transport for *protocol* at the address *local*; None or port 0 takes a free port.

    Raises:
        OSError: the port is taken.
    """
    host, port = (None, 0) if local is None else (local[0], int(local[1]))
    site = network.resolve(host, loop.machine.site)
    port = network.free_port(site, port, network.datagram_ports)
    transport = SimDatagramTransport(loop, network, site, port, peer, protocol)
    network.datagram_ports[site.name, port] = transport
    return transport
