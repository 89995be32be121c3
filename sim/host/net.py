"""The network between the machines: names, listeners, connections and the time that bytes take."""

from __future__ import annotations

import asyncio
import socket
from asyncio import base_events
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sim.host.clock import NsEnvironment
from sim.host.transport import SimTransport
from sim.record import Recorder
from sim.rng import Stream, Streams
from sim.units import US

if TYPE_CHECKING:  # the loop builds on this module
    from sim.host.loop import SimLoop

LOOPBACK_NS = 20 * US
"""One way within one machine."""

FIRST_EPHEMERAL_PORT = 49152


class Latency(Protocol):
    """A round-trip time that is drawn anew for each packet."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        """Return nanoseconds."""
        ...


@dataclass(slots=True)
class Site:
    """One host name on the network, and how far the bot is from it.

    Args:
        latency: round trip between the bot and here; None is loopback speed.
        refused: True when the scenario declares the host down: it resolves, and refuses connections.
        factor, extra_ns: a fault's hold on the latency: drawn * factor + extra.
        alias_of: another site whose latency and faults it shares.
        any_port: whatever port is dialled, the one listener here answers.
        attempts, opened: handshakes begun and connections made here; chance is keyed by them, host by host.
    """

    name: str
    ip: str
    latency: Latency | None = None
    refused: bool = False
    factor: float = 1.0
    extra_ns: int = 0
    alias_of: str | None = None
    any_port: bool = False
    attempts: int = 0
    opened: int = 0


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


class Connection:
    """A TCP connection: two ends, each direction in order, each segment with its own latency."""

    __slots__ = ("_arrival_ns", "_count", "ends", "far", "network", "number", "open_sides", "ordinal", "reset_sent")

    def __init__(self, network: Network, number: int, far: Site) -> None:
        self.network = network
        self.number = number
        self.far = far
        far.opened += 1
        self.ordinal = far.opened
        self.ends: list[SimTransport] = []
        self._arrival_ns = [0, 0]
        self._count = [0, 0]
        self.open_sides = {0, 1}
        self.reset_sent = False

    def _arrival(self, side: int) -> int:
        """Return when a segment sent now by *side* arrives; never before an earlier one of that side."""
        self._count[side] += 1
        delay_ns = self.network.one_way_ns(self.far, self.ordinal, side, self._count[side])
        t_ns = max(self.ends[side]._loop.machine.now_ns() + delay_ns, self._arrival_ns[side])
        self._arrival_ns[side] = t_ns
        return t_ns

    def send(self, side: int, data: bytes, checksum: int) -> None:
        """Put *data* on the wire."""
        t_ns = self._arrival(side)
        network = self.network
        network.trace = hash((network.trace, t_ns, self.number, side, len(data), checksum))
        network.env.at(t_ns, self.ends[1 - side]._arrive, data)

    def send_eof(self, side: int) -> None:
        """Tell the other end that no more comes."""
        if not self.reset_sent:
            self.network.env.at(self._arrival(side), self.ends[1 - side]._arrive_eof)

    def send_reset(self, side: int) -> None:
        """Tell the other end that the connection is gone."""
        if not self.reset_sent:
            self.reset_sent = True
            error = ConnectionResetError(104, "Connection reset by peer")
            self.network.env.at(self._arrival(side), self.ends[1 - side]._reset, error)

    def cut(self) -> None:
        """Drop both ends now: a fault's doing."""
        self.reset_sent = True
        for end in self.ends:
            end._reset(ConnectionResetError(104, "Connection reset by peer"))

    def consumed(self, side: int, size: int) -> None:
        """The other end has read *size* bytes that *side* sent."""
        self.ends[side]._acked(size)

    def closed(self, side: int) -> None:
        """One end is done with it."""
        self.open_sides.discard(side)
        self.network.forget(self, side)


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
        self.trace = 0
        self.on_unknown: Callable[[str], None] = lambda host: None
        self._stream = streams.stream("net.latency")
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
    ) -> Site:
        """Give *name* an address; the arguments are `Site`'s."""
        ip = f"10.0.{len(self.sites) // 250}.{len(self.sites) % 250 + 1}"
        site = Site(name, ip, latency, refused=refused, alias_of=alias_of, any_port=any_port)
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
        site = self.sites.get(host.rstrip(".").lower()) or self.by_ip.get(host)
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
        origin = self.sites[far.alias_of] if far.alias_of is not None else far
        latency = far.latency or origin.latency
        if latency is None:
            return 2 * LOOPBACK_NS + origin.extra_ns
        drawn_ns = latency.draw(self._stream, far.name, *key)
        return int(drawn_ns * origin.factor) + origin.extra_ns

    # Connections ------------------------------------------------------------------------------------------------

    def listen(
        self, loop: SimLoop, factory: Callable[[], asyncio.BaseProtocol], host: str | None, port: int
    ) -> Listener:
        """Bind an address of *host*; port 0 picks a free one."""
        site = self.resolve(host, loop.machine.site)
        while port == 0 or (port >= FIRST_EPHEMERAL_PORT and (site.name, port) in self.listeners):
            self._ports += 1
            port = self._ports
        if (site.name, port) in self.listeners:
            raise OSError(
                98, f"error while attempting to bind on address ({site.name!r}, {port}): address already in use"
            )
        listener = self.listeners[site.name, port] = Listener(loop, factory, site.name, port)
        return listener

    def close_listener(self, listener: Listener) -> None:
        """Take connections no more; those open stay."""
        self.listeners.pop((listener.site, listener.port), None)

    def listener_at(self, site: Site, port: int) -> Listener | None:
        """Return who takes a connection to *port* of *site*, or None if it is refused."""
        if site.refused:
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
        connection = self.connections[self._numbers] = Connection(self, self._numbers, far)
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

    def cut(self, site_name: str) -> int:
        """Reset every open connection to *site_name* or an alias of it; return how many."""
        hit = [c for c in self.connections.values() if site_name in (c.far.name, c.far.alias_of) and c.open_sides]
        for connection in hit:
            connection.cut()
        return len(hit)

    def on_the_wire_until(self) -> int:
        """Return when the last that any client has sent by now arrives; that may be past."""
        return max((connection._arrival_ns[0] for connection in self.connections.values()), default=0)

    def open_from(self, loops: Iterable[SimLoop]) -> list[SimTransport]:
        """Return the client ends that *loops* still hold open."""
        mine = set(map(id, loops))
        return [c.ends[0] for c in self.connections.values() if id(c.ends[0]._loop) in mine and 0 in c.open_sides]
