"""Traders who do not watch the price: they arrive at random and swap a random size on a random venue."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

import simpy

from sim.chain.transaction import Account
from sim.market import swap
from sim.market.place import MarketPlace
from sim.market.variate import Distribution, poisson
from sim.market.wallet import Wallet
from sim.rng import Stream

STREAM = "market.flow"
_BPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSpec:
    """How often and how much the traders swap.

    Args:
        swaps_per_slot: mean number of swaps in a slot, over all traders.
        traders: number of accounts that share them.
        size: wei of WETH that a swap is worth.
        buy_ratio: share of swaps that buy the token.
        slippage_bps: limits a trader may set on what it loses against the quote, each as likely.
        deadline_s: how long a swap stays valid.
        tip: priority fee per gas, in wei.
    """

    swaps_per_slot: float
    traders: int
    size: Distribution
    buy_ratio: float
    slippage_bps: tuple[int, ...]
    deadline_s: int
    tip: Distribution

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
                size_wei=max(1, spec.size.draw(stream, *key, "size")),
                slippage_bps=stream.choice(spec.slippage_bps, *key, "slippage"),
                tip_wei=spec.tip.draw(stream, *key, "tip"),
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
        amount = min(amount, wallet.stock(pool))
        if amount == 0:
            return
        out_min = reserves.quote_sell(amount) * keep_bps // _BPS
        if wallet.allow_sale(pool, order.tip_wei):
            wallet.send(swap.sell(pool, amount, out_min, wallet.address, deadline_s), order.tip_wei)
