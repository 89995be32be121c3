from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.metric import METRICS, ThresholdError, check_threshold, parse_selector
from sim.metric.series import Counter, Gauge, Rate, Series, Trend


def trend(*values: int) -> Trend:
    series = Trend(integer=True)
    for value in values:
        series.add(value)
    return series


@pytest.mark.parametrize(
    ("metric", "expr", "aggregate", "bound"),
    [
        ("latency.head_to_send", "p(99)<350ms", "p", 350_000_000),
        ("latency.head_to_send", " p( 99.9 ) <= 1.5s ", "p", 1_500_000_000),
        ("latency.head_to_send", "mean < 20", "mean", 20),
        ("lock.wait{lock:nonce}", "med<20us", "med", 20_000),
        ("lock.deadlocks", "count==0", "count", 0),
        ("lock.deadlocks", "count != 3", "count", 3),
        ("bot.profit_wei", "value>=0.01 ether", "value", 10**16),
        ("bot.profit_wei", "value>-2 gwei", "value", -2 * 10**9),
        ("rpc.error_ratio", "rate<1%", "rate", Fraction(1, 100)),
        ("chain.block_fullness", "p(5)>=0.40", "p", Fraction(2, 5)),
        ("memory.peak", "max<2 GiB", "max", 2 << 30),
        ("gas.used", "count<1_000_000 gas", "count", 10**6),
        ("rpc.calls{node:node-a,method:eth_call}", "rate<10", "rate", 10),
    ],
)
def test_thresholds_are_read_into_base_units(metric: str, expr: str, aggregate: str, bound: Fraction) -> None:
    """Aggregate and bound are those written, the bound exactly in the metric's base unit."""
    threshold = check_threshold(metric, expr)

    assert (threshold.aggregate, threshold.bound) == (aggregate, bound)


@pytest.mark.parametrize(
    ("metric", "expr", "part", "offset", "words"),
    [
        ("lock.weit", "count==0", "metric", 0, "did you mean 'lock.wait'?"),
        ("zzz", "count==0", "metric", 0, "there are bot.gas_cost_wei"),
        ("lock.wait{lok:nonce}", "count==0", "metric", 10, "did you mean 'lock'?"),
        ("lock.wait{nonce}", "count==0", "metric", 10, "write key:value"),
        ("chain.blocks{node:a}", "count==0", "metric", 13, "it has no tags"),
        ("lock.wait", "p99<20ms", "expr", 0, "is not a threshold"),
        ("lock.wait", "p<20ms", "expr", 0, "name the percentile"),
        ("lock.wait", "mean(3)<20ms", "expr", 0, "takes no argument"),
        ("lock.wait", "p(101)<20ms", "expr", 2, "between 0 and 100"),
        ("lock.wait", "value<20ms", "expr", 0, "is a trend and has no 'value'"),
        ("lock.wait", "mean=20ms", "expr", 4, "unknown operator '='"),
        ("lock.wait", "mean<20 gwei", "expr", 5, "is in wei, but mean of lock.wait is in ns"),
        ("lock.wait", "count<20ms", "expr", 6, "is a plain number"),
        ("lock.wait", "mean<20 parsecs", "expr", 5, "unknown unit 'parsecs'"),
        ("lock.wait", "mean<", "expr", 0, "is not a threshold"),
        ("lock.wait", "", "expr", 0, "is not a threshold"),
    ],
)
def test_wrong_thresholds_say_what_is_wrong_and_where(
    metric: str, expr: str, part: str, offset: int, words: str
) -> None:
    """The error is a scenario's, names the part and the character, and the mend."""
    with pytest.raises(ThresholdError) as caught:
        check_threshold(metric, expr)

    assert isinstance(caught.value, ScenarioError)
    assert (caught.value.part, caught.value.offset) == (part, offset)
    assert words in str(caught.value)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_breaks_the_parser(metric: str, expr: str) -> None:
    """Any text is a threshold or a ThresholdError, never another exception."""
    for name in (metric, "lock.wait"):
        with suppress(ThresholdError):
            assert check_threshold(name, expr).expr == expr.strip()


@given(st.integers(-5, 5), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(-5, 5))
def test_operators_mean_what_they_mean(value: int, operator: str, bound: int) -> None:
    """The six operators compare as Python's do."""
    threshold = check_threshold("bot.profit_wei", f"value{operator}{bound}")
    gauge = Gauge()
    gauge.add(value)

    held = threshold.holds(threshold.value(gauge))

    expected = {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "==": value == bound,
        "!=": value != bound,
    }
    assert held is expected[operator]


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_a_metric_without_samples_fails_every_threshold(operator: str) -> None:
    """No operator is met by nothing."""
    threshold = check_threshold("lock.wait", f"max{operator}0")

    assert not threshold.holds(threshold.value(Trend(integer=True)))


@given(
    st.sampled_from(["count", "min", "max"]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(0, 4),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.lists(st.integers(0, 4), max_size=4),
)
def test_what_is_lost_stays_lost(aggregate: str, operator: str, bound: int, now: list[int], later: list[int]) -> None:
    """If a threshold is lost half-way, no samples that follow make it hold."""
    threshold = check_threshold("lock.wait", f"{aggregate}{operator}{bound}")

    if threshold.lost(threshold.value(trend(*now))):
        assert not threshold.holds(threshold.value(trend(*now, *later)))


@pytest.mark.parametrize(
    ("metric", "expr", "series"),
    [("bot.included", "count<=1", Counter(watched=True)), ("rpc.error_ratio", "rate<1%", Rate())],
)
def test_what_can_be_made_good_is_not_lost(metric: str, expr: str, series: Series) -> None:
    """A reorg can take inclusions back and a share can fall, so half-way their thresholds are open."""
    for _ in range(3):
        series.add(1)
    threshold = check_threshold(metric, expr)

    assert not threshold.holds(threshold.value(series))
    assert not threshold.lost(threshold.value(series))


def test_a_selector_is_spelled_as_it_is_read() -> None:
    """Spaces go, tags stay in order."""
    selector = parse_selector("rpc.calls{ node:node-a , method:eth_call }")

    assert str(selector) == "rpc.calls{node:node-a,method:eth_call}"
    assert selector.matches({"method": "eth_call", "node": "node-a", "transport": "ws"})
    assert not selector.matches({"method": "eth_call", "node": "node-b"})


def test_every_metric_can_be_asked_every_aggregate_of_its_type() -> None:
    """The registry and the grammar agree: what is allowed parses and evaluates."""
    for name, metric in METRICS.items():
        expr = {"counter": "count>=0", "gauge": "value>=0", "rate": "rate>=0", "trend": "p(50)>=0"}[metric.type]
        assert check_threshold(name, expr).selector.name == name
