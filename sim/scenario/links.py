"""The links of a scenario: what lies between two sites, in each direction."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, ConfigDict, Field

from sim.scenario.fields import Bandwidth, Duration, DurationDraw, Listed, Share, Strict, positive
from sim.scenario.traces import TracePath
from sim.scenario.values import ValueRefused

if TYPE_CHECKING:  # the model builds on this module
    from sim.scenario.model import Scenario

ANY = "*"
BOT = "bot"
"""The bot's site unless it is given."""


def _share_below_one(value: Fraction) -> Fraction:
    if value == 1:
        raise ValueRefused("must be below 100%; a fault of kind partition lets nothing through")
    return value


SiteName = Annotated[str, Field(min_length=1, max_length=253)]


class Behaviour(Strict):
    """What a link does to what it carries, in one direction; what is not given keeps its default."""

    model_config = ConfigDict(serialize_by_alias=True)

    delay: DurationDraw | None = None
    """Time one way, drawn for each packet; half of the node's or host's latency unless given."""
    jitter: Duration | None = None
    """Each packet takes up to this much more or less."""
    correlation: Share | None = None
    """How much of a packet's jitter is that of the packet before it on its connection."""
    bandwidth: Annotated[Bandwidth, AfterValidator(positive)] | None = None
    """Bits per second, shared by all connections on the way."""
    loss: Annotated[Share, AfterValidator(_share_below_one)] | None = None
    """Share of packets lost; TCP sends them again, which takes time."""
    idle: Annotated[Duration, AfterValidator(positive)] | None = None
    """A connection quiet for longer is forgotten on the way; a reset answers what is sent on it then."""
    retransmit: Annotated[Duration, AfterValidator(positive)] | None = None
    """TCP's first retransmission time-out, 200ms unless given; it doubles for the same packet."""


class Ends(Strict):
    """Which links are meant: both directions between two sites, or one from a site to another."""

    model_config = ConfigDict(serialize_by_alias=True)

    between: Annotated[Listed[SiteName], Field(min_length=2, max_length=2)] | None = None
    """Two sites, both directions; `*` is every site."""
    source: SiteName | None = Field(default=None, alias="from")
    """One direction: from this site, or `*`."""
    target: SiteName | None = Field(default=None, alias="to")
    """One direction: to this site, or `*`."""

    def directions(self) -> list[tuple[str, str]]:
        """Return (from, to) for each direction that is meant, in lower case."""
        if self.between is not None:
            one, other = (each.lower() for each in self.between)
            return [(one, other), (other, one)]
        assert self.source is not None
        assert self.target is not None
        return [(self.source.lower(), self.target.lower())]

    def named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield each site that is named, with where it stands."""
        for index, site in enumerate(self.between or ()):
            yield ("between", index), site
        for key, end in (("from", self.source), ("to", self.target)):
            if end is not None:
                yield (key,), end


class Link(Behaviour, Ends):
    """What holds between sites; of two links that speak of one thing the later one is right."""

    trace: TracePath | None = None
    """A recorded trace: how long requests took, and how they ended."""


def sites(scenario: Scenario) -> dict[str, str]:
    """Return the site of each host name of *scenario*, the bot's under `""`; lower case."""
    bot = scenario.bot
    found = {"": (bot.site if bot is not None else None) or BOT}
    for name, node in scenario.nodes.items():
        found[f"node-{name}"] = node.site or f"node-{name}"
    for name, host in scenario.hosts.items():
        own = found.get(f"node-{host.node}", name) if host.node else name
        found[name.lower()] = host.site or own.lower()
    return found
