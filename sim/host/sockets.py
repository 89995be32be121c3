"""Blocking sockets on the simulated network: what `socket.socket` is to a thread of the bot.

A socket is an endpoint that the machine's kernel serves (a loop of its own, without cost) and a thread that waits for
it on the baton. Time-outs are virtual. The file descriptor behind it is real and carries nothing.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import warnings
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, cast

from sim.host.boundary import fence, refuse
from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.net import RESOLVE_NS, Listener, Network
from sim.host.serving import ServingLoop
from sim.host.takeover import REFUSED, replace_all_aliases, take_over
from sim.host.threads import Baton, Waiter
from sim.host.transport import SimTransport
from sim.units import US

SYSCALL_NS = 1 * US
"""Virtual time that a call of a socket takes, so that a loop that polls one ends."""

RECEIVE_BYTES_MAX = 128 * 1024
"""Unread bytes above which the other end is slowed down: Linux's default receive buffer."""

_RealSocket = socket.socket

_TCP_ONLY = "a flight simulates TCP and UDP over IPv4, and asyncio's own network calls"
CONNECT = fence("socket.socket.connect of another family or type", _TCP_ONLY)
_CONNECT_WITHOUT_BLOCKING = fence("socket.socket.connect without blocking", "use asyncio, or a time-out above 0")
_BIND = fence("socket.socket.bind of another family or type", _TCP_ONLY)
_ANCILLARY = fence("socket.socket.sendmsg with ancillary data", _TCP_ONLY)
_SENDTO = fence("socket.socket.sendto of a stream", "use send or sendall")
_DUP = fence("socket.socket.dup", "share the socket object itself")
_PAIR = fence("socket.socketpair", "there is one process: use asyncio streams or a queue")
_OTHERS = tuple(
    fence(f"socket.socket.{name}", "use recv, recv_into, send or sendall")
    for name in ("recvfrom_into", "recvmsg", "recvmsg_into", "sendmsg_afalg")
)


class _Kernel(Machine):
    """The bot's machine below its program: the same instant, no cost of its own."""

    __slots__ = ("_program",)

    def __init__(self, program: Machine) -> None:
        super().__init__(program.env, program.site, epoch_ns=program.epoch_ns)
        self._program = program

    def now_ns(self) -> int:
        """Return the program's instant, its unpaid work included."""
        return self._program.now_ns()


class Endpoint(asyncio.Protocol):
    """The kernel's side of one socket: what arrived and is unread, and who waits."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self.transport: SimTransport | None = None
        self.listener: Listener | None = None
        self.accepted: deque[Endpoint] = deque()
        self.unread = bytearray()
        self.ended = False
        self.error: Exception | None = None
        self.writable = True
        self.shut = False
        self.waiters: list[Waiter] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport = cast(SimTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived; slow the sender down when nobody reads."""
        self.unread += data
        if len(self.unread) > RECEIVE_BYTES_MAX and self.transport is not None:
            self.transport.pause_reading()
        self.notify()

    def eof_received(self) -> bool:
        """Note that no more comes; our half stays open."""
        self.ended = True
        self.notify()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how it ended."""
        self.ended = self.writable = True
        self.error = exc
        self.notify()

    def pause_writing(self) -> None:
        """Let senders wait."""
        self.writable = False

    def resume_writing(self) -> None:
        """Let senders go on."""
        self.writable = True
        self.notify()

    def take(self, size: int, peek: bool = False) -> bytes:
        """Return at most *size* bytes of what arrived, b"" at the end of the stream."""
        data = bytes(self.unread[:size])
        if not peek:
            del self.unread[:size]
            if self.transport is not None and len(self.unread) <= RECEIVE_BYTES_MAX // 2:
                self.transport.resume_reading()
        return data

    @property
    def readable(self) -> bool:
        """Whether a read or an accept would not wait."""
        return bool(self.unread or self.ended or self.accepted)

    def notify(self) -> None:
        """Wake everyone who waits for this socket; they look again."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            self._baton.wake(waiter)


