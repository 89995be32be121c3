"""A world put together from a scenario and a seed: wiring only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sim.apps import load as load_app
from sim.apps import serve as serve_app
from sim.chain.artifacts import load as load_artifact
from sim.chain.builder import Builder
from sim.chain.chain import Chain, ChainConfig
from sim.chain.engine import Engine
from sim.chain.genesis import (
    CallSpec,
    ContractSpec,
    FundedAccount,
    GenesisSpec,
    PoolSpec,
    TokenSpec,
    VenueSpec,
    addresses,
    build_start,
)
from sim.chain.mempool import Mempool
from sim.chain.proposer import Proposer
from sim.chain.pyevm import checksum_address
from sim.chain.transaction import Account
from sim.errors import ScenarioError
from sim.fault.chain import Reorg, ReorgSpec
from sim.fault.clock import ClockStep, ClockStepSpec, WallClock
from sim.fault.process import Crash, Crashes, CrashSpec
from sim.fault.schedule import Fault, When, schedule, select, stream_name
from sim.geography import NetworkFaults, settle
from sim.host.clock import NsEnvironment
from sim.host.machine import Machine
from sim.host.net import Network
from sim.host.serving import ServingLoop
from sim.ledger import SUBJECT, Ledger, Token
from sim.market.flow import Flow, FlowSpec
from sim.market.place import MarketPlace
from sim.market.pool import Pool
from sim.market.price import PriceSpec, ReferencePrice
from sim.market.rival import Rival, RivalSpec
from sim.market.ticker import make_ticker
from sim.market.wallet import accounts as market_accounts
from sim.node.node import Node
from sim.node.view import NodeView
from sim.record import Recorder
from sim.rng import Streams
from sim.scenario.faults import ClockStepFault, CrashFault, ReorgFault
from sim.scenario.model import Scenario
from sim.scenario.references import expanded, known_values

ALIAS_PORT = 443
"""Where a node or an application listens under a name of `hosts`; whatever port the bot dials there leads to it."""

TICKER = "windtunnel:ticker"
"""The application that ships: the reference prices, as an exchange would publish them (`sim.market.ticker`)."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who has an account at the start block."""

    named: Mapping[str, Account]
    traders: Mapping[str, Account]
    rivals: Mapping[str, Account]

    @property
    def keys(self) -> list[bytes]:
        """Return every private key of the world."""
        return [account.key for group in (self.named, self.traders, self.rivals) for account in group.values()]


@dataclass(frozen=True, slots=True)
class Subject:
    """What faults act on at the bot's end.

    Args:
        clock: the wall clock that faults of kind clock_step set.
        process: what faults of kind crash let crash.
    """

    clock: WallClock
    process: Crashes


