"""Where everything stands: the sites, hosts and links of a scenario on the network."""

from __future__ import annotations

from sim.host.link import Link, Rule
from sim.host.net import Network
from sim.scenario.links import Behaviour, sites
from sim.scenario.model import Scenario


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
    for link in scenario.links:
        network.links.rule(Rule(*direction, link_of(link)) for direction in link.directions())


def link_of(said: Behaviour) -> Link:
    """Return the link that a part of a scenario describes."""
    return Link(
        delay=said.delay,
        jitter_ns=said.jitter,
        correlation_ratio=None if said.correlation is None else float(said.correlation),
        bandwidth=said.bandwidth,
        loss_ratio=None if said.loss is None else float(said.loss),
        retransmit_ns=said.retransmit,
    )
