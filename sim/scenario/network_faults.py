"""What goes wrong between the sites of a scenario: links, connections and names."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator

from sim.scenario.fields import Duration, HostName, Name, Number, Share, positive
from sim.scenario.links import Behaviour, Ends
from sim.scenario.occurs import Occurs
from sim.scenario.values import ValueRefused, format_number


def _factor(value: Fraction) -> Fraction:
    if not 0 <= value <= 1_000_000:
        raise ValueRefused(f"{format_number(value)} is outside 0..1000000")
    return value


def _above_zero(value: Fraction) -> Fraction:
    if value == 0:
        raise ValueRefused("must be above 0%")
    return value


Lasting = Annotated[Duration, AfterValidator(positive)]


class At(Occurs):
    """A fault of one host: exactly one of node and host."""

    node: Name | None = None
    """The node."""
    host: HostName | None = None
    """Or a name of `hosts`."""

    @property
    def where(self) -> str:
        """Return the host's name on the network."""
        return f"node-{self.node}" if self.node is not None else (self.host or "").lower()


class DisconnectFault(At):
    """Every connection to a host is reset."""

    kind: Literal["disconnect"]
    """The kind of fault."""
    share: Annotated[Share, AfterValidator(_above_zero)] = Fraction(1)
    """Chance of each connection to be reset."""
    duration: Lasting | None = None
    """How long new connections are refused; they are taken at once unless given."""


class HalfOpenFault(At):
    """A host forgets its connections without a word; clients believe that they are open."""

    kind: Literal["half_open"]
    """The kind of fault."""
    answer: Literal["reset", "silence"] = "reset"
    """What a client gets that sends on such a connection."""


class SlowCloseFault(At):
    """A host closes its connections late: the end of the stream comes after all else."""

    kind: Literal["slow_close"]
    """The kind of fault."""
    duration: Lasting
    """How long each lasts."""
    by: Lasting
    """How late the end of the stream is."""


class LatencyFault(At):
    """The way to a host gets slow for a while."""

    kind: Literal["latency"]
    """The kind of fault."""
    duration: Lasting
    """How long each lasts."""
    factor: Annotated[Number, AfterValidator(_factor)] = Fraction(1)
    """What a round trip is multiplied by."""
    extra: Duration = 0
    """What is added to it then."""


class PartitionFault(Occurs, Ends):
    """Nothing arrives between sites for a while."""

    kind: Literal["partition"]
    """The kind of fault."""
    duration: Lasting
    """How long each lasts."""


class DegradeFault(Occurs, Ends, Behaviour):
    """Links get worse, or better, for a while."""

    kind: Literal["degrade"]
    """The kind of fault."""
    duration: Lasting
    """How long each lasts."""


class DnsFault(At):
    """A name cannot be resolved, or leads elsewhere."""

    kind: Literal["dns"]
    """The kind of fault."""
    answer: Literal["not_found", "unavailable", "timeout"] | None = None
    """What the resolver says."""
    to: HostName | None = None
    """Or the host that the name leads to."""
    duration: Lasting | None = None
    """How long each lasts; to the end of the flight unless given."""