class World:
    """Chain, nodes, market and faults of one flight on one environment.

    Args:
        cache: folder of deployed start states, or None.
        faults: the argument of `--faults`, or None for all.
        subject: the bot's machine and process.
        machine: the host that the world's servers share.
    """

    def __init__(
        self,
        scenario: Scenario,
        streams: Streams,
        env: NsEnvironment,
        network: Network,
        machine: Machine,
        recorder: Recorder,
        engine: Engine,
        *,
        cache: Path | None,
        lock_hash: str,
        faults: str | None = None,
        subject: Subject | None = None,
    ) -> None:
        self._subject = subject
        self.scenario, self.streams, self.env, self.network, self.recorder = scenario, streams, env, network, recorder
        self.people = _people(scenario, streams)
        config = _chain_config(scenario)
        spec = _genesis(scenario, config, self.people)
        self.values = reference_values(scenario, self.people, addresses(spec))
        spec = _genesis(scenario, config, self.people, self.values)
        start = build_start(spec, engine, cache=cache, lock_hash=lock_hash)
        self.chain = Chain(config, engine, start.blocks)
        self.mempool = Mempool(self.chain)
        self.labels = {account.address: label for label, account in self._labelled()}
        self.proposer = Proposer(env, self.chain, Builder(self.chain, self.mempool), streams.stream("chain.proposer"))
        self.price = _price(scenario, env, streams, recorder)
        self.pools = _pools(scenario, start.addresses)
        self.ledger = self._make_ledger(start.addresses)
        self.loop = ServingLoop(machine, network)
        self.nodes = {name: self._make_node(name) for name in scenario.nodes}
        self._place = MarketPlace(
            env, self.chain, self.mempool, recorder, streams, self.pools, self.price, config.slot_ns
        )
        self._fault_choice = faults
        self._apps = self._load_apps()

    def start(self, until_ns: int) -> None:
        """Let everything begin; it happens as the environment steps."""
        self.ledger.start()
        for node in self.nodes.values():
            self.chain.on_head.append(node.on_head)
            self.mempool.on_transaction.append(node.on_transaction)
        settle(self.network, self.scenario)
        self.loop.start_serving()
        self.loop.create_task(self._serve())
        if self.scenario.market.price:
            self.price.start()
        flow = self.scenario.market.flow
        if flow is not None and self.pools:
            Flow(self._place, _flow_spec(flow), self.people.traders).start()
        for rival in self.scenario.market.rivals:
            label = f"{rival.id}.0"
            Rival(self._place, _rival_spec(rival), label, self.people.rivals[label]).start()
        self.env.process(self.proposer.run())
        schedule(self.env, self._faults(until_ns), self.streams, self.recorder, until_ns)

    def _labelled(self) -> list[tuple[str, Account]]:
        labelled = [*self.people.traders.items(), *self.people.rivals.items(), *self.people.named.items()]
        named = self.people.named
        if SUBJECT not in named and len(named) == 1:
            labelled.extend((SUBJECT, account) for account in named.values())
        return labelled

    def _make_ledger(self, places: Mapping[str, bytes]) -> Ledger:
        subject = next((address for address, label in self.labels.items() if label == SUBJECT), None)
        owned = [] if subject is None else [subject]
        for name, contract in self.scenario.contracts.items():
            sender = contract.sender and self.people.named.get(contract.sender)
            if sender and sender.address == subject:
                owned.append(places[name])
        price = self.price
        tokens = [
            Token(places[name], 10 ** self.scenario.contracts[name].decimals, partial(price.wei_per_token, name))
            for name in self.scenario.market.price
            if name in places
        ]
        pairs = {pool.pair: f"{pool.venue}:{pool.token}" for pool in self.pools}
        return Ledger(self.chain, self.recorder, self.labels, owned, places["weth"], tokens, pairs)

    def _make_node(self, name: str) -> Node:
        idle_s = self.scenario.nodes[name].keep_alive / 10**9
        return Node(f"node-{name}", NodeView(self.chain, self.mempool), self.loop, self.recorder, self.labels, idle_s)

    def _load_apps(self) -> dict[str, Any]:
        """Return the applications of the user's by host; their modules are read here, before the bot's."""
        bot, prices = self.scenario.bot, self.scenario.market.price
        ticker = partial(
            make_ticker,
            list(prices),
            self.price.wei_per_token,
            lambda: self.env.now,
            {name: price.step for name, price in prices.items()},
            self.chain.epoch_s,
        )
        apps = {}
        for host, spec in self.scenario.hosts.items():
            if spec.app is not None:
                try:
                    apps[host.lower()] = load_app(spec.app, str(bot.path) if bot else ".", {TICKER: ticker})
                except ScenarioError as error:
                    raise self.scenario.refusal(("hosts", host, "app"), str(error)) from None
        return apps

    async def _serve(self) -> None:
        for name, node in self.nodes.items():
            await node.start(f"node-{name}")
        for host, spec in self.scenario.hosts.items():
            if spec.node:
                await self.nodes[spec.node].listen(host.lower(), ALIAS_PORT)
        for host, app in self._apps.items():
            await serve_app(app, host, ALIAS_PORT)

    def _faults(self, until_ns: int) -> list[Fault]:
        network_faults = NetworkFaults(self.network, self.streams)
        made: list[Fault] = []
        for fault in select(self.scenario.faults, self._fault_choice):
            duration_ns = getattr(fault, "duration", None) or 0
            if fault.rate is not None:
                when = When(mean_gap_ns=fault.rate.mean_gap_ns, duration_ns=duration_ns)
            else:
                instants_ns = fault.instants_ns(until_ns)
                if not instants_ns:
                    continue
                when = When(at_ns=instants_ns, duration_ns=duration_ns)
            if isinstance(fault, ReorgFault):
                spec = ReorgSpec(fault.id, when, fault.depth, float(fault.deeper), float(fault.unseen))
                stream = self.streams.stream(stream_name(fault.id))
                made.append(Reorg(spec, self.chain, self.proposer, stream))
            elif isinstance(fault, CrashFault):
                assert self._subject is not None, "a flight gives its bot's process"
                crash = CrashSpec(fault.id, when, fault.restart, fault.sockets == "silent")
                made.append(Crash(crash, self._subject.process))
            elif isinstance(fault, ClockStepFault):
                assert self._subject is not None, "a flight gives its bot's clock"
                made.append(ClockStep(ClockStepSpec(fault.id, when, fault.by), self._subject.clock))
            else:
                there = network_faults.make(fault, when)
                assert there is not None, fault.kind
                made.append(there)
        return made


def _people(scenario: Scenario, streams: Streams) -> People:
    stream = streams.stream("accounts")
    named = {
        name: Account.from_seed(stream, name) if spec.key is None else Account.from_key(spec.key.value)
        for name, spec in scenario.accounts.items()
    }
    flow = scenario.market.flow
    traders = market_accounts(streams, "trader", flow.traders) if flow else {}
    rivals: dict[str, Account] = {}
    for rival in scenario.market.rivals:
        rivals.update(market_accounts(streams, rival.id, 1))
    return People(named, traders, rivals)


def reference_values(scenario: Scenario, people: People, places: Mapping[str, bytes]) -> dict[str, str]:
    """Return the value of every `${...}` reference of *scenario* in this flight."""
    values = known_values(scenario)
    for name, account in people.named.items():
        values[f"accounts.{name}.key"] = "0x" + account.key.hex()
        values[f"accounts.{name}.address"] = checksum_address(account.address)
    for name, address in places.items():
        values[f"contracts.{name}"] = checksum_address(address)
    return values


