"""Law 3: the bot's quote equals what the EVM pays, to the wei."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot import wire
from bot.pricing import Cycle, Side, optimal_input, quote_cycle, quote_in, quote_out
from bot.strategy import Plan, Venue
from sim.chain.artifacts import Artifact
from sim.chain.chain import Chain, ChainConfig
from sim.chain.deal import Dealer
from sim.chain.engine import AccountOverride, CallRequest, CallResult
from sim.chain.genesis import (
    WETH,
    ContractSpec,
    FundedAccount,
    GenesisSpec,
    PoolSpec,
    TokenSpec,
    VenueSpec,
    build_start,
)
from sim.chain.pyevm import make_engine
from sim.chain.transaction import Account
from tests.bot.anvil import ROOT, call

ETHER = 10**18
# `uint112 reserve0, uint112 reserve1, uint32 timestamp` share this slot of a pair.
RESERVES_SLOT = 8
OWNER = Account.from_key(bytes(31) + b"\x07")
# From dust to far above any pool there is; a pair holds at most 2**112 - 1.
RESERVE = st.integers(min_value=10_000, max_value=2**100)
AMOUNT = st.integers(min_value=1, max_value=2**100)

Overrides = dict[bytes, AccountOverride]


@dataclass(frozen=True)
class Bench:
    """Two real pairs on the reference engine, whose reserves are etched anew for each example."""

    chain: Chain
    weth: bytes
    token: bytes
    pools: tuple[bytes, bytes]
    executor: bytes
    # By token and holder: the storage slot of the balance.
    balance_slots: dict[tuple[bytes, bytes], int]

    @property
    def weth_is_0(self) -> bool:
        return self.weth < self.token

    def etch(self, reserves: list[tuple[int, int]], paid_in: tuple[int, int] = (0, 0)) -> Overrides:
        """Return the state in which the pools hold these reserves, and the first one what a trader paid in."""
        overrides: Overrides = {}
        balances: dict[bytes, dict[int, int]] = {self.weth: {}, self.token: {}}
        for pool, (weth_reserve, token_reserve) in zip(self.pools, reserves, strict=True):
            first, second = (weth_reserve, token_reserve) if self.weth_is_0 else (token_reserve, weth_reserve)
            overrides[pool] = AccountOverride(state_diff={RESERVES_SLOT: first | second << 112})
            paid_weth, paid_token = paid_in if pool == self.pools[0] else (0, 0)
            balances[self.weth][self.balance_slots[self.weth, pool]] = weth_reserve + paid_weth
            balances[self.token][self.balance_slots[self.token, pool]] = token_reserve + paid_token
        return overrides | {token: AccountOverride(state_diff=slots) for token, slots in balances.items()}

    def message(self, to: bytes, data: bytes, overrides: Overrides) -> CallResult:
        return self.chain.call(CallRequest(to, data, sender=OWNER.address), self.chain.head, overrides)

    def swap(self, weth_out: int, token_out: int, overrides: Overrides) -> CallResult:
        outs = (weth_out, token_out) if self.weth_is_0 else (token_out, weth_out)
        data = call("swap(uint256,uint256,address,bytes)", *outs, OWNER.address, b"")
        return self.message(self.pools[0], data, overrides)

    def execute(self, cycle: Cycle, profit_min_wei: int, overrides: Overrides) -> CallResult:
        buy, sell = (Venue(name, pool, self.weth_is_0) for name, pool in zip("ab", self.pools, strict=True))
        plan = Plan(buy, sell, cycle, 0, 0, 0, profit_min_wei, 0, b"")
        return self.message(self.executor, wire.execute_calldata(plan, self.token), overrides)


def executor_artifact() -> Artifact:
    path = ROOT / "build" / "contracts" / "Executor.json"
    raw = json.loads(Path(path).read_text())
    return Artifact("Executor", tuple(raw["abi"]), bytes.fromhex(raw["bytecode"]["object"].removeprefix("0x")), b"")


@pytest.fixture(scope="module")
def bench() -> Bench:
    pool = PoolSpec("weth", "token", 100 * ETHER, 200_000 * ETHER)
    engine = make_engine("pyevm")
    spec = GenesisSpec(
        ChainConfig(),
        tokens=(TokenSpec("token", "TOKEN"),),
        venues=(VenueSpec("one", (pool,)), VenueSpec("two", (pool,))),
        accounts=(FundedAccount("owner", OWNER, ETHER),),
        contracts=(ContractSpec("executor", executor_artifact(), (OWNER.address, WETH)),),
    )
    start = build_start(spec, engine)
    chain = Chain(spec.config, engine, start.blocks)
    places = start.addresses
    dealer = Dealer(engine, chain.layer(chain.head), chain.environment(chain.head))
    pools = (places["one.pair"], places["two.pair"])
    slots = {
        (places[name], pool): next(iter(dealer.deal(places[name], name, {pool: 1})[places[name]].state_diff or {}))
        for name in ("weth", "token")
        for pool in pools
    }
    return Bench(chain, places["weth"], places["token"], pools, places["executor"], slots)


@given(weth_reserve=RESERVE, token_reserve=RESERVE, amount_in=AMOUNT, buying=st.booleans())
@settings(max_examples=60)
def test_a_pool_pays_the_quote_and_not_a_wei_more(
    bench: Bench, weth_reserve: int, token_reserve: int, amount_in: int, buying: bool
) -> None:
    """For any reserves and input, the real pair lets exactly the quoted output go and refuses one wei above it."""
    reserve_in, reserve_out = (weth_reserve, token_reserve) if buying else (token_reserve, weth_reserve)
    quoted = quote_out(amount_in, Side(reserve_in, reserve_out))
    assume(quoted > 0)
    state = bench.etch([(weth_reserve, token_reserve)] * 2, (amount_in, 0) if buying else (0, amount_in))

    paid = bench.swap(*((0, quoted) if buying else (quoted, 0)), state)
    greedy = bench.swap(*((0, quoted + 1) if buying else (quoted + 1, 0)), state)

    assert paid.success, paid.error
    assert not greedy.success


@given(weth_reserve=RESERVE, token_reserve=RESERVE, share=st.integers(1, 10**6 - 1))
@settings(max_examples=40)
def test_the_quoted_input_buys_the_amount(bench: Bench, weth_reserve: int, token_reserve: int, share: int) -> None:
    """The input quoted for an exact output is enough for the real pair to pay that output."""
    wanted = max(token_reserve * share // 10**6, 1)
    needed = quote_in(wanted, Side(weth_reserve, token_reserve))
    assert needed is not None
    assume(weth_reserve + needed < 2**112)

    bought = bench.swap(0, wanted, bench.etch([(weth_reserve, token_reserve)] * 2, (needed, 0)))

    assert bought.success, bought.error


@given(reserves=st.lists(st.tuples(RESERVE, RESERVE), min_size=2, max_size=2))
@settings(max_examples=40)
def test_the_executor_earns_the_quoted_gross(bench: Bench, reserves: list[tuple[int, int]]) -> None:
    """Through the flash swap the round trip earns the quoted amount, to the wei, and refuses to earn less."""
    (buy_weth, buy_token), (sell_weth, sell_token) = reserves
    buy, sell = Side(buy_weth, buy_token), Side(sell_token, sell_weth)
    cycle = quote_cycle(optimal_input(buy, sell), buy, sell)
    assume(cycle is not None and cycle.gross_wei > 0 and cycle.repay_wei < 2**111)
    assert cycle is not None
    state = bench.etch(reserves)

    earned = bench.execute(cycle, cycle.gross_wei, state)
    refused = bench.execute(cycle, cycle.gross_wei + 1, state)

    assert earned.success, earned.error
    assert int.from_bytes(earned.output, "big") == cycle.gross_wei
    assert not refused.success
