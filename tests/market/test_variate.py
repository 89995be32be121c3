"""Variates of the market have the distribution they claim, and each depends on its key alone."""

from __future__ import annotations

from math import isclose, log, sqrt
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.market.variate import log_normal_ns, log_normal_wei, poisson, scale_wei
from sim.rng import Stream
from sim.units import ETHER


@given(st.integers(0, 2**120), st.floats(0.0, 1e6))
def test_scaling_rounds_the_exact_product_half_up(amount_wei: int, factor: float) -> None:
    """The rounded amount lies within half a wei of amount times factor, computed exactly."""
    numerator, denominator = factor.as_integer_ratio()

    scaled_wei = scale_wei(amount_wei, factor)

    assert -denominator < 2 * (scaled_wei * denominator - amount_wei * numerator) <= denominator


@pytest.mark.parametrize("rate", [0.0, 0.3, 4.0, 60.0])
def test_poisson_counts_have_mean_and_variance_of_their_rate(rate: float) -> None:
    """Over 4,000 draws mean and variance are the rate, within five standard errors."""
    stream = Stream(7, "test")

    counts = [poisson(stream, rate, index) for index in range(4_000)]

    assert abs(mean(counts) - rate) <= 5 * sqrt(rate / 4_000)
    assert abs(stdev(counts) ** 2 - rate) <= 5 * rate * sqrt(2 / 4_000) + 5 * sqrt(rate / 4_000)


def test_poisson_refuses_a_mean_it_cannot_sum() -> None:
    """A mean above the limit is refused instead of giving a wrong count."""
    with pytest.raises(ValueError, match=r"Poisson mean 501\.0 is outside"):
        poisson(Stream(7, "test"), 501.0, 0)


def test_log_normal_amounts_have_their_median_and_spread() -> None:
    """The logarithms of 4,000 draws have the median's logarithm as mean and sigma as deviation."""
    stream = Stream(7, "test")

    logs = [log(log_normal_wei(stream, ETHER, 0.8, index) / ETHER) for index in range(4_000)]

    assert isclose(mean(logs), 0.0, abs_tol=5 * 0.8 / sqrt(4_000))
    assert isclose(stdev(logs), 0.8, rel_tol=0.06)


@given(st.integers(0, 2**64 - 1), st.integers(0, 10), st.integers(1, 20))
def test_a_variate_does_not_depend_on_draws_before_it(seed: int, key: int, others: int) -> None:
    """The same key gives the same amount on a fresh stream and on one that was drawn from."""
    fresh, used = Stream(seed, "test"), Stream(seed, "test")
    for other in range(others):
        poisson(used, 3.0, "other", other)

    drawn_ns = log_normal_ns(used, 10**8, 0.5, key)

    assert drawn_ns == log_normal_ns(fresh, 10**8, 0.5, key)
