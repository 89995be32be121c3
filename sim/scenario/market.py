"""Who trades besides the bot: venues and their pools, reference prices, flow and rivals."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sim.scenario.distribution import Constant, Distribution, LogNormal
from sim.scenario.fields import (
    Count,
    Duration,
    DurationDraw,
    Listed,
    Name,
    Number,
    Ratio,
    Share,
    Strict,
    Wei,
    WeiDraw,
    positive,
)
from sim.scenario.values import ValueRefused, format_number
from sim.units import ETHER, GWEI, MS, S

SWAPS_PER_SLOT_MAX = 500


def _lognormal(value: Distribution) -> LogNormal:
    if isinstance(value, Constant) and value.value > 0:
        return LogNormal(value.value, value.value)
    if not isinstance(value, LogNormal):
        raise ValueRefused("must be above 0, or {dist: lognormal, median: ..., p99: ...}")
    return value


def _swaps(value: Fraction) -> Fraction:
    if not 0 <= value <= SWAPS_PER_SLOT_MAX:
        raise ValueRefused(f"{format_number(value)} is outside 0..{SWAPS_PER_SLOT_MAX}")
    return value


def _whole_bps(value: Fraction) -> Fraction:
    if (value * 10_000).denominator != 1 or not 0 <= value <= 1:
        raise ValueRefused("must be a whole number of bps from 0 to 10000")
    return value


LogNormalDuration = Annotated[DurationDraw, AfterValidator(_lognormal)]
LogNormalWei = Annotated[WeiDraw, AfterValidator(_lognormal)]
Bps = Annotated[Ratio, AfterValidator(_whole_bps)]


class Pool(Strict):
    """One market of two tokens on a venue, with its liquidity at the start block."""

    reserves: Annotated[Mapping[str, Annotated[Wei, AfterValidator(positive)]], Field(min_length=2, max_length=2)]
    """What it holds of each of its two tokens, by contract name; one of them is the wrapped ether."""


class Venue(Strict):
    """One deployment of a market protocol, from its own creation bytecode: factory, router and pairs."""

    kind: Literal["uniswap_v2"]
    """The protocol."""
    pools: Annotated[Listed[Pool], Field(min_length=1)]
    """Its pairs; `${contracts.VENUE.pair}` is the first."""


class Price(Strict):
    """The reference ("CEX") price of one token: geometric Brownian motion."""

    start: Annotated[Wei, AfterValidator(positive)]
    """Value of one whole token at the start of the flight."""
    volatility: Annotated[Ratio, AfterValidator(positive)] = Fraction(8, 10)
    """Standard deviation of the logarithm of the price over a year."""
    drift: Ratio = Fraction(0)
    """Expected growth of the price over a year."""
    step: Annotated[Duration, AfterValidator(positive)] = S
    """Time between two moves."""


class Flow(Strict):
    """Traders who do not watch the price."""

    swaps_per_slot: Annotated[Number, AfterValidator(_swaps)] = Fraction(6)
    """Mean number of swaps in a slot over all traders, Poisson."""
    traders: Annotated[int, Count(1, 256)] = 8
    """Number of accounts that share them."""
    size: LogNormalWei = LogNormal(ETHER, 10 * ETHER)
    """Size of a swap in wrapped ether; a constant or log-normal."""
    buy_share: Share = Fraction(1, 2)
    """Share of swaps that buy the token."""
    slippage: Annotated[Listed[Bps], Field(min_length=1)] = (
        Fraction(10, 10_000),
        Fraction(50, 10_000),
        Fraction(100, 10_000),
        Fraction(300, 10_000),
    )
    """Limits a trader may set on what it loses against the quote, each as likely."""
    deadline: Duration = 1_800 * S
    """How long a swap stays valid."""
    tip: LogNormalWei = LogNormal(GWEI, 5 * GWEI)
    """Priority fee per gas; a constant or log-normal."""
    balance: Wei = 10_000 * ETHER
    """Ether of each trader at the start."""
    tokens: Mapping[str, Wei] = {}
    """Tokens of each trader at the start, by contract name."""


class Rival(Strict):
    """Another searcher, who brings the pools toward the reference price."""

    id: Name
    """Its name in the record."""
    skill: Share = Fraction(4, 5)
    """Probability to notice a pool in a slot."""
    latency: LogNormalDuration = LogNormal(120 * MS, 334 * MS)
    """Time from a new head to its transactions; a constant or log-normal."""
    share_low: Bps = Fraction(20, 100)
    """Least share of the edge that it bids as a tip."""
    share_high: Bps = Fraction(80, 100)
    """Highest such share; uniform in between."""
    edge_min: Wei = ETHER // 1_000
    """What a trade must promise after the base fee."""
    size_max: Annotated[Wei, AfterValidator(positive)] = 50 * ETHER
    """Largest trade in wrapped ether."""
    hedge_cost: Bps = Fraction(5, 10_000)
    """Cost of the other leg, off the chain."""
    tip_min: Wei = GWEI
    """Least priority fee per gas."""
    balance: Wei = 1_000 * ETHER
    """Its ether at the start."""
    tokens: Mapping[str, Wei] = {}
    """Its tokens at the start, by contract name."""


class Market(Strict):
    """Where the bot trades, and against whom."""

    venues: Mapping[Name, Venue] = {}
    """Deployments of market protocols by name; references such as `${contracts.NAME.router}` are their addresses."""
    price: Mapping[str, Price] = {}
    """Reference prices by the token's contract name."""
    flow: Flow | None = None
    """Traders who do not watch the price; none unless given."""
    rivals: Listed[Rival] = ()
    """Other searchers."""