class SocketDesk:
    """What the machine's kernel does for sockets: the network, the descriptors, the waiting threads."""

    def __init__(self, baton: Baton, network: Network) -> None:
        self.baton = baton
        self.network = network
        self.machine = baton.machine
        self.env: NsEnvironment = baton.env
        self.by_descriptor: dict[int, Endpoint] = {}
        self._loop: ServingLoop | None = None

    @property
    def loop(self) -> ServingLoop:
        """Return the kernel's loop; a flight without blocking sockets has none."""
        if self._loop is None:
            self._loop = ServingLoop(_Kernel(self.machine), self.network)
            self._loop.set_debug(False)
            self._loop.tracing = False
            self._loop.start_serving()
        return self._loop

    def loops(self) -> list[SimLoop]:
        """Return the kernel's loop if there is one, for whoever looks for open connections."""
        return [] if self._loop is None else [self._loop]

    def power_off(self) -> object:
        """Forget every socket: the process has crashed. Return what is left of them, lest it ends."""
        before = (dict(self.by_descriptor), self._loop)
        self.by_descriptor.clear()
        self._loop = None
        return before

    def run(self, work: Coroutine[Any, Any, Any], timeout: float | None) -> Any:
        """Let the kernel do *work* while the calling thread waits, at most *timeout* seconds.

        Raises:
            TimeoutError: it took longer.
        """
        task = self.loop.create_task(work)

        def enlist(waiter: Waiter) -> None:
            task.add_done_callback(lambda _: self.baton.wake(waiter))

        if not self.baton.block("socket", _ns(timeout), enlist) and not task.done():
            task.cancel()
            raise TimeoutError("timed out")
        return task.result()

    def wait(self, endpoints: list[Endpoint], ready: Callable[[], object], timeout: float | None) -> bool:
        """Block until *ready* holds; each change of an endpoint asks again. Return False if the time ran out."""
        deadline_ns = None if timeout is None else self.machine.now_ns() + round(timeout * 1e9)

        def enlist(waiter: Waiter) -> None:
            for endpoint in endpoints:
                endpoint.waiters.append(waiter)

        while not ready():
            left_ns = None if deadline_ns is None else deadline_ns - self.machine.now_ns()
            if left_ns is not None and left_ns <= 0:
                return False
            self.baton.block("socket", left_ns, enlist)
        return True

    async def connect(self, endpoint: Endpoint, host: str, port: int) -> None:
        """Shake hands with whoever listens there."""
        site, _ = await self.loop._handshake(host, port)
        transport = self.network.open(self.loop, site, port, {})
        if transport is None:
            raise ConnectionRefusedError(111, "Connection refused")
        transport.set_protocol(endpoint)
        endpoint.connection_made(transport)

    async def resolve(self, host: Any, port: Any, family: int, kind: int) -> Any:
        """Look a name up."""
        return await self.loop.getaddrinfo(host, port, family=family, type=kind)


def _ns(timeout: float | None) -> int | None:
    return None if timeout is None else round(timeout * 1e9)


