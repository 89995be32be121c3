from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.metric import METRICS, Trend, percentile
from sim.metric.series import Counter, Gauge, Rate

samples = st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=60)


@given(samples, st.integers(0, 1000))
def test_percentiles_are_those_of_numpy(values: list[int], permille: int) -> None:
    """A percentile lies within float error of numpy's linear one."""
    percent = Fraction(permille, 10)

    exact = percentile(sorted(values), percent)

    assert math.isclose(exact, np.percentile(values, float(percent)), rel_tol=1e-9, abs_tol=1e-3)


@given(samples)
def test_the_middle_percentile_is_the_median(values: list[int]) -> None:
    """The 50th percentile is statistics' median, exactly."""
    assert percentile(sorted(values), Fraction(50)) == statistics.median([Fraction(value) for value in values])


@given(samples)
def test_a_trend_in_an_integer_unit_answers_in_integers_rounded_down(values: list[int]) -> None:
    """Mean and percentiles of nanoseconds or wei are whole, and never above the exact value."""
    trend = Trend(integer=True)
    for value in values:
        trend.add(value)

    mean, median = trend.aggregate("mean"), trend.aggregate("med")

    assert mean == sum(values) // len(values)
    assert median == math.floor(statistics.median([Fraction(value) for value in values]))


@given(st.lists(st.integers(-(2**100), 2**100) | st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_a_trend_takes_any_number(values: list[int | float]) -> None:
    """Integers beyond 64 bits and floats are kept as they are: least, greatest and count are exact."""
    trend = Trend(integer=False)
    for value in values:
        trend.add(value)

    summary = trend.summary()

    assert summary is not None
    assert (summary["count"], summary["min"], summary["max"]) == (len(values), min(values), max(values))


def test_a_trend_can_grow_after_it_was_asked() -> None:
    """A question in the middle does not freeze the samples."""
    trend = Trend(integer=True)
    trend.add(3)
    assert trend.aggregate("max") == 3

    trend.add(1)

    assert (trend.aggregate("min"), trend.aggregate("max"), len(trend)) == (1, 3, 2)


def test_nothing_counted_is_zero_where_it_was_watched_and_nothing_where_not() -> None:
    """A watched counter starts at zero; an unwatched one has no sample until it counts."""
    watched, unwatched = Counter(watched=True), Counter()

    assert watched.summary() == {"count": 0, "value": 0}
    assert unwatched.summary() is None
    unwatched.add(2)
    assert unwatched.aggregate("count") == 2


def test_a_counter_has_a_rate_per_virtual_second() -> None:
    """`rate` is the total over the flight's virtual seconds."""
    counter = Counter(watched=True)
    counter.add(30)
    counter.flight_ns = 60 * 10**9

    assert counter.aggregate("rate") == 0.5


def test_a_gauge_keeps_the_last_value_and_its_range() -> None:
    """The value is the last one; the least and greatest are kept beside it."""
    gauge = Gauge()
    for value in (3, -7, 5):
        gauge.add(value)

    assert gauge.summary() == {"count": 3, "value": 5, "min": -7, "max": 5}


def test_a_rate_is_the_share_of_hits() -> None:
    """Three hits of four are 0.75, and the number of samples is the count."""
    rate = Rate()
    for hit in (True, True, False, True):
        rate.add(hit)

    assert (rate.aggregate("rate"), rate.aggregate("count")) == (0.75, 4)


def test_series_without_samples_answer_none() -> None:
    """No sample, no value, for every type but a watched counter."""
    for series in (Gauge(), Rate(), Trend(integer=True), Counter()):
        assert series.aggregate("count") is None
        assert series.summary() is None


def test_the_promised_metrics_are_registered() -> None:
    """Every metric that interface.md promises from the first flight on is in the registry."""
    promised = (
        "chain.blocks chain.reorgs bot.sent bot.included bot.reverted bot.profit_wei rpc.calls rpc.errors lock.wait "
        "lock.hold task.created task.run leaked.tasks latency.head_to_send"
    )

    assert set(promised.split()) <= set(METRICS)
