"""What goes wrong in a scenario, and when."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from sim.scenario.fields import Count, Duration, Listed, Name, Number, Occurrence, Share, Shift, Strict, positive
from sim.scenario.values import ValueRefused, format_duration, format_number, parse_duration

DEPTH_MAX = 64
INSTANTS_MAX = 10_000


def _instants(raw: object) -> tuple[int, ...]:
    if not isinstance(raw, list | tuple):
        return (parse_duration(raw),)
    if not raw:
        raise ValueRefused("expected an instant such as 30s, or a list of them")
    return tuple(parse_duration(item) for item in raw)


def _spell_instants(instants_ns: tuple[int, ...]) -> Any:
    spelt = [format_duration(instant_ns) for instant_ns in instants_ns]
    return spelt[0] if len(spelt) == 1 else spelt


def _share_below_one(value: Fraction) -> Fraction:
    if value == 1:
        raise ValueRefused("must be below 100%")
    return value


def _factor(value: Fraction) -> Fraction:
    if not 0 <= value <= 1_000_000:
        raise ValueRefused(f"{format_number(value)} is outside 0..1000000")
    return value


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueRefused("must not be 0")
    return value


Instants = Annotated[
    tuple[int, ...],
    PlainValidator(_instants),
    PlainSerializer(_spell_instants, when_used="json"),
    WithJsonSchema(
        {"type": ["string", "array", "integer"], "description": "an instant, or a list", "examples": ["30s"]}
    ),
]


class _Occurs(Strict):
    """When a fault occurs: exactly one of at and rate."""

    id: Name
    """Its name, for `--faults` and the record."""
    at: Instants | None = None
    """When it begins, since the start of the flight; one instant or a list."""
    every: Annotated[Duration, AfterValidator(positive)] | None = None
    """With one `at`: again after each such time."""
    rate: Occurrence | None = None
    """How often it occurs by chance, as in 3/h; gaps are exponential."""

    def instants_ns(self, duration_ns: int) -> tuple[int, ...]:
        """Return when it begins in a flight of *duration_ns*, with `every` written out; empty for a rate."""
        if self.at is None:
            return ()
        return tuple(instant_ns for instant_ns in self._repeated(duration_ns) if instant_ns < duration_ns)

    def _repeated(self, duration_ns: int) -> Iterator[int]:
        assert self.at is not None
        if self.every is None:
            yield from self.at
            return
        stop_ns = min(duration_ns, self.at[0] + INSTANTS_MAX * self.every)
        yield from range(self.at[0], stop_ns, self.every)


class ReorgFault(_Occurs):
    """The head moves to another branch."""

    kind: Literal["reorg"]
    """The kind of fault."""
    depth: Annotated[int, Count(1, DEPTH_MAX)] = 1
    """Number of blocks replaced."""
    deeper: Annotated[Share, AfterValidator(_share_below_one)] = Fraction(0)
    """Chance of each further block."""
    unseen: Share = Fraction(35, 100)
    """Chance of each transaction in them that the other branch lacks it; it returns to the mempool."""


class DisconnectFault(_Occurs):
    """Every connection to a node drops; new ones are taken at once."""

    kind: Literal["disconnect"]
    """The kind of fault."""
    node: Name
    """The node."""


class LatencyFault(_Occurs):
    """The wire to a node gets slow for a while."""

    kind: Literal["latency"]
    """The kind of fault."""
    node: Name
    """The node."""
    duration: Annotated[Duration, AfterValidator(positive)]
    """How long each lasts."""
    factor: Annotated[Number, AfterValidator(_factor)] = Fraction(1)
    """What a round trip is multiplied by."""
    extra: Duration = 0
    """What is added to it then."""


class ClockStepFault(_Occurs):
    """The wall clock of the bot's computer jumps; its monotonic clock does not."""

    kind: Literal["clock_step"]
    """The kind of fault."""
    by: Annotated[Shift, AfterValidator(_not_zero)]
    """How far; a negative duration sets it back."""
    duration: Annotated[Duration, AfterValidator(positive)] | None = None
    """After this it jumps back; it stays unless given."""


Fault = Annotated[ReorgFault | DisconnectFault | LatencyFault | ClockStepFault, Field(discriminator="kind")]
Faults = Listed[Fault]
