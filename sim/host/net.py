"""The network between the machines: names, listeners, connections and the time that bytes take."""

from __future__ import annotations

import asyncio
import socket
from asyncio import base_events
from collections.abc import Callable, Container, Iterable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.host.clock import NsEnvironment
from sim.host.connection import Connection, timed_out
from sim.host.link import RETRANSMIT_NS_MAX, Latency, Line, Links
from sim.host.trace import REFUSED, Row
from sim.host.transport import SimTransport
from sim.record import Recorder
from sim.rng import Streams
from sim.units import US, S

if TYPE_CHECKING:  # the loop builds on this module
    from sim.host.loop import SimLoop

LOOPBACK_NS = 20 * US
"""One way within one machine."""

FIRST_EPHEMERAL_PORT = 49152


RESOLVE_NS = 500 * US
"""What a name look-up takes: an answer from a resolver nearby."""

RESOLVE_TIMEOUT_NS, RESOLVE_TRIES = 5 * S, 2
"""How long a resolver that does not answer is waited for, and how often it is asked.

Source:
    resolv.conf(5), `timeout` and `attempts`.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a resolver says instead of an address.

    Args:
        error: `not_found`, `unavailable` or `timeout`; None if the name leads somewhere.
        to: the host that the name leads to.
    """

    error: str | None = None
    to: str | None = None


@dataclass(slots=True)
class Site:
    """One host name on the network, and how far the bot is from it.

    Args:
        latency: round trip between the bot and here; None is loopback speed.
        refused: True when the scenario declares the host down: it resolves, and refuses connections.
        factor, extra_ns: a fault's hold on the latency: drawn * factor + extra.
        alias_of: another site whose latency and faults it shares.
        any_port: whatever port is dialled, the one listener here answers.
        where: the site of the scenario that it stands at, which links speak of; its own name unless given.
        refusing: the faults that let it refuse connections at present.
        late_closes: by fault, how late the ends of its streams are at present.
        answers: by fault, what the resolver says of its name at present; the last one counts.
        attempts, opened, endpoints: handshakes begun, connections made, datagram ports that sent here; they key the
            chance, host by host.
    """

    name: str
    ip: str
    latency: Latency | None = None
    refused: bool = False
    factor: float = 1.0
    extra_ns: int = 0
    alias_of: str | None = None
    any_port: bool = False
    where: str = ""
    refusing: set[str] = field(default_factory=set)
    late_closes: dict[str, int] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    attempts: int = 0
    opened: int = 0
    endpoints: int = 0


@dataclass(slots=True)
class Listener:
    """A bound address: whoever connects gets a protocol from the factory."""

    loop: SimLoop
    factory: Callable[[], asyncio.BaseProtocol]
    site: str
    port: int
    accepting: bool = True
    server: base_events.Server | None = None
    context: Context = field(default_factory=copy_context)