class SimSocket(_RealSocket):
    """`socket.socket` for TCP on the simulated network; other families are refused when used."""

    desk: SocketDesk
    for_datagrams: type[SimSocket] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a stream, or what stands for a socket of datagrams."""
        kind = kwargs.get("type", args[1] if len(args) > 1 else -1)
        if cls is SimSocket and cls.for_datagrams is not None and kind != -1 and kind & 0xF == socket.SOCK_DGRAM:
            return super().__new__(cls.for_datagrams)
        return super().__new__(cls)

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        super().__init__(family, type, proto, fileno)
        self._options: dict[tuple[int, int], Any] = {}
        self._bound: tuple[str, int] | None = None
        self._adopt(self._make_end())

    def _make_end(self) -> Endpoint:
        return Endpoint(self.desk.baton)

    def _charge(self) -> None:
        self.desk.machine.debt_ns += SYSCALL_NS

    def _await(self, ready: Callable[[], object]) -> None:
        self._charge()
        timeout = self.gettimeout()
        if ready():
            return
        if timeout == 0:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        if not self.desk.wait([self._end], ready, timeout):
            raise TimeoutError("timed out")

    def _connected(self) -> SimTransport:
        if self._end.transport is None:
            raise OSError(107, "Transport endpoint is not connected")
        return self._end.transport

    # Connecting and listening -----------------------------------------------------------------------------------

    def connect(self, address: Any) -> None:
        """Connect to a host of the scenario."""
        if self.type != socket.SOCK_STREAM or self.family != socket.AF_INET:
            refuse(CONNECT, f"this one is {self.family!s}, {self.type!s}")
        if self.gettimeout() == 0:
            refuse(_CONNECT_WITHOUT_BLOCKING)
        if self._end.transport is not None:
            raise OSError(106, "Transport endpoint is already connected")
        self._charge()
        host, port = address[0], int(address[1])
        try:
            self.desk.run(self.desk.connect(self._end, host, port), self.gettimeout())
        except ConnectionRefusedError:
            raise ConnectionRefusedError(111, "Connection refused") from None

    def connect_ex(self, address: Any) -> int:
        """Connect, and return the error's number or 0."""
        try:
            self.connect(address)
        except TimeoutError:
            return 11
        except OSError as error:
            return error.errno or 0
        return 0

    def bind(self, address: Any) -> None:
        """Take an address of the bot's own machine, so that a second `bind` fails; `listen` opens it."""
        if self.family == socket.AF_INET6:
            raise OSError(99, "Cannot assign requested address")
        if self.type != socket.SOCK_STREAM or self.family != socket.AF_INET:
            refuse(_BIND, f"this one is {self.family!s}, {self.type!s}")
        host, port = address[0], int(address[1])
        try:
            listener = self.desk.network.listen(self.desk.loop, self._arrival, host, port)
        except OSError as error:
            if error.errno == 98:
                raise OSError(98, "Address already in use") from None
            raise
        listener.accepting = False
        self._end.listener = listener
        self._bound = (host or "0.0.0.0", listener.port)

    def _arrival(self) -> Endpoint:
        end = Endpoint(self.desk.baton)
        self._end.accepted.append(end)
        self._end.notify()
        return end

    def listen(self, backlog: int = 128, /) -> None:
        """Take connections."""
        if self._end.listener is None:
            self.bind(("0.0.0.0", 0))
        assert self._end.listener is not None
        self._end.listener.accepting = True

    def accept(self) -> tuple[socket.socket, Any]:
        """Wait for a connection, and return its socket and the other end's address."""
        if self._end.listener is None or not self._end.listener.accepting:
            raise OSError(22, "Invalid argument")
        self._await(lambda: self._end.accepted and self._end.accepted[0].transport is not None)
        end = self._end.accepted.popleft()
        made = type(self)(self.family, self.type, self.proto)
        made._adopt(end)
        made.settimeout(socket.getdefaulttimeout())
        return made, end.transport.get_extra_info("peername")  # type: ignore[union-attr]

    def _adopt(self, end: Endpoint) -> None:
        self._end = self.desk.by_descriptor[self.fileno()] = end

    # Bytes ------------------------------------------------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Return at most *bufsize* bytes, b"" when the other end has closed."""
        self._connected()
        end = self._end
        if flags & socket.MSG_DONTWAIT and not end.readable:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self._await(lambda: end.readable)
        data = end.take(bufsize, bool(flags & socket.MSG_PEEK))
        if not data and bufsize and end.error is not None:
            raise end.error
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read into *buffer*, and return how many bytes."""
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """Return bytes and, as for any stream, no address."""
        return self.recv(bufsize, flags), None

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send *data*, waiting while the buffers are full; return how much of it: with a time-out, what they take."""
        transport, end = self._connected(), self._end
        payload, sent = bytes(data), 0
        while True:
            self._await(lambda: end.writable)
            if end.error is not None or end.shut or transport.is_closing():
                raise end.error if isinstance(end.error, ConnectionError) else BrokenPipeError(32, "Broken pipe")
            part = payload[sent : sent + transport.room()] if sent or len(payload) > transport.room() else payload
            transport.write(part)
            sent += len(part)
            if sent == len(payload) or self.gettimeout() is not None:
                return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of *data*."""
        rest = memoryview(data).cast("B")
        while True:
            rest = rest[self.send(rest, flags) :]
            if not rest:
                return

    def sendmsg(self, buffers: Any, *rest: Any) -> int:
        """Send the parts as one; ancillary data is refused."""
        if any(rest):
            refuse(_ANCILLARY)
        return self.send(b"".join(bytes(each) for each in buffers))

    def sendto(self, *_: Any) -> int:
        """Refuse: a stream has one other end."""
        refuse(_SENDTO)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file's bytes, without the kernel's short cut."""
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined, no-any-return]

    # What it is -------------------------------------------------------------------------------------------------

    def getpeername(self) -> Any:
        """Return the other end's address."""
        return self._connected().get_extra_info("peername")

    def getsockname(self) -> Any:
        """Return its own address."""
        transport = self._end.transport
        return self._bound or ("0.0.0.0", 0) if transport is None else transport.get_extra_info("sockname")

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int = 0, /) -> None:
        """Keep an option; none of them changes the simulated network."""
        self._options[level, optname] = value

    def getsockopt(self, level: int, optname: int, buflen: int = 0, /) -> Any:
        """Return an option that was set, else 0."""
        kinds = {socket.SO_TYPE: int(self.type), socket.SO_DOMAIN: int(self.family)}
        default = kinds.get(optname, 0) if level == socket.SOL_SOCKET else 0
        value = self._options.get((level, optname), default)
        return value.to_bytes(max(buflen, 4), sys.byteorder) if buflen and isinstance(value, int) else value

    def shutdown(self, how: int, /) -> None:
        """Close one half, or both."""
        transport = self._connected()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR) and not transport.is_closing():
            self._end.shut = True
            transport.write_eof()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._end.ended = True
            self._end.notify()

    def dup(self) -> Any:
        """Refuse: two descriptors of one connection are not simulated."""
        refuse(_DUP)

    def _real_close(self, _ss: Any = None) -> None:
        end = self._end
        if self.desk.by_descriptor.get(self.fileno()) is end:
            del self.desk.by_descriptor[self.fileno()]
        if end.listener is not None:
            self.desk.network.close_listener(end.listener)
            for waiting in end.accepted:
                if waiting.transport is not None:
                    waiting.transport.abort()
        if end.transport is not None:
            end.transport.close()
        super()._real_close()  # type: ignore[misc]

    def __del__(self) -> None:
        if self.fileno() >= 0 and not self._closed:  # type: ignore[attr-defined]
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self._real_close()


