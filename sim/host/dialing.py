"""The loop's network calls: resolve, connect and listen on the simulated network."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from asyncio import base_events, constants, coroutines, events, futures
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

from sim.errors import BoundaryError
from sim.host.boundary import fence, refuse
from sim.host.datagram import bind
from sim.host.link import RETRANSMIT_NS, RETRIES_MAX
from sim.host.machine import Machine
from sim.host.net import RESOLVE_NS, Listener, Network, Site
from sim.host.signals import SignalDesk
from sim.host.transport import SimTransport
from sim.units import S

if TYPE_CHECKING:  # SimLoop is built from this class
    pass

START_TLS = 3
"""Stands where the sides 0 and 1 stand in the key of a connection's draws; 2 is a blocking socket's handshake."""

SYN_RETRY_NS = 1 * S
SYN_RETRIES = 6
"""How often, and first after what time, a handshake is begun again: a host that never answers is given up after 127 s.

Source:
    RFC 6298, section 2; Linux, `net.ipv4.tcp_syn_retries`.
"""
_FOREIGN_SOCKET = fence("loop.create_connection(sock=...) unconnected", "connect the socket with loop.sock_connect")
_DATAGRAM_SOCKET = fence("loop.create_datagram_endpoint(sock=...)", "pass local_addr and remote_addr")
_SERVER_SOCKET = fence("loop.create_server(sock=...)", "pass host and port")

_dialled: WeakKeyDictionary[socket.socket, tuple[Site, int, int]] = WeakKeyDictionary()


class TlsSession:
    """What clients read of an `ssl.SSLObject`: the stream beneath is plaintext, certificates are not verified."""

    context: Any
    server_side = False
    session_reused = False

    def __init__(self, context: Any, server_hostname: str | None) -> None:
        self.context = context
        self.server_hostname = server_hostname

    def selected_alpn_protocol(self) -> str | None:
        """Return None: no protocol was negotiated, so clients speak HTTP/1.1."""
        return None

    def version(self) -> str:
        """Return the protocol that the modelled handshake stands for."""
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        """Return the suite of that protocol's first choice."""
        return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

    def compression(self) -> None:
        """Return None, as TLS 1.3 has none."""
        return

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes:
        """Return an empty certificate: none is exchanged."""
        return b"" if binary_form else {}


def _tls_extra(context: Any, hostname: str | None, server_side: bool = False) -> dict[str, Any]:
    """Return what `get_extra_info` answers on a connection with modelled TLS."""
    session = TlsSession(context, hostname)
    session.server_side = server_side
    return {
        "ssl_object": session,
        "sslcontext": context,
        "peercert": {},
        "cipher": session.cipher(),
        "compression": None,
    }


