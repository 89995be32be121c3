"""Variates of the market have the distribution they claim, and each depends on its key alone."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.market.variate import poisson, scale_wei
from sim.rng import Stream


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


@given(st.integers(0, 2**64 - 1), st.integers(0, 10), st.integers(1, 20))
def test_a_variate_does_not_depend_on_draws_before_it(seed: int, key: int, others: int) -> None:
    """The same key gives the same count on a fresh stream and on one that was drawn from."""
    fresh, used = Stream(seed, "test"), Stream(seed, "test")
    for other in range(others):
        poisson(used, 3.0, "other", other)

    count = poisson(used, 8.0, key)

    assert count == poisson(fresh, 8.0, key)