def _refusing(api: str) -> Callable[..., NoReturn]:
    def method(*args: object, **kwargs: object) -> NoReturn:
        refuse(api)

    return method


for _api in _OTHERS:
    setattr(SimSocket, _api.rpartition(".")[2], _refusing(_api))


def install(desk: SocketDesk) -> None:
    """Take over `socket` of this process, for good, in every module that has its names."""
    SimSocket.desk = desk

    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        found = desk.run(desk.resolve(host, port, family, type), None)
        passive = host is None and flags & socket.AI_PASSIVE
        return [(*each[:4], ("0.0.0.0", each[4][1])) for each in found] if passive else found

    def gethostbyname(host: str) -> str:
        return cast(str, getaddrinfo(host, 0, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])

    def gethostbyaddr(host: str) -> tuple[str, list[str], list[str]]:
        desk.baton.sleep(RESOLVE_NS)
        site = desk.network.resolve(host, desk.machine.site)
        return site.name, [], [site.ip]

    def getnameinfo(address: Any, flags: int) -> tuple[str, str]:
        return gethostbyaddr(address[0])[0], str(address[1])

    def socketpair(*_: Any) -> NoReturn:
        refuse(_PAIR)

    resolves = "knows the scenario's names"
    rows: tuple[tuple[str, Any, str], ...] = (
        ("socket", SimSocket, "is TCP or UDP over IPv4 on the simulated network; time-outs are virtual"),
        ("getaddrinfo", getaddrinfo, resolves),
        ("gethostbyname", gethostbyname, resolves),
        ("gethostbyname_ex", lambda host: (host, [], [gethostbyname(host)]), resolves),
        ("gethostbyaddr", gethostbyaddr, resolves),
        ("getnameinfo", getnameinfo, resolves),
        ("gethostname", lambda: desk.machine.site, "returns the bot's own name on the network"),
        ("socketpair", socketpair, REFUSED),
    )
    replace_all_aliases(take_over((socket, *row) for row in rows))
