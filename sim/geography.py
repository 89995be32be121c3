"""Where everything stands: the sites, hosts and links of a scenario on the network, and what goes wrong there."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from sim.fault.link import LinkFault, LinkSpec, Switch, SwitchSpec
from sim.fault.network import LatencySpec, LatencySpike, Slowdowns
from sim.fault.schedule import Fault, When, stream_name
from sim.host.connection import Connection
from sim.host.link import ANY, Link, Rule
from sim.host.net import Answer, Network, Site
from sim.host.trace import Row, Trace
from sim.rng import Stream, Streams
from sim.scenario.links import Behaviour, sites
from sim.scenario.model import Scenario
from sim.scenario.network_faults import (
    At,
    DegradeFault,
    DisconnectFault,
    DnsFault,
    HalfOpenFault,
    LatencyFault,
    PartitionFault,
    SlowCloseFault,
)


def settle(network: Network, scenario: Scenario) -> None:
    """Give every node and host of *scenario* its name on *network*, and lay the links between their sites."""
    where = sites(scenario)
    network.sites[network.bot_site].where = where[""]
    for name, node in scenario.nodes.items():
        network.add_site(f"node-{name}", node.latency, where=where[f"node-{name}"])
    for host, spec in scenario.hosts.items():
        alias = f"node-{spec.node}" if spec.node else None
        network.add_site(
            host.lower(), spec.latency, refused=bool(spec.refuse), alias_of=alias, any_port=not spec.refuse,
            where=where[host.lower()],
        )  # fmt: skip
        if spec.blackhole:
            network.links.rule([Rule(ANY, where[host.lower()], Link(down=True))])
    for link in scenario.links:
        made = link_of(link)
        if link.trace is not None:
            made = replace(made, trace=Trace(Row(*row) for row in link.trace.rows))
        network.links.rule(Rule(*direction, made) for direction in link.directions())


def link_of(said: Behaviour) -> Link:
    """Return the link that a part of a scenario describes."""
    return Link(
        delay=said.delay,
        jitter_ns=said.jitter,
        correlation_ratio=None if said.correlation is None else float(said.correlation),
        bandwidth=said.bandwidth,
        loss_ratio=None if said.loss is None else float(said.loss),
        retransmit_ns=said.retransmit,
        idle_ns=said.idle,
    )


class NetworkFaults:
    """Makes the faults of a scenario that act on *network*."""

    def __init__(self, network: Network, streams: Streams) -> None:
        self._network = network
        self._streams = streams
        self._slowdowns: dict[str, Slowdowns] = {}

    def make(self, fault: Any, when: When) -> Fault | None:
        """Return the fault that a part of the scenario describes, or None if it is none of the network's."""
        if isinstance(fault, PartitionFault | DegradeFault):
            return self._of_links(fault, when)
        if not isinstance(fault, At):
            return None
        site = self._network.sites[fault.where]
        if isinstance(fault, LatencyFault):
            spec = LatencySpec(fault.id, when, fault.where, float(fault.factor), fault.extra)
            return LatencySpike(spec, self._slowdown(site))
        switch = SwitchSpec(fault.id, fault.kind, when, fault.where, stays=isinstance(fault, DnsFault))  # type: ignore[attr-defined]
        if isinstance(fault, DisconnectFault):
            stream = self._streams.stream(stream_name(fault.id))
            begin = partial(self._disconnect, site, fault, stream, bool(when.duration_ns))
            return Switch(switch, begin, partial(site.refusing.discard, fault.id))
        if isinstance(fault, HalfOpenFault):
            return Switch(switch, partial(self._half_open, fault), lambda: None)
        if isinstance(fault, SlowCloseFault):
            return Switch(switch, partial(_close_late, site, fault), partial(site.late_closes.pop, fault.id, None))
        assert isinstance(fault, DnsFault), fault.kind  # type: ignore[attr-defined]
        return Switch(switch, partial(_answer, site, fault), partial(site.answers.pop, fault.id, None))

    def _of_links(self, fault: PartitionFault | DegradeFault, when: When) -> Fault:
        link = link_of(fault) if isinstance(fault, DegradeFault) else Link(down=True)
        rules = tuple(Rule(*direction, link) for direction in fault.directions())
        place = "-".join(rules[0].ends)
        return LinkFault(LinkSpec(fault.id, fault.kind, when, place, rules), self._network.links)

    def _slowdown(self, site: Site) -> Slowdowns:
        origin = self._network.origin(site)
        return self._slowdowns.setdefault(origin.name, Slowdowns(origin))

    def _disconnect(
        self, site: Site, fault: DisconnectFault, stream: Stream, refuses: bool, ordinal: int
    ) -> dict[str, Any]:
        def spared(connection: Connection) -> bool:
            key = (ordinal, connection.far.name, connection.ordinal)
            return fault.share < 1 and not stream.chance(float(fault.share), *key)

        if refuses:
            site.refusing.add(fault.id)
        return {"connections": self._network.cut(site.name, spared)}

    def _half_open(self, fault: HalfOpenFault, ordinal: int) -> dict[str, Any]:
        return {"connections": self._network.half_open(fault.where, fault.answer == "silence")}


def _close_late(site: Site, fault: SlowCloseFault, _ordinal: int) -> dict[str, Any]:
    site.late_closes[fault.id] = fault.by
    return {"by_ns": fault.by}


def _answer(site: Site, fault: DnsFault, _ordinal: int) -> dict[str, Any]:
    to = None if fault.to is None else fault.to.lower()
    site.answers[fault.id] = Answer(fault.answer, to)
    return {"answer": fault.answer or to}
