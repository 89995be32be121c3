"""A scenario as frozen, validated values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from sim.errors import ScenarioError
from sim.scenario.bot import Bot, Limits
from sim.scenario.chain import PREDEPLOYED, Account, Chain, Contract, Host, Node, standard
from sim.scenario.document import Document, Path
from sim.scenario.faults import Faults
from sim.scenario.fields import Count, Duration, HostName, Listed, Name, Strict, positive
from sim.scenario.links import Link
from sim.scenario.market import Flow, Market, Rival


class Rule(Strict):
    """One threshold of a metric."""

    expr: Annotated[str, Field(min_length=1)]
    """What must hold, in k6's grammar: `count==0`, `p(99)<350ms`."""
    abort_on_fail: bool = False
    """Whether the flight ends where it no longer holds."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return {"expr": raw} if isinstance(raw, str) else raw


@dataclass(frozen=True, slots=True)
class Threshold:
    """A rule with the metric it is about and the place it was written."""

    metric: str
    expr: str
    abort_on_fail: bool
    file: str
    line: int


_Holder = TypeVar("_Holder", Account, Flow, Rival)


def _with_tokens(holder: _Holder, contracts: Mapping[str, Contract]) -> _Holder:
    tokens = {_token_name(written, contracts): amount for written, amount in holder.tokens.items()}
    return holder.model_copy(update={"tokens": tokens}) if tokens else holder


def _token_name(written: str, contracts: Mapping[str, Contract]) -> str:
    """Return the name of the contract that *written* means: its name, else its symbol, else its name in capitals."""
    if written in contracts:
        return written
    by_symbol = [name for name, contract in contracts.items() if contract.symbol == written]
    return by_symbol[0] if by_symbol else written.lower() if written.lower() in contracts else written


class Scenario(Strict):
    """Everything that decides a flight but the seed."""

    id: Name
    """Its name in the run folder; the file's stem unless given."""
    seed: Annotated[int, Count(0, 2**64 - 1)] = 1
    """The seed unless `--seed` is given."""
    duration: Annotated[Duration, AfterValidator(positive)]
    """Virtual time until the stop signal."""
    chain: Chain = Chain()
    """The chain itself."""
    nodes: Mapping[Name, Node] = {}
    """The JSON-RPC servers by name."""
    hosts: Mapping[HostName, Host] = {}
    """Other names the bot may dial."""
    links: Listed[Link] = ()
    """What lies between two sites, in each direction."""
    accounts: Mapping[Name, Account] = {}
    """Who is funded at the start block, by name."""
    contracts: Mapping[Name, Contract] = {}
    """Contracts on the chain by name; weth, multicall3 and create2_deployer stand there always."""
    market: Market = Market()
    """Where the bot trades, and against whom."""
    faults: Faults = ()
    """What goes wrong, and when."""
    bot: Bot | None = None
    """The program under test."""
    limits: Limits = Limits()
    """What ends a flight that runs away."""
    thresholds: Mapping[str, Annotated[Listed[Rule], Field(min_length=1)]] = {}
    """What must hold of the record, by metric."""

    _document: Document | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Scenario:
        """Add the contracts that stand on every chain; name tokens by their contract where the symbol was written."""
        contracts = {**{name: standard(name) for name in PREDEPLOYED}, **self.contracts}
        accounts = {name: _with_tokens(account, contracts) for name, account in self.accounts.items()}
        flow = self.market.flow and _with_tokens(self.market.flow, contracts)
        rivals = tuple(_with_tokens(rival, contracts) for rival in self.market.rivals)
        market = self.market.model_copy(update={"flow": flow, "rivals": rivals})
        for name, value in (("contracts", contracts), ("accounts", accounts), ("market", market)):
            object.__setattr__(self, name, value)  # the one moment before anybody has seen the value
        return self

    @property
    def file(self) -> str:
        """Return the scenario file's path as the user wrote it."""
        return self._document.name if self._document else ""

    def refusal(self, path: Path, message: str) -> ScenarioError:
        """Return an error about the value at *path*, for whoever reads more into a value than this room does."""
        if self._document is None:
            return ScenarioError(f"{'.'.join(map(str, path))}: {message}")
        return self._document.refusal(path, message)

    def threshold_list(self) -> tuple[Threshold, ...]:
        """Return every threshold with its place, in the order written."""
        found = []
        for metric, rules in self.thresholds.items():
            for index, rule in enumerate(rules):
                place = self._document.place(("thresholds", metric, index)) if self._document else None
                file, line = (place.source.name, place.line) if place else ("", 0)
                found.append(Threshold(metric, rule.expr, rule.abort_on_fail, file, line))
        return tuple(found)
