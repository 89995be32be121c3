"""Blocking UDP sockets on the simulated network: what logging handlers, metric clients and resolvers use."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any, cast

from sim.host.boundary import refuse
from sim.host.datagram import PAYLOAD_BYTES_MAX, Address, SimDatagramTransport, bind
from sim.host.sockets import CONNECT, Endpoint, SimSocket


class Mailbox(Endpoint):
    """The kernel's side of a UDP socket: datagrams that came and are unread."""

    transport: SimDatagramTransport | None  # type: ignore[assignment]

    def __init__(self, baton: Any) -> None:
        super().__init__(baton)
        self.letters: deque[tuple[bytes, Address]] = deque()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep a datagram."""
        self.letters.append((data, addr))
        self.notify()

    def error_received(self, exc: Exception) -> None:
        """Keep an error for the next call."""
        self.error = exc
        self.notify()

    def take_error(self) -> None:
        """Raise what was kept, once."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    @property
    def readable(self) -> bool:
        """Whether a read would not wait."""
        return bool(self.letters or self.error or self.ended)


class SimDatagramSocket(SimSocket):
    """`socket.socket(type=SOCK_DGRAM)`."""

    _end: Mailbox

    def _make_end(self) -> Endpoint:
        return Mailbox(self.desk.baton)

    def _port(self, local: Any = None) -> SimDatagramTransport:
        """Return the port it is bound to; it gets one when it first needs one."""
        if self.family != socket.AF_INET:
            refuse(CONNECT, f"this one is {self.family!s}, {self.type!s}")
        end = self._end
        if end.transport is None:
            end.transport = bind(self.desk.loop, self.desk.network, local, None, end)
        return end.transport

    def _target(self, address: Any) -> tuple[Any, int]:
        """Return (site, port); a name is looked up, an address is not."""
        host, port = address[0], int(address[1])
        if host not in self.desk.network.by_ip:
            found = self.desk.run(self.desk.resolve(host, port, socket.AF_INET, socket.SOCK_DGRAM), None)
            host = found[0][4][0]
        return self.desk.network.resolve(host, self.desk.machine.site), port

    # Addresses --------------------------------------------------------------------------------------------------

    def bind(self, address: Any) -> None:
        """Take a port of the bot's own machine."""
        self._charge()
        if self._end.transport is not None:
            raise OSError(22, "Invalid argument")
        try:
            self._port(address)
        except OSError as error:
            if error.errno == 98:
                raise OSError(98, "Address already in use") from None
            raise

    def connect(self, address: Any) -> None:
        """Talk with one address from now on; nothing is sent."""
        self._charge()
        self._port().meet(self._target(address))

    def listen(self, backlog: int = 128, /) -> None:
        """Refuse as the system does."""
        raise OSError(95, "Operation not supported")

    def getpeername(self) -> Any:
        """Return the other end's address."""
        found = self._end.transport and self._end.transport.get_extra_info("peername")
        if not found:
            raise OSError(107, "Transport endpoint is not connected")
        return found

    def shutdown(self, how: int, /) -> None:
        """Let nobody wait any longer."""
        self.getpeername()
        self._end.ended = True
        self._end.notify()

    # Datagrams --------------------------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send a datagram to the one address."""
        if self._end.transport is None or self._end.transport.peer is None:
            raise OSError(89, "Destination address required")
        return self._post(data, self._end.transport.peer)

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """Send a datagram to *address*, which may follow flags."""
        return self._post(data, self._target(flags_and_address[-1]))

    def _post(self, data: Any, target: tuple[Any, int]) -> int:
        self._charge()
        self._end.take_error()
        payload = bytes(data)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise OSError(90, "Message too long")
        self._port().post(payload, *target)
        return len(payload)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """Return one datagram, cut to *bufsize*, and whose it is."""
        self._port()
        end = self._end
        if flags & socket.MSG_DONTWAIT and not end.readable:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self._await(lambda: end.readable)
        end.take_error()
        if not end.letters:
            return b"", None
        data, addr = end.letters[0] if flags & socket.MSG_PEEK else end.letters.popleft()
        return data[:bufsize], addr

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Return one datagram, cut to *bufsize*."""
        return self.recvfrom(bufsize, flags)[0]


def install() -> None:
    """Let `socket.socket` make these for datagrams, for good."""
    SimSocket.for_datagrams = cast(Any, SimDatagramSocket)
