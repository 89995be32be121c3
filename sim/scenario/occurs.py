"""When a fault of a scenario occurs: at instants, or at a rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

from sim.scenario.fields import Duration, Name, Occurrence, Strict, positive
from sim.scenario.values import ValueRefused, format_duration, parse_duration

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


Instants = Annotated[
    tuple[int, ...],
    PlainValidator(_instants),
    PlainSerializer(_spell_instants, when_used="json"),
    WithJsonSchema(
        {"type": ["string", "array", "integer"], "description": "an instant, or a list", "examples": ["30s"]}
    ),
]


class Occurs(Strict):
    """When a fault occurs: exactly one of at and rate."""

    model_config = ConfigDict(serialize_by_alias=True)

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