def _chain_config(scenario: Scenario) -> ChainConfig:
    chain = scenario.chain
    return ChainConfig(
        chain_id=chain.id,
        fork=chain.hardfork,
        gas_limit=chain.gas_limit,
        base_fee_wei=chain.base_fee,
        slot_ns=chain.slot,
        epoch_s=chain.epoch,
        start_number=max(chain.start_block, 3),
        safe_depth=chain.safe_depth,
        finalized_depth=chain.finalized_depth,
    )


def _genesis(
    scenario: Scenario, config: ChainConfig, people: People, values: Mapping[str, str] | None = None
) -> GenesisSpec:
    market = scenario.market
    funded = [
        FundedAccount(name, people.named[name], spec.balance, spec.tokens) for name, spec in scenario.accounts.items()
    ]
    if market.flow is not None:
        funded += [
            FundedAccount(label, account, market.flow.balance, market.flow.tokens)
            for label, account in people.traders.items()
        ]
    for rival in market.rivals:
        funded.append(FundedAccount(f"{rival.id}.0", people.rivals[f"{rival.id}.0"], rival.balance, rival.tokens))
    tokens = tuple(
        TokenSpec(name, spec.symbol or name.upper(), spec.decimals)
        for name, spec in scenario.contracts.items()
        if spec.kind == "erc20"
    )
    return GenesisSpec(
        config=config,
        tokens=tokens,
        venues=tuple(_venue(name, venue) for name, venue in market.venues.items()),
        accounts=tuple(funded),
        contracts=tuple(_contracts(scenario, values)),
    )


def _venue(name: str, venue: Any) -> VenueSpec:
    pools = []
    for pool in venue.pools:
        (token_a, reserve_a), (token_b, reserve_b) = pool.reserves.items()
        pools.append(PoolSpec(token_a, token_b, reserve_a, reserve_b))
    return VenueSpec(name, tuple(pools))


def _contracts(scenario: Scenario, values: Mapping[str, str] | None) -> list[ContractSpec]:
    specs = []
    for name, spec in scenario.contracts.items():
        if spec.artifact is None and spec.at is None:
            continue
        try:
            artifact = None if spec.artifact is None else load_artifact(spec.artifact)
        except ScenarioError as error:
            raise scenario.refusal(("contracts", name, "artifact"), str(error)) from None
        calls = tuple(
            CallSpec(call.function, _filled(call.args, values), call.value, call.sender) for call in spec.calls
        )
        at = None if spec.at is None else bytes.fromhex(spec.at.removeprefix("0x"))
        specs.append(ContractSpec(name, artifact, _filled(spec.args, values), calls, at, spec.sender))
    return specs


def _filled(args: Iterable[Any], values: Mapping[str, str] | None) -> tuple[Any, ...]:
    return () if values is None else expanded(args, values)


def _price(scenario: Scenario, env: NsEnvironment, streams: Streams, recorder: Recorder) -> ReferencePrice:
    specs = [
        PriceSpec(
            token=token,
            start_wei=price.start,
            volatility_ratio=float(price.volatility),
            drift_ratio=float(price.drift),
            step_ns=price.step,
        )
        for token, price in scenario.market.price.items()
    ]
    return ReferencePrice(env, specs, streams, recorder, scenario.chain.slot)


def _pools(scenario: Scenario, places: Mapping[str, bytes]) -> tuple[Pool, ...]:
    pools = []
    for name, venue in scenario.market.venues.items():
        for pool in venue.pools:
            first, second = pool.reserves
            token = second if first == "weth" else first
            if "weth" not in pool.reserves or token not in scenario.market.price:
                continue
            pools.append(
                Pool(
                    venue=name,
                    token=token,
                    router=places[f"{name}.router"],
                    pair=places[f"{name}.pair.{first}.{second}"],
                    weth_address=places["weth"],
                    token_address=places[token],
                    unit=10 ** scenario.contracts[token].decimals,
                )
            )
    return tuple(pools)


def _flow_spec(flow: Any) -> FlowSpec:
    return FlowSpec(
        swaps_per_slot=float(flow.swaps_per_slot),
        traders=flow.traders,
        size=flow.size,
        buy_ratio=float(flow.buy_share),
        slippage_bps=tuple(int(each * 10_000) for each in flow.slippage),
        deadline_s=flow.deadline // 10**9,
        tip=flow.tip,
    )


def _rival_spec(rival: Any) -> RivalSpec:
    return RivalSpec(
        skill_ratio=float(rival.skill),
        latency=rival.latency,
        share_low_bps=int(rival.share_low * 10_000),
        share_high_bps=int(rival.share_high * 10_000),
        edge_min_wei=rival.edge_min,
        size_max_wei=rival.size_max,
        hedge_cost_bps=int(rival.hedge_cost * 10_000),
        tip_min_wei=rival.tip_min,
    )
