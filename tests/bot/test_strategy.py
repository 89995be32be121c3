from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.strategy import Fees, Plan, Policy, Refusal, Venue, decide, fees_after, repriced
from bot.view import Header, Reserves, View

ETHER = 10**18
GWEI = 10**9
VENUES = (Venue("a", b"\xaa" * 20, weth_is_0=True), Venue("b", b"\xbb" * 20, weth_is_0=True))
FEES = Fees(base_fee_wei=GWEI, tip_share_bps=2000, tip_min_wei=GWEI // 10, tip_max_wei=100 * GWEI)
POLICY = Policy(gas_used_gas=150_000, input_max_wei=20 * ETHER, edge_min_wei=1)
HEADER = Header(100, b"\x01" * 32, bytes(32), 1200, GWEI, 15_000_000, 30_000_000)


def view_of(a: tuple[int, int], b: tuple[int, int]) -> View:
    view = View(venue.pool for venue in VENUES)
    view.anchor(HEADER, {VENUES[0].pool: Reserves(*a), VENUES[1].pool: Reserves(*b)})
    return view


def plan_for(a: tuple[int, int], b: tuple[int, int]) -> Plan:
    decision = decide(view_of(a, b), FEES, VENUES, POLICY)
    assert isinstance(decision, Plan), decision
    return decision


CHEAP_ON_A = ((100 * ETHER, 220_000 * ETHER), (100 * ETHER, 200_000 * ETHER))


def test_it_buys_where_the_token_is_cheap() -> None:
    """The direction follows the prices and turns with them."""
    assert plan_for(*CHEAP_ON_A).buy.name == "a"
    assert plan_for(*reversed(CHEAP_ON_A)).buy.name == "b"


def test_equal_prices_are_no_spread() -> None:
    """Pools within their fees of one another are refused with that reason."""
    same = (100 * ETHER, 200_000 * ETHER)

    assert decide(view_of(same, same), FEES, VENUES, POLICY) == Refusal("no_spread")


def test_an_empty_view_is_refused() -> None:
    """Before the first anchor there is nothing to decide about."""
    assert decide(View(venue.pool for venue in VENUES), FEES, VENUES, POLICY) == Refusal("no_view")


def test_an_edge_below_the_minimum_is_refused_with_both_numbers() -> None:
    """The refusal says what the edge is and what it had to be."""
    policy = replace(POLICY, edge_min_wei=10**24)

    decision = decide(view_of(*CHEAP_ON_A), FEES, VENUES, policy)

    assert isinstance(decision, Refusal)
    assert decision.reason == "edge_below_minimum"
    assert str(10**24) in decision.detail


def test_the_size_is_limited() -> None:
    """The input never exceeds the policy's limit (but for the wei that repaying rounds up)."""
    policy = replace(POLICY, input_max_wei=ETHER // 10)

    decision = decide(view_of(*CHEAP_ON_A), FEES, VENUES, policy)

    assert isinstance(decision, Plan)
    assert decision.cycle.repay_wei <= ETHER // 10 + 1


@given(
    weth=st.integers(10**6, 10**24),
    tokens=st.integers(10**6, 10**27),
    skew_bps=st.integers(0, 30_000),
    base_fee_wei=st.integers(0, 10**12),
)
def test_a_plan_never_expects_a_loss(weth: int, tokens: int, skew_bps: int, base_fee_wei: int) -> None:
    """Whatever the pools and the base fee, a plan has an edge, and its minimum on chain covers its gas."""
    view = view_of((weth, tokens + tokens * skew_bps // 10_000), (weth, tokens))

    decision = decide(view, replace(FEES, base_fee_wei=base_fee_wei), VENUES, POLICY)

    if isinstance(decision, Plan):
        assert decision.edge_wei >= POLICY.edge_min_wei
        assert decision.profit_min_wei == decision.cost_wei <= decision.cycle.gross_wei
        assert decision.max_fee_wei >= base_fee_wei + decision.tip_wei
        assert FEES.tip_min_wei <= decision.tip_wei <= FEES.tip_max_wei


def test_the_order_of_the_tokens_does_not_matter() -> None:
    """Pools whose WETH is the second token give the same plan."""
    flipped = tuple(replace(venue, weth_is_0=False) for venue in VENUES)
    view = view_of(*((token, weth) for weth, token in CHEAP_ON_A))

    decision = decide(view, FEES, (flipped[0], flipped[1]), POLICY)

    assert isinstance(decision, Plan)
    assert decision.cycle == plan_for(*CHEAP_ON_A).cycle


def test_outbidding_is_refused_when_it_eats_the_edge() -> None:
    """A replacement at fees above the gross is no plan any more; at bearable fees it costs what it says."""
    plan = plan_for(*CHEAP_ON_A)

    dear = repriced(plan, plan.cycle.gross_wei, plan.cycle.gross_wei * 2, FEES, POLICY)
    bearable = repriced(plan, plan.tip_wei * 11 // 10, plan.max_fee_wei * 11 // 10, FEES, POLICY)

    assert isinstance(dear, Refusal)
    assert isinstance(bearable, Plan)
    assert bearable.cost_wei == 150_000 * (GWEI + plan.tip_wei * 11 // 10)


def test_fees_look_one_block_ahead() -> None:
    """After a full block the next base fee is an eighth higher, and plans are made with that."""
    full = replace(HEADER, gas_used=30_000_000)

    assert fees_after(full, 0, 0, 0).base_fee_wei == GWEI * 9 // 8
