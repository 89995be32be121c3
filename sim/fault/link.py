"""Faults of the way between sites and hosts: links, connections and names are not what they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sim.fault.schedule import When
from sim.host.link import Rule


class Lines(Protocol):
    """What lies between the sites."""

    def overlay(self, name: str, rules: tuple[Rule, ...]) -> None:
        """Lay *rules* over what holds."""
        ...

    def lift(self, name: str) -> None:
        """Take them away."""
        ...


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """Links become something else while the fault lasts.

    Args:
        kind: `partition`, where nothing arrives, or `degrade`.
        site: what the record calls the place.
    """

    id: str
    kind: str
    when: When
    site: str
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        if self.when.duration_ns <= 0 or not self.rules:
            raise ValueError(f"links change for a while, and at least one of them: {self}")


class LinkFault:
    """Some links lose everything, or get worse, for a while."""

    def __init__(self, spec: LinkSpec, lines: Lines) -> None:
        self.id = spec.id
        self.kind = spec.kind
        self.site = spec.site
        self.when = spec.when
        self._rules = spec.rules
        self._lines = lines

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Change them."""
        self._lines.overlay(self.id, self._rules)
        return {"directions": [[rule.source, rule.target] for rule in self._rules]}

    def end(self) -> None:
        """Let them be what they were."""
        self._lines.lift(self.id)


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    """Something about one host is different from an instant on, or for a while.

    Args:
        stays: whether nothing is taken back where the fault has no duration.
    """

    id: str
    kind: str
    when: When
    site: str
    stays: bool = False


class Switch:
    """A fault that one call begins and one takes back.

    Args:
        on: lets an occurrence begin, by its number, and says for the record what was done.
        off: takes it back.
    """

    def __init__(self, spec: SwitchSpec, on: Callable[[int], dict[str, Any]], off: Callable[[], object]) -> None:
        self.id = spec.id
        self.kind = spec.kind
        self.site = spec.site
        self.when = spec.when
        self._stays = spec.stays
        self._on = on
        self._off = off

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Let it begin."""
        return self._on(ordinal)

    def end(self) -> None:
        """Take it back, unless it is meant to stay."""
        if self.when.duration_ns or not self._stays:
            self._off()
