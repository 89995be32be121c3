"""A chain with two Uniswap V2 venues and funded traders, in a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sim.chain.artifacts import bundled
from sim.chain.block import Block
from sim.chain.builder import Builder
from sim.chain.chain import Chain, ChainConfig
from sim.chain.engine import CallRequest
from sim.chain.genesis import FundedAccount, GenesisSpec, PoolSpec, Start, VenueSpec, build_start
from sim.chain.mempool import Mempool
from sim.chain.pyevm import PyEvm, make_engine
from sim.chain.transaction import Account, sign
from sim.rng import Streams
from sim.units import ETHER, GWEI

COINBASE = b"\xcb" * 20
VENUES = ("uniswap_v2", "uniswap_v2_fork")
TRADERS = 4


def trader(index: int) -> Account:
    return Account.from_seed(Streams(7).stream("accounts"), f"trader{index}")


def genesis(config: ChainConfig, traders: int = TRADERS) -> GenesisSpec:
    pool = PoolSpec("weth", "token", 1_000 * ETHER, 2_000_000 * ETHER)
    wealth = {"weth": 50 * ETHER, "token": 100_000 * ETHER}
    accounts = tuple(FundedAccount(f"trader{index}", trader(index), 100 * ETHER, wealth) for index in range(traders))
    return GenesisSpec(config, venues=tuple(VenueSpec(name, (pool,)) for name in VENUES), accounts=accounts)


@cache
def _engine_and_start(fork: str, finalized_depth: int, state_window: int) -> tuple[PyEvm, Start, ChainConfig]:
    config = ChainConfig(
        fork=fork, base_fee_wei=10 * GWEI, start_number=1000, finalized_depth=finalized_depth,
        state_window=state_window,
    )  # fmt: skip
    engine = make_engine("pyevm", fork)
    return engine, build_start(genesis(config), engine), config


@dataclass
class World:
    """The chain, its mempool and builder, and what the traders can do."""

    chain: Chain
    mempool: Mempool
    builder: Builder
    places: dict[str, bytes]
    nonces: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def new(cls, fork: str = "prague", finalized_depth: int = 64, state_window: int = 128) -> World:
        """Return a new world; the start state is deployed once and its layers are never written to.

        A window that would be squashed into must not be shared, so it is built anew.
        """
        if state_window < 128:
            _engine_and_start.cache_clear()
        engine, start, config = _engine_and_start(fork, finalized_depth, state_window)
        chain = Chain(config, engine, start.blocks)
        mempool = Mempool(chain)
        return cls(chain, mempool, Builder(chain, mempool), dict(start.addresses))

    def signed(self, account: Account, to: bytes | None, data: bytes = b"", **fields: Any) -> bytes:
        nonce = fields.pop("nonce", None)
        if nonce is None:
            nonce = self.nonces.get(account.address, 0)
            self.nonces[account.address] = nonce + 1
        settings = {"gas": 300_000, "max_fee": 40 * GWEI, "max_priority_fee": GWEI} | fields
        return sign(account.key, chain_id=self.chain.config.chain_id, nonce=nonce, to=to, data=data, **settings)

    def send(self, account: Account, to: bytes | None, data: bytes = b"", **fields: Any) -> bytes:
        return self.mempool.add(self.signed(account, to, data, **fields))

    def approve_all(self) -> Block:
        """Let every router take every trader's tokens, in one block."""
        call = bundled("ERC20Token").call
        for index in range(TRADERS):
            for venue in VENUES:
                for token in ("weth", "token"):
                    data = call("approve", (self.places[f"{venue}.router"], 2**256 - 1))
                    self.send(trader(index), self.places[token], data, gas=80_000)
        return self.propose()

    def swap(self, index: int, venue: str, amount_in: int, *, buy: bool, out_min: int = 0, **fields: Any) -> bytes:
        """Send a swap through the venue's router: WETH for the token, or back."""
        path = (self.places["weth"], self.places["token"])
        owner = trader(index)
        args = (amount_in, out_min, path if buy else path[::-1], owner.address, 2**40)
        data = bundled("UniswapV2Router02").call("swapExactTokensForTokens", args)
        return self.send(owner, self.places[f"{venue}.router"], data, **fields)

    def build(self, **fields: Any) -> Block:
        return self.builder.build(self.chain.head, self.chain.head.header.timestamp + 12, COINBASE, **fields)

    def propose(self, **fields: Any) -> Block:
        block = self.build(**fields)
        self.chain.append(block)
        return block

    def read(self, to: str, function: str, *args: Any) -> int:
        """Return the first word of what a token or pair answers at the head."""
        artifact = bundled("UniswapV2Pair" if "pair" in to else "ERC20Token")
        result = self.chain.call(CallRequest(self.places[to], artifact.call(function, args)), self.chain.head)
        assert result.success, result.error
        return int.from_bytes(result.output[:32], "big")