class BoundSocket:
    """The listening socket that a server of asyncio's holds: its address, and a way to give it back."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, network: Network, listener: Listener) -> None:
        self._network = network
        self.listener = listener

    def getsockname(self) -> tuple[str, int]:
        """Return (address, port)."""
        return self._network.sites[self.listener.site].ip, self.listener.port

    def fileno(self) -> int:
        """Return -1: there is no descriptor."""
        return -1

    def setsockopt(self, *_: Any) -> None:
        """Accept an option, which changes nothing."""

    def getsockopt(self, *_: Any) -> int:
        """Return 0, as for an option that is off."""
        return 0

    def listen(self, backlog: int) -> None:
        """Take connections from now on."""
        self.listener.accepting = True

    def close(self) -> None:
        """Take no more connections; those open stay."""
        self._network.close_listener(self.listener)


class Dialing(base_events.BaseEventLoop):
    """The part of `SimLoop` that opens connections; what is not simulated is refused where it is called."""

    machine: Machine
    network: Network | None
    signals: SignalDesk | None

    def _wire(self) -> Network:
        if self.network is None:
            raise BoundaryError("the network", mend="this loop was made without one")
        return self.network

    async def _wait_ns(self, delay_ns: int) -> None:
        future = self.create_future()
        env = self.machine.env

        def done() -> None:
            self.arrive(futures._set_result_unless_cancelled, future, None)

        call = env.at(self.machine.now_ns() + delay_ns, done)
        try:
            await future
        finally:
            call.cancel()

    async def _ask_resolver(self, host: object) -> None:
        for wait_ns in self._wire().resolving(host):
            await self._wait_ns(wait_ns)

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """Resolve a name of the scenario."""
        await self._ask_resolver(host)
        return self._wire().address_info(host, port, self.machine.site, family, type)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Return the name behind an address of the scenario."""
        await self._wait_ns(RESOLVE_NS)
        return self._wire().resolve(sockaddr[0], self.machine.site).name, str(sockaddr[1])

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect *sock* on the simulated network; `create_connection(sock=...)` then makes the transport."""
        site, attempt = await self._handshake(address[0], int(address[1]))
        _dialled[sock] = (site, int(address[1]), attempt)

    async def _handshake(self, host: str, port: int) -> tuple[Site, int]:
        """Let TCP's handshake pass; return whom it was with, and the number of the attempt there."""
        network = self._wire()
        site = network.resolve(host, self.machine.site)
        site.attempts += 1
        attempt = site.attempts
        for wait_ns in network.exchange(self.machine.site, site, -attempt, first_ns=SYN_RETRY_NS, retries=SYN_RETRIES):
            await self._wait_ns(wait_ns)
        if network.refuses(self.machine.site, site, port):
            raise ConnectionRefusedError(111, f"Connect call failed {(site.ip, port)!r}")
        return site, attempt

    async def _shake_tls(self, site: Site, *key: int, timeout_s: float | None) -> None:
        """Let TLS's handshake pass: a round trip, or longer on a link that loses packets.

        Raises:
            ConnectionAbortedError: it takes longer than *timeout_s*, asyncio's own minute unless given.
        """
        limit_s = constants.SSL_HANDSHAKE_TIMEOUT if timeout_s is None else timeout_s
        left_ns = round(limit_s * S)
        for wait_ns in self._wire().exchange(
            self.machine.site, site, *key, first_ns=RETRANSMIT_NS, retries=RETRIES_MAX
        ):
            await self._wait_ns(min(wait_ns, left_ns))
            left_ns -= wait_ns
            if left_ns < 0:
                message = f"SSL handshake is taking longer than {limit_s} seconds: aborting the connection"
                raise ConnectionAbortedError(message)

    async def _introduce(self, transport: asyncio.BaseTransport, protocol: asyncio.BaseProtocol) -> None:
        """Call `connection_made` in a turn of its own, as asyncio does, and wait for it."""
        waiter = self.create_future()
        self.call_soon(protocol.connection_made, transport)
        self.call_soon(futures._set_result_unless_cancelled, waiter, None)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: Any = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[asyncio.Transport, Any]:
        """Open a connection to a host of the scenario, as asyncio's own does.

        With *ssl* the handshake costs one more round trip; the stream stays plaintext and no certificate is checked.
        """
        network = self._wire()
        if sock is not None:
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            if sock not in _dialled:
                refuse(_FOREIGN_SOCKET)
            site, number, attempt = _dialled.pop(sock)
            sock.close()
        else:
            if host is None and port is None:
                raise ValueError("host and port was not specified and no sock specified")
            await self._ask_resolver(host)
            number = int(port or 0)
            site, attempt = await self._handshake(host or "localhost", number)
        extra: dict[str, Any] = {}
        if ssl:
            await self._shake_tls(site, -attempt, 1, timeout_s=ssl_handshake_timeout)
            extra = _tls_extra(ssl if ssl is not True else None, server_hostname or host)
        transport = network.open(self, site, number, extra)  # type: ignore[arg-type]
        if transport is None:
            raise ConnectionRefusedError(111, f"Connect call failed {(site.ip, number)!r}")
        protocol = protocol_factory()
        transport.set_protocol(protocol)
        await self._introduce(transport, protocol)
        return transport, protocol

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: Any,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Any:
        """Shake hands over an open connection, as STARTTLS and proxies do; the stream stays plaintext.

        Returns:
            The same transport, which delivers to *protocol* from now on.
        """
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}")
        if not isinstance(transport, SimTransport):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        connection = transport.connection
        transport.pause_reading()
        key = (connection.ordinal, START_TLS)
        try:
            await self._shake_tls(connection.far, *key, timeout_s=ssl_handshake_timeout)
        except BaseException:
            transport.abort()
            raise
        if transport.is_closing():
            raise ConnectionResetError("the connection was lost during the handshake")
        transport._extra.update(_tls_extra(sslcontext, server_hostname, server_side))
        transport.set_protocol(protocol)
        transport.resume_reading()
        return transport

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """Open a UDP port on the loop's own host (the bot) or a simulated one (the world)."""
        if sock is not None:
            refuse(_DATAGRAM_SOCKET)
        if local_addr is None and remote_addr is None and family == 0:
            raise ValueError("unexpected address family")
        if family not in (0, socket.AF_INET):
            raise OSError(97, "Address family not supported by protocol")
        network, peer = self._wire(), None
        if remote_addr is not None:
            await self._ask_resolver(remote_addr[0])
            peer = (network.resolve(remote_addr[0], self.machine.site), int(remote_addr[1]))
        protocol = protocol_factory()
        transport = bind(self, network, local_addr, peer, protocol)  # type: ignore[arg-type]
        await self._introduce(transport, protocol)
        return transport, protocol

    async def create_server(
        self,
        protocol_factory: Callable[[], Any],
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        start_serving: bool = True,
        backlog: int = 100,
        **_ignored: Any,
    ) -> base_events.Server:
        """Listen on the loop's own host (the bot) or a simulated one (the world); options and TLS change nothing."""
        if sock is not None:
            refuse(_SERVER_SOCKET)
        network = self._wire()
        hosts: Iterable[str | None] = [host] if host is None or isinstance(host, str) else host
        sockets = []
        for each in hosts:
            listener = network.listen(self, protocol_factory, each, port or 0)  # type: ignore[arg-type]
            listener.accepting = False
            sockets.append(BoundSocket(network, listener))
        server = base_events.Server(self, sockets, protocol_factory, None, backlog, None, None)  # type: ignore[arg-type]
        for bound in sockets:
            bound.listener.server = server
        if start_serving:
            await server.start_serving()
        return server

    def _start_serving(self, protocol_factory: Callable[[], Any], sock: BoundSocket, *_: Any) -> None:
        """`BoundSocket.listen` did it."""

    def _stop_serving(self, sock: BoundSocket) -> None:
        sock.close()

    # Signals ----------------------------------------------------------------------------------------------------

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """Call *callback* in the loop when the virtual signal is delivered."""
        if coroutines.iscoroutine(callback) or coroutines.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        number = signal.Signals(sig)
        self._check_closed()
        if self.signals is None:
            raise BoundaryError("add_signal_handler", mend="this loop belongs to no process")
        self.signals.add_loop_handler(self, number, events.Handle(callback, args, self, None))  # type: ignore[arg-type]

    def remove_signal_handler(self, sig: int) -> bool:
        """Undo `add_signal_handler`."""
        return self.signals is not None and self.signals.remove_loop_handler(self, signal.Signals(sig))  # type: ignore[arg-type]

    def arrive(self, callback: Callable[..., object], *args: Any) -> None:
        """Enqueue what came from outside; see `SimLoop.arrive`."""
        raise AssertionError("SimLoop overrides it")


def _refusing(name: str) -> Callable[..., NoReturn]:
    api = fence(f"loop.{name}", "it needs a real file descriptor; streams and `create_connection` are simulated")

    def method(self: Dialing, *args: object, **kwargs: object) -> NoReturn:
        refuse(api)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Refuse: `{name}` needs a real file descriptor."
    return method


REFUSED = (
    "add_reader",
    "remove_reader",
    "add_writer",
    "remove_writer",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendto",
    "sock_accept",
    "sock_sendfile",
    "sendfile",
    "create_unix_connection",
    "create_unix_server",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "subprocess_shell",
    "subprocess_exec",
)

for _name in REFUSED:
    setattr(Dialing, _name, _refusing(_name))
