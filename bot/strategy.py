"""What to do about a view of the two pools: a plan, or the reason for none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.pricing import BPS, Cycle, Side, next_base_fee, optimal_input, quote_cycle
from bot.view import Header, View


@dataclass(frozen=True, slots=True)
class Venue:
    """One of the two pools: its address, which of its tokens is WETH, and its fee."""

    name: str
    pool: bytes
    weth_is_0: bool
    fee_bps: int = 30


@dataclass(frozen=True, slots=True)
class Fees:
    """What gas costs in the next block, and how much the bot offers to be in it."""

    base_fee_wei: int
    # Share of the gross offered to the proposer, and the bounds of the resulting tip per gas.
    tip_share_bps: int
    tip_min_wei: int
    tip_max_wei: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The sizes and costs a plan is made with."""

    gas_used_gas: int
    input_max_wei: int
    edge_min_wei: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A round trip worth sending: buy on one venue, sell on the other, and what it costs to be included."""

    buy: Venue
    sell: Venue
    cycle: Cycle
    tip_wei: int
    max_fee_wei: int
    cost_wei: int
    # Below this the contract undoes the trade: the gas it burns, so that no success is a loss.
    profit_min_wei: int
    block_number: int
    block_hash: bytes

    @property
    def edge_wei(self) -> int:
        """Expected profit after gas."""
        return self.cycle.gross_wei - self.cost_wei

    def same_trade(self, other: Plan) -> bool:
        """Whether both plans would execute alike, whatever they offer for inclusion."""
        return self.buy == other.buy and self.sell == other.sell and self.cycle == other.cycle


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is nothing to do; `reason` is one word of a small set, `detail` has the numbers."""

    reason: str
    detail: str = ""


def fees_after(header: Header, tip_share_bps: int, tip_min_wei: int, tip_max_wei: int) -> Fees:
    """Return the fees of the block after *header*."""
    base_fee_wei = next_base_fee(header.base_fee_wei, header.gas_used, header.gas_limit)
    return Fees(base_fee_wei, tip_share_bps, tip_min_wei, tip_max_wei)


def decide(view: View, fees: Fees, venues: tuple[Venue, Venue], policy: Policy) -> Plan | Refusal:
    """Return the better of the two directions if it leaves an edge, else the reason why not."""
    head = view.head
    if head is None:
        return Refusal("no_view")
    first, second = venues
    best: tuple[Cycle, Venue, Venue] | None = None
    for buy, sell in ((first, second), (second, first)):
        cycle = _best_cycle(view, buy, sell, policy.input_max_wei)
        if cycle is not None and (best is None or cycle.gross_wei > best[0].gross_wei):
            best = (cycle, buy, sell)
    if best is None or best[0].gross_wei <= 0:
        return Refusal("no_spread")
    return _plan(*best, head, fees, policy)


def _best_cycle(view: View, buy: Venue, sell: Venue, input_max_wei: int) -> Cycle | None:
    """Return the best trip that buys the token on *buy* and sells it on *sell*."""
    buy_side, sell_side = _side(view, buy, weth_in=True), _side(view, sell, weth_in=False)
    amount_in = min(optimal_input(buy_side, sell_side), input_max_wei)
    return quote_cycle(amount_in, buy_side, sell_side) if amount_in > 0 else None


def _side(view: View, venue: Venue, *, weth_in: bool) -> Side:
    reserves = view.reserves(venue.pool)
    weth, token = reserves.reserve0, reserves.reserve1
    if not venue.weth_is_0:
        weth, token = token, weth
    return Side(weth, token, venue.fee_bps) if weth_in else Side(token, weth, venue.fee_bps)


def _plan(cycle: Cycle, buy: Venue, sell: Venue, head: Header, fees: Fees, policy: Policy) -> Plan | Refusal:
    """Offer a share of the gross to the proposer and see whether an edge is left."""
    base_cost_wei = policy.gas_used_gas * fees.base_fee_wei
    spare_wei = max(cycle.gross_wei - base_cost_wei, 0)
    wanted_wei = spare_wei * fees.tip_share_bps // BPS // policy.gas_used_gas
    tip_wei = min(max(wanted_wei, fees.tip_min_wei), fees.tip_max_wei)
    cost_wei = base_cost_wei + policy.gas_used_gas * tip_wei
    edge_wei = cycle.gross_wei - cost_wei
    if edge_wei < policy.edge_min_wei:
        return Refusal("edge_below_minimum", f"edge {edge_wei} wei, minimum {policy.edge_min_wei} wei")
    return Plan(
        buy=buy,
        sell=sell,
        cycle=cycle,
        tip_wei=tip_wei,
        # Twice the base fee survives six full blocks in a row (1.125 ** 6 > 2), should the first not take it.
        max_fee_wei=2 * fees.base_fee_wei + tip_wei,
        cost_wei=cost_wei,
        profit_min_wei=cost_wei,
        block_number=head.number,
        block_hash=head.hash,
    )


def repriced(plan: Plan, tip_wei: int, max_fee_wei: int, fees: Fees, policy: Policy) -> Plan | Refusal:
    """Return *plan* at other fees (a replacement must outbid what it replaces), if that leaves an edge."""
    cost_wei = policy.gas_used_gas * (fees.base_fee_wei + tip_wei)
    edge_wei = plan.cycle.gross_wei - cost_wei
    if edge_wei < policy.edge_min_wei:
        return Refusal("outbid_below_minimum", f"edge {edge_wei} wei, minimum {policy.edge_min_wei} wei")
    return replace(plan, tip_wei=tip_wei, max_fee_wei=max_fee_wei, cost_wei=cost_wei, profit_min_wei=cost_wei)
