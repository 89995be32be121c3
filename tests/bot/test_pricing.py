from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.pricing import Side, next_base_fee, optimal_input, quote_cycle, quote_in, quote_out

RESERVE = st.integers(min_value=10**6, max_value=2**110)
FEE_BPS = st.integers(min_value=0, max_value=500)
SIDE = st.builds(Side, RESERVE, RESERVE, FEE_BPS)


def rounding_of(sell: Side) -> int:
    """Return what one unit of the token, lost to rounding between the pools, is worth on the second."""
    return -(-sell.reserve_out // sell.reserve_in) + 2


@given(side=SIDE, amount_in=st.integers(1, 2**110))
def test_a_quoted_input_is_the_least_that_buys_the_output(side: Side, amount_in: int) -> None:
    """What an input buys can be bought with the quoted input, which is never more than the first."""
    bought = quote_out(amount_in, side)
    assume(bought > 0)

    needed = quote_in(bought, side)

    assert needed is not None
    assert needed <= amount_in + 1
    assert quote_out(needed, side) >= bought


@given(side=SIDE, amount_in=st.integers(0, 2**112))
def test_a_pool_never_pays_more_than_it_holds(side: Side, amount_in: int) -> None:
    """The output stays below the reserve, whatever comes in."""
    assert 0 <= quote_out(amount_in, side) < side.reserve_out
    assert quote_in(side.reserve_out, side) is None


@given(buy=SIDE, sell=SIDE, step_ppm=st.integers(1, 10**6))
def test_the_closed_form_is_the_best_size(buy: Side, sell: Side, step_ppm: int) -> None:
    """No size near or far leaves more than the closed form's, but for what the pools' rounding gives or takes."""
    best = optimal_input(buy, sell)
    assume(best > 0)

    for other in (best - best * step_ppm // 10**6, best + best * step_ppm // 10**6, best + 1, best - 1):
        gained = quote_out(quote_out(other, buy), sell) - other
        assert gained <= quote_out(quote_out(best, buy), sell) - best + rounding_of(sell)


@given(buy=SIDE, sell=SIDE)
def test_no_size_is_offered_where_none_gains(buy: Side, sell: Side) -> None:
    """Where the closed form says zero, a small trip does not gain either, but for what rounding gives."""
    assume(optimal_input(buy, sell) == 0)

    small = quote_cycle(max(buy.reserve_in // 10**3, 1), buy, sell)

    assert small is None or small.gross_wei <= rounding_of(sell)


def test_equal_pools_leave_nothing() -> None:
    """Two pools at one price lose both fees on a round trip."""
    side = Side(10**20, 10**20)

    assert optimal_input(side, side) == 0


@given(buy=SIDE, sell=SIDE)
def test_a_cycle_repays_no_more_than_it_was_given(buy: Side, sell: Side) -> None:
    """The trip spends at most the input it was sized with, up to the library's one wei."""
    amount_in = optimal_input(buy, sell)
    cycle = quote_cycle(amount_in, buy, sell)
    assume(cycle is not None)
    assert cycle is not None

    assert cycle.repay_wei <= amount_in + 1
    assert cycle.proceeds_wei == quote_out(cycle.token_wei, sell)


@pytest.mark.parametrize(
    ("gas_used", "expected_wei"),
    [(15_000_000, 10**9), (30_000_000, 1_125_000_000), (0, 875_000_000), (15_000_001, 10**9 + 8)],
)
def test_the_base_fee_follows_eip_1559(gas_used: int, expected_wei: int) -> None:
    """Half full keeps the fee, full and empty move it by an eighth, a little above moves it a little."""
    assert next_base_fee(10**9, gas_used, 30_000_000) == expected_wei


def test_the_base_fee_rises_by_at_least_one_wei() -> None:
    """A fee too small for an eighth of it still rises."""
    assert next_base_fee(7, 15_000_001, 30_000_000) == 8
