"""A modelled TLS: the handshake takes its round trip, the stream stays plaintext, no certificate is checked."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from sim.host.dialing import TlsSession
from sim.host.link import RETRANSMIT_NS, RETRIES_MAX
from sim.host.sockets import SimSocket
from sim.host.takeover import take_over
from sim.units import S

HANDSHAKE = 2
"""Stands where the sides 0 and 1 stand in the key of a connection's draws."""


class SimTlsSocket(SimSocket):
    """What `SSLContext.wrap_socket` returns for a simulated socket."""

    server_side = False
    session = None
    session_reused = False

    def __init__(self, plain: SimSocket, context: ssl.SSLContext, server_hostname: str | None, handshake: bool) -> None:
        end, bound, timeout = plain._end, plain._bound, plain.gettimeout()
        super().__init__(plain.family, plain.type, plain.proto, plain.detach())
        self._adopt(end)
        self._bound = bound
        self.settimeout(timeout)
        self.context = context
        self.server_hostname = server_hostname
        self._tls = TlsSession(context, server_hostname)
        self._handshake_on_connect = handshake
        if handshake and end.transport is not None:
            self.do_handshake()

    def connect(self, address: Any) -> None:
        """Connect, then shake hands."""
        super().connect(address)
        if self._handshake_on_connect:
            self.do_handshake()

    def do_handshake(self, block: bool = False) -> None:
        """Wait for one round trip, or longer on a link that loses packets; at most the socket's time-out."""
        connection = self._connected().connection
        key = (connection.ordinal, HANDSHAKE)
        waits = self.desk.network.exchange(
            self.desk.machine.site, connection.far, *key, first_ns=RETRANSMIT_NS, retries=RETRIES_MAX
        )
        timeout = self.gettimeout()
        left_ns = None if timeout is None else round(timeout * S)
        for wait_ns in waits:
            self.desk.baton.sleep(wait_ns if left_ns is None else min(wait_ns, left_ns))
            if left_ns is not None:
                left_ns -= wait_ns
                if left_ns < 0:
                    raise TimeoutError("_ssl.c: The handshake operation timed out")
        if self._end.error is not None:
            raise self._end.error

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read as a stream does."""
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    def write(self, data: Any) -> int:
        """Write as a stream does."""
        return self.send(data)

    def pending(self) -> int:
        """Return how many bytes a read returns at once."""
        return len(self._end.unread)

    def unwrap(self) -> SimSocket:
        """Return the stream beneath, which is this one."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._tls, name)


class MemoryTls(TlsSession):
    """What `SSLContext.wrap_bio` returns: it passes bytes between its caller's buffers as they are.

    Its handshake takes no time, because nothing is exchanged that could.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None,
    ) -> None:
        super().__init__(context, server_hostname)
        self.server_side = server_side
        self.session = None
        self._incoming = incoming
        self._outgoing = outgoing

    def do_handshake(self) -> None:
        """Be done at once."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Return what came in; ask for more if there is nothing."""
        if not self._incoming.pending:
            if self._incoming.eof:
                raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
            raise ssl.SSLWantReadError(2, "The operation did not complete (read)")
        data = self._incoming.read(len)
        if buffer is None:
            return data
        buffer[: data.__len__()] = data
        return data.__len__()

    def write(self, data: Any) -> int:
        """Put *data* out."""
        return self._outgoing.write(data)

    def pending(self) -> int:
        """Return how many bytes a read returns at once."""
        return self._incoming.pending

    def unwrap(self) -> None:
        """End without the exchange that real TLS ends with."""

    def selected_npn_protocol(self) -> None:
        """Return None."""

    def shared_ciphers(self) -> None:
        """Return None."""

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        """Return None: there is no channel to bind to."""

    def verify_client_post_handshake(self) -> None:
        """Do nothing."""


def install() -> None:
    """Take over how this process wraps streams in TLS, for good."""
    real_wrap_socket: Callable[..., Any] = ssl.SSLContext.wrap_socket

    def wrap_socket(
        self: ssl.SSLContext,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        session: Any = None,
    ) -> Any:
        if isinstance(sock, SimSocket):
            return SimTlsSocket(sock, self, server_hostname, do_handshake_on_connect and not server_side)
        return real_wrap_socket(
            self, sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def wrap_bio(
        self: ssl.SSLContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> Any:
        name = server_hostname.decode() if isinstance(server_hostname, bytes) else server_hostname
        return MemoryTls(self, incoming, outgoing, server_side, name)

    now = "models the handshake: one round trip, a plaintext stream, no certificate checked"
    take_over(
        (
            (ssl.SSLContext, "wrap_socket", wrap_socket, now),
            (ssl.SSLContext, "wrap_bio", wrap_bio, "passes bytes on as they are; the handshake takes no time"),
        )
    )
