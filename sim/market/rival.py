"""A rival searcher who brings the pools toward the reference price when the edge exceeds the cost."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import simpy

from sim.chain.chain import HeadChange
from sim.chain.fee import next_base_fee
from sim.chain.transaction import Account
from sim.market import swap
from sim.market.place import MarketPlace
from sim.market.pool import Pool, Reserves
from sim.market.variate import Distribution
from sim.market.wallet import Wallet
from sim.units import ETHER

STREAM = "market.rival"
DEADLINE_S = 60
# What a swap against ether uses on Uniswap's router at the most, the first on a new pool aside: 112,000 or so
# (measured in tests/market/test_swap.py).
SWAP_GAS = 120_000
# Ether that it leaves in its account for gas.
ETHER_KEPT_WEI = ETHER
_BPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalSpec:
    """How good the rival is.

    Args:
        skill_ratio: probability to notice a pool in a slot.
        latency: time from a new head to the rival's transactions, in ns.
        share_low_bps: least share of the edge, after base fee, that it bids as a tip.
        share_high_bps: highest such share; the share is uniform in between.
        edge_min_wei: what a trade must promise after the base fee.
        size_max_wei: largest trade, in wei of WETH.
        hedge_cost_bps: cost of the other leg, off the chain.
        tip_min_wei: least priority fee per gas.
    """

    skill_ratio: float
    latency: Distribution
    share_low_bps: int
    share_high_bps: int
    edge_min_wei: int
    size_max_wei: int
    hedge_cost_bps: int
    tip_min_wei: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.skill_ratio <= 1.0 or not 0 <= self.share_low_bps <= self.share_high_bps <= _BPS:
            raise ValueError(f"a rival's skill must be in 0..1 and its shares in 0..{_BPS}, low to high: {self}")


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade that profits at the reference price.

    Args:
        amount_in: wei of WETH to spend, or token units to sell.
        worth_wei: what a whole token is worth to whoever makes the trade, in wei of WETH.
        edge_wei: worth of what comes out less what goes in, before gas; above 0.
    """

    pool: Pool
    is_buy: bool
    amount_in: int
    worth_wei: int
    edge_wei: int

    def least_out(self, cost_wei: int) -> int:
        """Return the output at which the trade just pays for itself and *cost_wei*, rounded up."""
        if self.is_buy:
            return _divide_up((self.amount_in + cost_wei) * self.pool.unit, self.worth_wei)
        return _divide_up(self.amount_in * self.worth_wei, self.pool.unit) + cost_wei


def find_trade(
    pool: Pool, reserves: Reserves, price_wei: int, hedge_cost_bps: int, budget_wei: int, stock: int
) -> Trade | None:
    """Return the trade on *pool* that profits most against the reference price, or None if none does.

    Args:
        price_wei: the reference price; a token is worth that less the hedge's cost to a buyer, and plus that cost to
            a seller.
        budget_wei: most ether to spend.
        stock: most token units to sell.
    """
    bid_wei = price_wei * (_BPS - hedge_cost_bps) // _BPS
    amount_wei = min(budget_wei, reserves.best_buy_wei(bid_wei, pool.unit)) if bid_wei else 0
    if amount_wei > 0:
        edge_wei = reserves.quote_buy(amount_wei) * bid_wei // pool.unit - amount_wei
        return Trade(pool, True, amount_wei, bid_wei, edge_wei) if edge_wei > 0 else None
    ask_wei = _divide_up(price_wei * (_BPS + hedge_cost_bps), _BPS)
    amount = min(stock, reserves.best_sell(ask_wei, pool.unit))
    edge_wei = reserves.quote_sell(amount) - _divide_up(amount * ask_wei, pool.unit)
    return Trade(pool, False, amount, ask_wei, edge_wei) if edge_wei > 0 else None


class Rival:
    """A CEX-DEX arbitrageur that acts on new heads.

    It draws its latency, the pools it notices and the shares it bids for every head, whether it trades or not, so
    that its draws do not depend on what the chain holds.
    """

    def __init__(self, place: MarketPlace, spec: RivalSpec, label: str, account: Account) -> None:
        self._place = place
        self._spec = spec
        self._wallet = Wallet(place, label, account)
        self._stream = place.streams.stream(STREAM)

    def start(self) -> None:
        """Begin to follow the chain's heads."""
        self._place.chain.on_head.append(self._on_head)

    def _on_head(self, change: HeadChange) -> None:
        label, slot = self._wallet.label, self._place.slot()
        spec, stream = self._spec, self._stream
        delay_ns = spec.latency.draw(stream, label, slot, "latency")
        noticed = []
        for index, pool in enumerate(self._place.pools):
            share_bps = stream.between(spec.share_low_bps, spec.share_high_bps, label, slot, index, "share")
            if stream.chance(spec.skill_ratio, label, slot, index, "skill"):
                noticed.append((pool, share_bps))
        self._place.env.process(self._react(change.added[-1].hash, delay_ns, noticed))

    def _react(
        self, head_hash: bytes, delay_ns: int, noticed: list[tuple[Pool, int]]
    ) -> Generator[simpy.Event, object, None]:
        yield self._place.env.timeout(delay_ns)
        if self._place.chain.head.hash != head_hash or self._wallet.is_waiting():
            return
        for pool, share_bps in noticed:
            trade = self._find_trade(pool)
            if trade is not None:
                self._bid(trade, share_bps)

    def _find_trade(self, pool: Pool) -> Trade | None:
        spec, place, wallet = self._spec, self._place, self._wallet
        price_wei = place.price.wei_per_token(pool.token)
        budget_wei = min(spec.size_max_wei, wallet.ether_wei() - ETHER_KEPT_WEI)
        stock = min(spec.size_max_wei * pool.unit // price_wei, wallet.stock(pool))
        return find_trade(pool, place.reserves(pool), price_wei, spec.hedge_cost_bps, budget_wei, stock)

    def _bid(self, trade: Trade, share_bps: int) -> None:
        header = self._place.chain.head.header
        burned_wei = SWAP_GAS * next_base_fee(header.base_fee or 0, header.gas_used, header.gas_limit)
        left_wei = trade.edge_wei - burned_wei
        if left_wei < self._spec.edge_min_wei:
            return
        tip_wei = max(self._spec.tip_min_wei, left_wei * share_bps // _BPS // SWAP_GAS)
        least_out = trade.least_out(burned_wei + SWAP_GAS * tip_wei)
        pool, wallet = trade.pool, self._wallet
        deadline_s = self._place.deadline_s(DEADLINE_S)
        if trade.is_buy:
            wallet.send(swap.buy(pool, trade.amount_in, least_out, wallet.address, deadline_s), tip_wei)
        elif wallet.allow_sale(pool, tip_wei):
            wallet.send(swap.sell(pool, trade.amount_in, least_out, wallet.address, deadline_s), tip_wei)


def _divide_up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
