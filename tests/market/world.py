"""A small world: real contracts on two venues, a mempool, a proposer, traders and a rival on a bare environment."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from sim.chain.builder import Builder
from sim.chain.chain import Chain, ChainConfig
from sim.chain.engine import Engine
from sim.chain.genesis import FundedAccount, GenesisSpec, PoolSpec, Start, TokenSpec, VenueSpec, build_start
from sim.chain.mempool import Mempool
from sim.chain.proposer import Proposer
from sim.chain.pyevm import PyEvm
from sim.chain.transaction import Account
from sim.host.clock import NsEnvironment
from sim.market.flow import Flow, FlowSpec
from sim.market.place import MarketPlace
from sim.market.pool import Pool
from sim.market.price import PriceSpec, ReferencePrice
from sim.market.rival import Rival, RivalSpec
from sim.market.swap import Call
from sim.market.wallet import Wallet, accounts
from sim.rng import Key, Stream, Streams
from sim.scenario.distribution import LogNormal
from sim.units import ETHER, GWEI, MS, S
from tests.fault.records import MemoryRecord

SLOT_NS = 12 * S
VENUES = ("uniswap_v2", "uniswap_v2_fork")
CONFIG = ChainConfig()
FLOW = FlowSpec(
    swaps_per_slot=6.0,
    traders=4,
    size=LogNormal(ETHER, 10 * ETHER),
    buy_ratio=0.5,
    slippage_bps=(10, 50, 100, 300),
    deadline_s=1_800,
    tip=LogNormal(GWEI, 5 * GWEI),
)
RIVAL = RivalSpec(
    skill_ratio=0.8,
    latency=LogNormal(120 * MS, 334 * MS),
    share_low_bps=2_000,
    share_high_bps=8_000,
    edge_min_wei=ETHER // 1_000,
    size_max_wei=50 * ETHER,
    hedge_cost_bps=5,
    tip_min_wei=GWEI,
)
PRICE = PriceSpec(token="token", start_wei=ETHER // 1_000, volatility_ratio=0.8, drift_ratio=0.0, step_ns=S)


class NotedStream(Stream):
    """A stream that keeps what it drew, by key."""

    __slots__ = ("drawn",)

    def __init__(self, seed: int, name: str) -> None:
        super().__init__(seed, name)
        self.drawn: dict[tuple[Key, ...], int] = {}

    def bits(self, *key: Key, n: int = 64) -> int:
        """Draw, and keep the result."""
        self.drawn[key] = drawn = super().bits(*key, n=n)
        return drawn


class NotedStreams(Streams):
    """Streams that keep what they drew."""

    def stream(self, name: str) -> Stream:
        """Return the stream called *name*; the same object each time."""
        return self._streams.setdefault(name, NotedStream(self.seed, name))

    def drawn(self) -> dict[str, dict[tuple[Key, ...], int]]:
        """Return every draw so far, by stream and key."""
        return {name: dict(stream.drawn) for name, stream in self._streams.items() if isinstance(stream, NotedStream)}


@cache
def start_state(seed: int, traders: int, funds_wei: int) -> tuple[Engine, Start]:
    """Return the engine and the start state of a seed, deployed once for all tests of a process."""
    streams = Streams(seed)
    labelled = {**accounts(streams, "trader", traders), **accounts(streams, "rival", 1), **accounts(streams, "you", 1)}
    tokens = {"token": 1_000 * funds_wei}
    spec = GenesisSpec(
        config=CONFIG,
        tokens=(TokenSpec("token", "TOKEN"),),
        venues=tuple(
            VenueSpec(venue, (PoolSpec("weth", "token", 1_000 * ETHER, 1_000_000 * ETHER),)) for venue in VENUES
        ),
        accounts=tuple(FundedAccount(label, each, funds_wei, tokens) for label, each in labelled.items()),
    )
    engine = PyEvm(CONFIG.fork)
    return engine, build_start(spec, engine)


class MarketWorld:
    """Everything in it is the real part; only the bot and its nodes are missing."""

    def __init__(
        self, seed: int = 1, *, flow: FlowSpec = FLOW, rival: RivalSpec | None = RIVAL, funds_wei: int = 10_000 * ETHER
    ) -> None:
        engine, start = start_state(seed, flow.traders, funds_wei)
        self.env = NsEnvironment()
        self.record = MemoryRecord(self.env)
        self.streams = NotedStreams(seed)
        self.chain = Chain(CONFIG, engine, start.blocks)
        self.mempool = Mempool(self.chain)
        self.pools = tuple(
            Pool(
                venue=venue,
                token="token",
                router=start.addresses[f"{venue}.router"],
                pair=start.addresses[f"{venue}.pair"],
                weth_address=start.addresses["weth"],
                token_address=start.addresses["token"],
            )
            for venue in VENUES
        )
        self.price = ReferencePrice(self.env, [PRICE], self.streams, self.record.recorder, SLOT_NS)
        self.place = MarketPlace(
            env=self.env,
            chain=self.chain,
            mempool=self.mempool,
            recorder=self.record.recorder,
            streams=self.streams,
            pools=self.pools,
            price=self.price,
            slot_ns=SLOT_NS,
        )
        builder = Builder(self.chain, self.mempool)
        self.proposer = Proposer(self.env, self.chain, builder, self.streams.stream("chain.proposer"))
        self.traders = accounts(self.streams, "trader", flow.traders)
        self.you = Wallet(self.place, "you.0", accounts(self.streams, "you", 1)["you.0"])
        self.env.process(self.proposer.run())
        self.price.start()
        Flow(self.place, flow, self.traders).start()
        if rival is not None:
            self.rival: Account = accounts(self.streams, "rival", 1)["rival.0"]
            Rival(self.place, rival, "rival.0", self.rival).start()

    def run(self, slots: int) -> None:
        """Fly until just after the block that begins slot number *slots*."""
        self.env.run(until=slots * SLOT_NS + 1)

    def send_at(self, t_ns: int, call: Call, tip_wei: int = 100 * GWEI) -> None:
        """Let an account that is no market actor send a transaction."""
        self.env.at(t_ns, self.you.send, call, tip_wei)

    def sent(self, prefix: str) -> list[dict[str, Any]]:
        """Return what accounts whose label starts with *prefix* sent, with label and time."""
        return [
            {"label": event.actor, "t_ns": event.t_ns, **event.data}
            for event in self.record.events("tx.sent")
            if event.actor.startswith(prefix)
        ]

    def statuses(self) -> dict[str, int]:
        """Return the status of each canonical transaction since the start block, by hash."""
        found = {}
        for number in range(self.chain.start.number + 1, self.chain.head.number + 1):
            block = self.chain.get_block(number)
            assert block is not None
            found.update({f"0x{each.tx_hash.hex()}": each.status for each in block.receipts})
        return found


def without_skill(spec: RivalSpec) -> RivalSpec:
    """Return a rival that sees nothing."""
    return replace(spec, skill_ratio=0.0)
