"""The links between sites: what each direction does to the packets that it carries.

A link says what it knows; what it leaves open keeps its default (half of a host's round trip, no loss, no limit). All
chance is keyed by host, connection and packet, so that one connection more moves no draw of another. What is shared is
the bandwidth: a line carries one packet after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Protocol

from sim.host.trace import Trace
from sim.rng import Stream
from sim.units import MS, S

ANY = "*"
"""Matches every site."""

PACKET_BYTES = 1460
"""What a packet carries: Ethernet's 1500 bytes without the headers of IPv4 and TCP."""

BURST_BYTES = 10 * PACKET_BYTES
"""A write is carried in parts of this size, each with a time of its own: TCP's initial window (RFC 6928)."""

RETRANSMIT_NS = 200 * MS
"""The first retransmission time-out of an open connection.

Source:
    Linux, `TCP_RTO_MIN`.
"""

RETRANSMIT_NS_MAX = 120 * S
"""What doubling makes of it at most (Linux, `TCP_RTO_MAX`)."""

RETRIES_MAX = 15
"""Retransmissions until an open connection is given up (Linux, `net.ipv4.tcp_retries2`)."""

LATE_PACKETS = 3
"""Packets behind a lost one that make it be sent again at once, by their duplicate acknowledgements (RFC 5681)."""


class Latency(Protocol):
    """A time that is drawn anew for each packet."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        """Return nanoseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """One direction between two sites; None leaves the default.

    Args:
        delay: one way.
        jitter_ns: a packet takes up to this much more or less.
        correlation_ratio: how much of a packet's jitter is that of the packet before it on its connection.
        bandwidth: bits per second, shared by all connections on the way.
        loss_ratio: share of packets that are lost; each costs a retransmission.
        retransmit_ns: the first retransmission time-out; it doubles for the same packet.
        idle_ns: a connection that is quiet for longer is forgotten on the way: a reset answers what is sent then.
        trace: a record of requests, which says how long they take and how they end.
        down: nothing arrives.
    """

    delay: Latency | None = None
    jitter_ns: int | None = None
    correlation_ratio: float | None = None
    bandwidth: int | None = None
    loss_ratio: float | None = None
    retransmit_ns: int | None = None
    idle_ns: int | None = None
    trace: Trace | None = None
    down: bool | None = None

    def under(self, other: Link) -> Link:
        """Return this link with what *other* says in its place."""
        said = {each.name: getattr(other, each.name) for each in fields(other)}
        mine = {each.name: getattr(self, each.name) for each in fields(self)}
        return Link(**{name: mine[name] if value is None else value for name, value in said.items()})


NOTHING_SAID = Link()


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds from *source* to *target*; `*` is every site."""

    source: str
    target: str
    link: Link

    @property
    def ends(self) -> tuple[str, str]:
        """Return both sites."""
        return self.source, self.target

    def matches(self, source: str, target: str) -> bool:
        """Say whether the rule is about that direction; nothing within one site is."""
        return source != target and self.source in (ANY, source) and self.target in (ANY, target)


class Line:
    """One direction between two sites: the link it is now, and until when it is busy."""

    __slots__ = ("_busy_ns", "_stream", "link", "plain")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._busy_ns = 0
        self.become(NOTHING_SAID)

    def become(self, link: Link) -> None:
        """Behave like *link* from now on."""
        self.link = link
        self.plain = link == NOTHING_SAID

    @property
    def down(self) -> bool:
        """Whether nothing arrives at present."""
        return bool(self.link.down)

    def departs_ns(self, now_ns: int, size: int) -> int:
        """Return when the last bit of *size* bytes, handed over now, has left."""
        bandwidth = self.link.bandwidth
        if bandwidth is None:
            return now_ns
        self._busy_ns = max(now_ns, self._busy_ns) + size * 8 * S // bandwidth
        return self._busy_ns

    def delay_ns(self, *key: int | str) -> int:
        """Return the time of one packet, jitter apart, on a link that says it."""
        assert self.link.delay is not None
        return self.link.delay.draw(self._stream, *key)

    def jitter(self, last: float | None, *key: int | str) -> float:
        """Return the jitter of a packet, in units of `jitter_ns`: from -1 to 1.

        Source:
            Linux, `net/sched/sch_netem.c`, `get_crandom`: rho * last + (1 - rho) * fresh.
        """
        fresh = 2.0 * self._stream.unit(*key, "jitter") - 1.0
        rho = self.link.correlation_ratio or 0.0
        return fresh if last is None else rho * last + (1.0 - rho) * fresh

    def recovery_ns(self, size: int, delay_ns: int, *key: int | str) -> int:
        """Return what lost packets add to the time of *size* bytes.

        A lost packet with three behind it is sent again after a round trip, any other after a time-out, which doubles
        each time that it is lost again.
        """
        loss = self.link.loss_ratio
        if not loss:
            return 0
        packets, worst_ns = max(1, -(-size // PACKET_BYTES)), 0
        for packet in range(packets):
            took_ns, tries = 0, 0
            while tries < RETRIES_MAX and self.loses(*key, packet, tries):
                fast = tries == 0 and packets - packet > LATE_PACKETS
                took_ns += 2 * delay_ns if fast else self.timeout_ns(tries)
                tries += 1
            worst_ns = max(worst_ns, took_ns)
        return worst_ns

    def loses(self, *key: int | str) -> bool:
        """Say whether the packet of that key is lost by chance."""
        loss = self.link.loss_ratio
        return bool(loss) and self._stream.chance(loss or 0.0, *key, "loss")

    def timeout_ns(self, tries: int) -> int:
        """Return the retransmission time-out after *tries* in vain."""
        return min((self.link.retransmit_ns or RETRANSMIT_NS) << tries, RETRANSMIT_NS_MAX)


class Links:
    """Every line of the network; rules say what holds, and what a fault lays over them holds while it lasts."""

    def __init__(self, stream: Stream, rules: Iterable[Rule] = ()) -> None:
        self._stream = stream
        self._rules = tuple(rules)
        self._overlays: dict[str, tuple[Rule, ...]] = {}
        self._lines: dict[tuple[str, str], Line] = {}

    def line(self, source: str, target: str) -> Line:
        """Return the line from one site to another; the same object each time."""
        found = self._lines.get((source, target))
        if found is None:
            found = self._lines[source, target] = Line(self._stream)
            found.become(self._link(source, target))
        return found

    def rule(self, rules: Iterable[Rule]) -> None:
        """Let these rules hold as well; where two speak of one thing the later one is right."""
        self._rules = (*self._rules, *rules)
        self._refresh()

    def overlay(self, name: str, rules: Iterable[Rule]) -> None:
        """Lay *rules* over what holds, until `lift`; the newest overlay is right."""
        self._overlays[name] = tuple(rules)
        self._refresh()

    def lift(self, name: str) -> None:
        """Take an overlay away."""
        self._overlays.pop(name, None)
        self._refresh()

    def _refresh(self) -> None:
        for (source, target), line in self._lines.items():
            line.become(self._link(source, target))

    def _link(self, source: str, target: str) -> Link:
        link = NOTHING_SAID
        for rules in (self._rules, *self._overlays.values()):
            for rule in rules:
                if rule.matches(source, target):
                    link = link.under(rule.link)
        return link
