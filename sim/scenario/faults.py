"""What goes wrong in a scenario, and when."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sim.scenario.fields import Count, Duration, Listed, Share, Shift, positive
from sim.scenario.network_faults import (
    DegradeFault,
    DisconnectFault,
    DnsFault,
    HalfOpenFault,
    LatencyFault,
    PartitionFault,
    SlowCloseFault,
)
from sim.scenario.occurs import Occurs
from sim.scenario.values import ValueRefused
from sim.units import S

DEPTH_MAX = 64


def _share_below_one(value: Fraction) -> Fraction:
    if value == 1:
        raise ValueRefused("must be below 100%")
    return value


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueRefused("must not be 0")
    return value


class ReorgFault(Occurs):
    """The head moves to another branch."""

    kind: Literal["reorg"]
    """The kind of fault."""
    depth: Annotated[int, Count(1, DEPTH_MAX)] = 1
    """Number of blocks replaced."""
    deeper: Annotated[Share, AfterValidator(_share_below_one)] = Fraction(0)
    """Chance of each further block."""
    unseen: Share = Fraction(35, 100)
    """Chance of each transaction in them that the other branch lacks it; it returns to the mempool."""


class ClockStepFault(Occurs):
    """The wall clock of the bot's computer jumps; its monotonic clock does not."""

    kind: Literal["clock_step"]
    """The kind of fault."""
    by: Annotated[Shift, AfterValidator(_not_zero)]
    """How far; a negative duration sets it back."""
    duration: Annotated[Duration, AfterValidator(positive)] | None = None
    """After this it jumps back; it stays unless given."""


class CrashFault(Occurs):
    """The bot's process crashes, and is started again."""

    kind: Literal["crash"]
    """The kind of fault."""
    restart: Annotated[Duration, AfterValidator(positive)] = 5 * S
    """How long until it is started again."""
    sockets: Literal["reset", "silent"] = "reset"
    """What its peers notice: connections are reset, as of a killed process, or nothing, as in a power cut."""


Fault = Annotated[
    ReorgFault
    | DisconnectFault
    | HalfOpenFault
    | SlowCloseFault
    | LatencyFault
    | PartitionFault
    | DegradeFault
    | DnsFault
    | ClockStepFault
    | CrashFault,
    Field(discriminator="kind"),
]
Faults = Listed[Fault]
