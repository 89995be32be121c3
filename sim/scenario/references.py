"""References `${...}` in texts of a scenario: which names there are, and what a text becomes with their values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.scenario.model import Scenario
from sim.scenario.values import suggestion

HTTP_PORT = 8545
WS_PORT = 8546
VENUE_PARTS = ("factory", "router", "pair")

_TOKEN = re.compile(r"\$(?:\$|\{([^{}\n]*)\}|(\{))")
_GROUP_EXAMPLES = {
    "nodes": "${nodes.N.http}, ${nodes.N.ws}, ${nodes.N.host}",
    "accounts": "${accounts.N.key}, ${accounts.N.address}",
    "contracts": "${contracts.N}, ${contracts.VENUE.factory}, ${contracts.VENUE.router}, ${contracts.VENUE.pair}",
    "chain": "${chain.id}",
}


@dataclass(frozen=True, slots=True)
class BadReference:
    """A reference that names nothing.

    Args:
        text: the reference as written, `${...}`.
        offset: where it stands in its text.
    """

    text: str
    offset: int
    message: str


def names(scenario: Scenario) -> frozenset[str]:
    """Return every name that a reference may have in *scenario*."""
    found = {"chain.id"}
    for node in scenario.nodes:
        found |= {f"nodes.{node}.{part}" for part in ("http", "ws", "host")}
    for account in scenario.accounts:
        found |= {f"accounts.{account}.{part}" for part in ("key", "address")}
    found |= {f"contracts.{contract}" for contract in scenario.contracts}
    for venue in scenario.market.venues:
        found |= {f"contracts.{venue}.{part}" for part in VENUE_PARTS}
    return frozenset(found)


def known_values(scenario: Scenario) -> dict[str, str]:
    """Return the values that follow from the file alone: nodes and the chain's id."""
    values = {"chain.id": str(scenario.chain.id)}
    for node in scenario.nodes:
        host = f"node-{node}"
        values[f"nodes.{node}.host"] = host
        values[f"nodes.{node}.http"] = f"http://{host}:{HTTP_PORT}"
        values[f"nodes.{node}.ws"] = f"ws://{host}:{WS_PORT}"
    return values


def check(template: str, known: Collection[str]) -> Iterator[BadReference]:
    """Yield each reference of *template* that is not one of the *known* names."""
    for match in _TOKEN.finditer(template):
        if match[2]:
            message = "'${' is not closed; write ${name}, or $${ for the two characters"
            yield BadReference(match[0], match.start(), message)
        elif match[1] is not None and match[1] not in known:
            yield BadReference(match[0], match.start(), _unknown(match[1], known))


def expand(template: str, values: Mapping[str, str]) -> str:
    """Return *template* with each reference replaced by its value and `$$` by `$`.

    Args:
        values: by name, without `${` and `}`; every name the template uses is there (see `check`).

    >>> expand("${nodes.a.ws}/$$x", {"nodes.a.ws": "ws://node-a:8546"})
    'ws://node-a:8546/$x'
    """
    return _TOKEN.sub(lambda match: "$" if match[0] == "$$" else values[match[1]], template)


def expanded(args: Iterable[Any], values: Mapping[str, str]) -> tuple[Any, ...]:
    """Return a contract's arguments with the references in their texts replaced, lists as lists."""
    return tuple(
        expand(each, values)
        if isinstance(each, str)
        else list(expanded(each, values))
        if isinstance(each, tuple)
        else each
        for each in args
    )


def _unknown(name: str, known: Collection[str]) -> str:
    group = name.partition(".")[0]
    there = sorted(key for key in known if key.partition(".")[0] == group)
    if group not in _GROUP_EXAMPLES:
        hint = suggestion(name, sorted(known)) or f"; there are {', '.join(_GROUP_EXAMPLES.values())}"
        return f"${{{name}}} names nothing{hint} ($$ is a plain $)"
    if not there:
        return f"${{{name}}} names nothing: the scenario has no {group}"
    return f"${{{name}}} names nothing{suggestion(name, there) or ';'} there are {', '.join(there)}"
