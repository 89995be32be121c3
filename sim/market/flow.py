"""Traders who do not watch the price: they arrive at random and swap a random size on a random venue."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

import simpy

from sim.chain.transaction import Account
from sim.market import swap
from sim.market.place import MarketPlace
from sim.market.variate import log_normal_wei, poisson
from sim.market.wallet import Wallet
from sim.rng import Stream
from sim.units import ETHER, GWEI

STREAM = "market.flow"
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """How often and how much the traders swap.

    Args:
        swaps_per_slot: mean number of swaps in a slot, over all traders.
        traders: number of accounts that share them.
        size_median_wei: median size of a swap, in wei of WETH.
        size_sigma: standard deviation of the logarithm of the size.
        buy_ratio: share of swaps that buy the token.
        slippage_bps: limits a trader may set on what it loses against the quote, each as likely.
        deadline_s: how long a swap stays valid.
        tip_median_wei: median priority fee per gas.
        tip_sigma: standard deviation of the logarithm of the priority fee.
    """

    swaps_per_slot: float = 6.0
    traders: int = 8
    size_median_wei: int = ETHER
    size_sigma: float = 1.0
    buy_ratio: float = 0.5
    slippage_bps: tuple[int, ...] = (10, 50, 100, 300)
    deadline_s: int = 1_800
    tip_median_wei: int = GWEI
    tip_sigma: float = 0.7

    def __post_init__(self) -> None:
        if self.traders < 1 or self.swaps_per_slot < 0.0 or not self.slippage_bps:
            raise ValueError(f"flow needs a trader, a rate of at least 0 and a slippage limit: {self}")


@dataclass(frozen=True, slots=True)
class Order:
    """What one trader wants, drawn without a look at the chain.

    Args:
        pool: index of the pool it goes to.
        size_wei: wei of WETH to spend, or the worth of the tokens to sell.
    """

    trader: str
    at_ns: int
    pool: int
    is_buy: bool
    size_wei: int
    slippage_bps: int
    tip_wei: int


def draw_orders(stream: Stream, spec: FlowSpec, trader: str, slot: int, slot_ns: int, pools: int) -> list[Order]:
    """Return one trader's orders of one slot, by time; each draw is keyed by trader, slot and ordinal."""
    orders = []
    for ordinal in range(poisson(stream, spec.swaps_per_slot / spec.traders, trader, slot)):
        key = (trader, slot, ordinal)
        orders.append(
            Order(
                trader=trader,
                at_ns=slot * slot_ns + stream.below(slot_ns, *key, "at"),
                pool=stream.below(pools, *key, "pool"),
                is_buy=stream.chance(spec.buy_ratio, *key, "side"),
                size_wei=log_normal_wei(stream, spec.size_median_wei, spec.size_sigma, *key, "size"),
                slippage_bps=stream.choice(spec.slippage_bps, *key, "slippage"),
                tip_wei=log_normal_wei(stream, spec.tip_median_wei, spec.tip_sigma, *key, "tip"),
            )
        )
    return sorted(orders, key=lambda order: order.at_ns)


class Flow:
    """The traders at work: every slot each draws its orders and sends them as they fall due.

    Args:
        accounts: the traders' accounts by label, `spec.traders` of them.
    """

    def __init__(self, place: MarketPlace, spec: FlowSpec, accounts: Mapping[str, Account]) -> None:
        if len(accounts) != spec.traders:
            raise ValueError(f"flow of {spec.traders} traders was given {len(accounts)} accounts")
        self._place = place
        self._spec = spec
        self._stream = place.streams.stream(STREAM)
        self._wallets = [Wallet(place, label, account) for label, account in accounts.items()]

    def start(self) -> None:
        """Let every trader begin with the present slot."""
        for wallet in self._wallets:
            self._place.env.process(self._trade(wallet))

    def _trade(self, wallet: Wallet) -> Generator[simpy.Event, object, None]:
        place = self._place
        slot = place.slot()
        while True:
            for order in draw_orders(self._stream, self._spec, wallet.label, slot, place.slot_ns, len(place.pools)):
                yield place.env.timeout(max(0, order.at_ns - place.now_ns()))
                self._send(wallet, order)
            slot += 1
            yield place.env.timeout(slot * place.slot_ns - place.now_ns())

    def _send(self, wallet: Wallet, order: Order) -> None:
        place, pool = self._place, self._place.pools[order.pool]
        reserves = place.reserves(pool)
        deadline_s = place.deadline_s(self._spec.deadline_s)
        keep_bps = _BPS - order.slippage_bps
        if order.is_buy:
            out_min = reserves.quote_buy(order.size_wei) * keep_bps // _BPS
            wallet.send(swap.buy(pool, order.size_wei, out_min, wallet.address, deadline_s), order.tip_wei)
            return
        amount = order.size_wei * pool.unit // place.price.wei_per_token(pool.token)
        out_min = reserves.quote_sell(amount) * keep_bps // _BPS
        if wallet.allow_sale(pool, order.tip_wei):
            wallet.send(swap.sell(pool, amount, out_min, wallet.address, deadline_s), order.tip_wei)