class Network:
    """Every host the bot can dial, and every connection that is open."""

    def __init__(self, env: NsEnvironment, streams: Streams, recorder: Recorder | None, bot_site: str = "bot") -> None:
        self.env = env
        self.recorder = recorder
        self.bot_site = bot_site
        self.sites: dict[str, Site] = {}
        self.by_ip: dict[str, Site] = {}
        self.listeners: dict[tuple[str, int], Listener] = {}
        self.connections: dict[int, Connection] = {}
        self.datagram_ports: dict[tuple[str, int], Any] = {}
        self.trace = 0
        self.on_unknown: Callable[[str], None] = lambda host: None
        self._stream = streams.stream("net.latency")
        self.links = Links(streams.stream("net.link"))
        self._numbers = 0
        self._ports = FIRST_EPHEMERAL_PORT
        self.add_site(bot_site)

    # Names ------------------------------------------------------------------------------------------------------

    def add_site(
        self,
        name: str,
        latency: Latency | None = None,
        *,
        refused: bool = False,
        alias_of: str | None = None,
        any_port: bool = False,
        where: str | None = None,
    ) -> Site:
        """Give *name* an address; the arguments are `Site`'s."""
        ip = f"10.0.{len(self.sites) // 250}.{len(self.sites) % 250 + 1}"
        site = Site(name, ip, latency, refused=refused, alias_of=alias_of, any_port=any_port, where=where or name)
        self.sites[name] = site
        self.by_ip[ip] = site
        return site

    def resolve(self, host: str | bytes | None, from_site: str) -> Site:
        """Return the site that *host* (a name or an address) means on *from_site*.

        Raises:
            socket.gaierror: nothing is called that; the message names the key to add.
        """
        if isinstance(host, bytes):
            host = host.decode("idna")
        if host in (None, "", "localhost", "127.0.0.1", "0.0.0.0", "::1", "::"):
            return self.sites[from_site]
        assert host is not None
        site = self.sites.get(host.rstrip(".").lower())
        if site is not None and site.answers:
            return self._answered(site)
        site = site or self.by_ip.get(host)
        if site is None:
            known = ", ".join(sorted(name for name in self.sites if name != self.bot_site))
            if self.recorder is not None:
                self.recorder.event("net.unknown_host", from_site, host)
            self.on_unknown(host)
            raise socket.gaierror(
                socket.EAI_NONAME,
                f"unknown host {host!r}: add `hosts: {{{host}: ...}}` to the scenario (known: {known})",
            )
        return site

    def resolving(self, host: object) -> Iterator[int]:
        """Yield how long to wait, again and again, until the resolver has said something about *host*.

        Raises:
            socket.gaierror: it said nothing, each time that it was asked.
        """
        site = self.sites.get(host.rstrip(".").lower()) if isinstance(host, str) else None
        for _ in range(RESOLVE_TRIES):
            if site is None or not site.answers or _last(site.answers).error != "timeout":
                yield RESOLVE_NS
                return
            yield RESOLVE_TIMEOUT_NS
        raise _unavailable()

    def _answered(self, site: Site) -> Site:
        answer = _last(site.answers)
        if answer.to is not None:
            return self.sites[answer.to]
        if answer.error == "not_found":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise _unavailable()

    def address_info(
        self, host: str | bytes | None, port: int | str | None, from_site: str, family: int = 0, kind: int = 0
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        """Answer as `socket.getaddrinfo` does: one IPv4 address."""
        if family not in (0, socket.AF_INET):
            raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
        site = self.resolve(host, from_site)
        loopback = site.name == from_site and host not in (site.name, site.ip)
        ip = "127.0.0.1" if loopback else site.ip
        number = int(port) if port is not None else 0
        kinds = [kind] if kind else [socket.SOCK_STREAM, socket.SOCK_DGRAM]
        protocols: dict[int, int] = {socket.SOCK_STREAM: socket.IPPROTO_TCP, socket.SOCK_DGRAM: socket.IPPROTO_UDP}
        return [(socket.AF_INET, each, protocols.get(each, 0), "", (ip, number)) for each in kinds]

    # Time -------------------------------------------------------------------------------------------------------

    def one_way_ns(self, far: Site, ordinal: int, side: int, segment: int) -> int:
        """Draw the time of one packet between the bot and *far*; half of a round trip."""
        return self.round_trip_ns(far, ordinal, side, segment) // 2

    def round_trip_ns(self, far: Site, *key: int) -> int:
        """Draw a round trip between the bot and *far*; the key is of that host alone, so that none moves another's."""
        origin = self.origin(far)
        latency = far.latency or origin.latency
        if latency is None:
            return 2 * LOOPBACK_NS + origin.extra_ns
        drawn_ns = latency.draw(self._stream, far.name, *key)
        return int(drawn_ns * origin.factor) + origin.extra_ns

    def lines(self, near: str, far: Site) -> tuple[Line, Line]:
        """Return the way from the host *near* to *far*, and the way back."""
        here = self.sites[near]
        return self.line(here, far), self.line(far, here)

    def line(self, source: Site, target: Site) -> Line:
        """Return the way from one host to another."""
        return self.links.line(source.where, target.where)

    def recorded(self, line: Line, far: Site, methods: Iterable[str] = ()) -> Row | None:
        """Return the row of the line's trace that is in force, if it has one."""
        trace = line.link.trace
        return None if trace is None else trace.row(self.env.now, far.name, methods)

    def delay_ns(self, line: Line, far: Site, *key: int) -> int:
        """Draw the time of one packet on *line*; what its link leaves open is half of a round trip."""
        if line.link.trace is not None:
            recorded_ns = line.link.trace.round_trip_ns(self.env.now, far.name)
            if recorded_ns is not None:
                return self.slowed_ns(far, recorded_ns // 2)
        if line.link.delay is None:
            return self.round_trip_ns(far, *key) // 2
        return self.slowed_ns(far, line.delay_ns(far.name, *key))

    def slowed_ns(self, far: Site, one_way_ns: int) -> int:
        """Return what a fault of kind latency makes of a packet's time."""
        origin = self.origin(far)
        return int(one_way_ns * origin.factor) + origin.extra_ns // 2

    def exchange(self, near: str, far: Site, *key: int, first_ns: int, retries: int) -> Iterator[int]:
        """Yield how long to wait, again and again, until the answer to one packet to *far* is there.

        What is lost is sent again: after *first_ns*, then after twice the time each time.

        Raises:
            TimeoutError: nothing came back.
        """
        for tries in range(retries + 1):
            took_ns = self._exchange_ns(near, far, tries, *key)
            if took_ns is not None:
                yield took_ns
                return
            yield min(first_ns << tries, RETRANSMIT_NS_MAX)
        raise timed_out()

    def _exchange_ns(self, near: str, far: Site, tries: int, *key: int) -> int | None:
        lines = self.lines(near, far)
        if lines[0].plain and lines[1].plain:
            return self.round_trip_ns(far, *key)
        if lines[0].down or lines[1].down:
            return None
        total_ns = 0
        for side, line in enumerate(lines):
            mine = (*key, tries, side)
            if line.loses(far.name, *mine):
                return None
            jitter_ns = int(line.jitter(None, far.name, *mine) * line.link.jitter_ns) if line.link.jitter_ns else 0
            total_ns += max(0, self.delay_ns(line, far, *mine) + jitter_ns)
        return total_ns

    def origin(self, far: Site) -> Site:
        """Return whose latency and faults *far* shares: its own unless it is another name of somebody."""
        return self.sites[far.alias_of] if far.alias_of is not None else far

    # Connections ------------------------------------------------------------------------------------------------

    def listen(
        self, loop: SimLoop, factory: Callable[[], asyncio.BaseProtocol], host: str | None, port: int
    ) -> Listener:
        """Bind an address of *host*; port 0 picks a free one."""
        site = self.resolve(host, loop.machine.site)
        port = self.free_port(site, port, self.listeners)
        listener = self.listeners[site.name, port] = Listener(loop, factory, site.name, port)
        return listener

    def free_port(self, site: Site, port: int, taken: Container[tuple[str, int]]) -> int:
        """Return *port* if it is free at *site*, or one that is where it is 0 or of those that are handed out.

        Raises:
            OSError: it is taken.
        """
        while port == 0 or (port >= FIRST_EPHEMERAL_PORT and (site.name, port) in taken):
            self._ports += 1
            port = self._ports
        if (site.name, port) in taken:
            raise OSError(
                98, f"error while attempting to bind on address ({site.name!r}, {port}): address already in use"
            )
        return port

    def close_listener(self, listener: Listener) -> None:
        """Take connections no more; those open stay."""
        self.listeners.pop((listener.site, listener.port), None)

    def refuses(self, near: str, site: Site, port: int) -> bool:
        """Say whether a connection from the host *near* is refused, by whoever is there or by what was recorded."""
        row = self.recorded(self.line(self.sites[near], site), site)
        return (row is not None and row.status == REFUSED) or self.listener_at(site, port) is None

    def listener_at(self, site: Site, port: int) -> Listener | None:
        """Return who takes a connection to *port* of *site*, or None if it is refused."""
        if site.refused or site.refusing or self.origin(site).refusing:
            return None
        if site.any_port:
            found = next((each for (name, _), each in self.listeners.items() if name == site.name), None)
        else:
            found = self.listeners.get((site.name, port))
        return found if found is not None and found.accepting else None

    def open(self, client: SimLoop, site: Site, port: int, extra: dict[str, Any]) -> SimTransport | None:
        """Join *client* to whoever listens at *site*; None when it refuses.

        The caller has let the handshake's round trip pass. The server's protocol is told at once; its first bytes
        take their own time.
        """
        listener = self.listener_at(site, port)
        if listener is None:
            return None
        self._numbers += 1
        far = site if site.name != client.machine.site else self.sites[listener.loop.machine.site]
        lines = self.lines(client.machine.site, far)
        connection = self.connections[self._numbers] = Connection(self, self._numbers, far, lines)
        self._ports += 1
        near_name, far_name = (self.sites[client.machine.site].ip, self._ports), (site.ip, port)
        near = SimTransport(client, connection, 0, {**extra, "sockname": near_name, "peername": far_name})
        names = {"sockname": far_name, "peername": near_name}
        end = SimTransport(listener.loop, connection, 1, names, listener.context.copy(), listener.server)
        connection.ends = [near, end]
        if self.recorder is not None:
            self.recorder.event("net.open", client.machine.site, site.name, connection=self._numbers, port=port)
        listener.loop.arrive(self._greet, listener, end, context=end._context)
        return near

    def _greet(self, listener: Listener, end: SimTransport) -> None:
        try:
            protocol = listener.factory()
        except BaseException:
            end.abort()
            raise
        end.set_protocol(protocol)
        protocol.connection_made(end)

    def forget(self, connection: Connection, side: int) -> None:
        """Note that one end is closed; drop the connection when both are."""
        if self.recorder is not None and side == 0:
            reset = connection.ends[0].was_reset
            self.recorder.event(
                "net.close", self.bot_site, connection.far.name, connection=connection.number, reset=reset
            )
        if not connection.open_sides:
            self.connections.pop(connection.number, None)

    def open_to(self, host: str) -> list[Connection]:
        """Return every open connection to *host* or an alias of it."""
        return [c for c in self.connections.values() if host in (c.far.name, c.far.alias_of) and c.open_sides]

    def late_close_ns(self, far: Site) -> int:
        """Return how late the ends of *far*'s streams are."""
        return max((*far.late_closes.values(), *self.origin(far).late_closes.values()), default=0)

    def cut(self, host: str, spares: Callable[[Connection], bool] = lambda connection: False) -> int:
        """Reset every open connection to *host* or an alias of it but those that *spares* says; return how many."""
        hit = [connection for connection in self.open_to(host) if not spares(connection)]
        for connection in hit:
            connection.cut()
        return len(hit)

    def half_open(self, host: str, silent: bool) -> int:
        """Let *host* forget its connections without a word; return how many."""
        hit = self.open_to(host)
        for connection in hit:
            connection.forget_far(silent)
        return len(hit)

    def on_the_wire_until(self) -> int:
        """Return when the last that any client has sent by now arrives; that may be past."""
        return max((each.on_the_wire_until_ns() for each in self.connections.values()), default=0)

    def open_from(self, loops: Iterable[SimLoop]) -> list[SimTransport]:
        """Return the client ends that *loops* still hold open."""
        mine = set(map(id, loops))
        return [c.ends[0] for c in self.connections.values() if id(c.ends[0]._loop) in mine and 0 in c.open_sides]


def _last(answers: dict[str, Answer]) -> Answer:
    return next(reversed(answers.values()))


def _unavailable() -> socket.gaierror:
    return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
