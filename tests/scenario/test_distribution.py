"""Distributions draw by key, without libm, and pass through the numbers they are given."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.rng import Stream
from sim.scenario import Scenario
from sim.scenario.distribution import AMOUNT, DURATION, Distribution, parse_distribution
from sim.scenario.values import ValueRefused
from sim.units import ETHER, MS

Loaded = Callable[..., Scenario]

FORMS = [
    "20ms",
    {"dist": "constant", "value": "20ms"},
    {"dist": "uniform", "low": "5ms", "high": "7ms"},
    {"dist": "exponential", "mean": "20ms"},
    {"dist": "normal", "mean": "20ms", "deviation": "30ms"},
    {"dist": "lognormal", "median": "40ms", "p99": "300ms"},
    {"quantiles": {"p50": "3ms", "p99": "20ms"}},
    {"quantiles": {"p0": "1ms", "p10": "2ms", "p50": "3ms", "p99.9": "20ms", "p100": "21ms"}},
]


def draws(distribution: Distribution, number: int = 4_000) -> list[int]:
    stream = Stream(7, "test")
    return sorted(distribution.draw(stream, ordinal) for ordinal in range(number))


@pytest.mark.parametrize("form", FORMS)
def test_a_draw_depends_on_its_key_alone(form: object) -> None:
    """The same key gives the same integer, at least 0, whatever was drawn before and in another process."""
    distribution = parse_distribution(DURATION, form)
    first, second = Stream(1, "s"), Stream(1, "s")
    expected = [distribution.draw(first, "a", ordinal) for ordinal in range(50)]

    got = [pickle.loads(pickle.dumps(distribution)).draw(second, "a", ordinal) for ordinal in reversed(range(50))]

    assert got[::-1] == expected
    assert all(isinstance(value, int) and value >= 0 for value in got)


@pytest.mark.parametrize("form", FORMS)
def test_a_distribution_survives_a_round_trip(form: object) -> None:
    """What a distribution is spelt as is read back as the same distribution."""
    distribution = parse_distribution(DURATION, form)

    assert parse_distribution(DURATION, distribution.plain(DURATION.spell)) == distribution


def test_a_lognormal_passes_through_its_median_and_p99() -> None:
    """Half the draws lie below the median, 99 in 100 below p99."""
    got = draws(parse_distribution(DURATION, {"dist": "lognormal", "median": "40ms", "p99": "300ms"}))

    assert got[len(got) // 2] == pytest.approx(40 * MS, rel=0.05)
    assert got[len(got) * 99 // 100] == pytest.approx(300 * MS, rel=0.15)


def test_quantiles_pass_through_their_points() -> None:
    """The draws have the quantiles that were measured, and stay between p0 and p100."""
    got = draws(parse_distribution(DURATION, {"quantiles": {"p0": "1ms", "p50": "3ms", "p90": "9ms", "p100": "12ms"}}))

    assert got[len(got) // 2] == pytest.approx(3 * MS, rel=0.05)
    assert got[len(got) * 9 // 10] == pytest.approx(9 * MS, rel=0.05)
    assert (got[0], got[-1]) == (1 * MS, 12 * MS)


def test_the_last_digit_is_known() -> None:
    """These very integers come out on every processor: nothing goes through libm."""
    stream = Stream(1, "net")
    got = [parse_distribution(DURATION, form).draw(stream, "k", 1) for form in FORMS[2:]]

    assert got == KNOWN_NS


KNOWN_NS = [5088987, 19333400, 29137048, 52074376, 3845815, 3616799]


def test_samples_are_drawn_from_the_file(loaded: Loaded, write: Callable[..., object]) -> None:
    """Only measured values are drawn, in the unit that the column's name says; the path is relative to the scenario."""
    write("ms,other\n3.5,1\n20,2\n", "data/rtt.csv")

    scenario = loaded("nodes: {a: {latency: {samples: data/rtt.csv, column: ms}}}")

    assert set(draws(scenario.nodes["a"].latency, 100)) == {3_500_000, 20 * MS}


@pytest.mark.parametrize(
    ("form", "text", "at", "message"),
    [
        ({"samples": "no.csv"}, None, ("samples",), "cannot read"),
        ({"samples": "d.csv", "column": "mss"}, "ms\n1\n", ("column",), "no column 'mss'; did you mean 'ms'?"),
        ({"samples": "d.csv"}, "ms,s\n1,1\n", ("samples",), "2 columns; name one"),
        ({"samples": "d.csv"}, "rtt\n1\n", (), "'rtt' is no unit; add unit"),
        ({"samples": "d.csv"}, "ms\n1\nx\n", ("samples",), "d.csv:3: "),
        ({"samples": "d.csv"}, "ms\n", ("samples",), "no samples"),
    ],
)
def test_bad_samples_are_refused(
    write: Callable[..., object], form: dict[str, str], text: str | None, at: tuple[str, ...], message: str
) -> None:
    """A file that is missing, lacks the column, the unit or any number is refused at the key that names it."""
    if text is not None:
        write(text, "d.csv")

    with pytest.raises(ValueRefused) as caught:
        parse_distribution(DURATION, form)

    assert message in str(caught.value)
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("form", "at", "message"),
    [
        ({"dist": "lognorml"}, ("dist",), "did you mean 'lognormal'?"),
        ({"dist": "uniform", "low": "2ms", "high": "1ms"}, ("low",), "low 2ms is above high 1ms"),
        ({"dist": "uniform", "low": "2ms"}, (), "'high' is missing"),
        ({"dist": "uniform", "low": "2ms", "hihg": "3ms"}, ("hihg", "<key>"), "did you mean 'high'?"),
        ({"dist": "lognormal", "median": "0s", "p99": "1s"}, ("median",), "above 0"),
        ({"dist": "lognormal", "median": "2s", "p99": "1s"}, ("p99",), "below the median"),
        ({"dist": "normal", "mean": 3, "deviation": "1s"}, ("mean",), "3 has no unit"),
        ({"quantiles": {"p50": "3ms"}}, ("quantiles",), "two quantiles"),
        ({"quantiles": {"p50": "3ms", "p99": "2ms"}}, ("quantiles", "p99"), "p99 is below p50"),
        ({"quantiles": {"median": "3ms", "p99": "2ms"}}, ("quantiles", "median"), "'median' is no quantile"),
        ({"quantiles": {"p101": "3ms"}}, ("quantiles", "p101"), "no quantile"),
        ({"dsit": "normal"}, (), "did you mean 'dist'?"),
    ],
)
def test_a_wrong_distribution_is_refused_at_its_place(
    form: dict[str, object], at: tuple[str, ...], message: str
) -> None:
    """The refusal names the very key inside the distribution."""
    with pytest.raises(ValueRefused) as caught:
        parse_distribution(DURATION, form)

    assert message in str(caught.value)
    assert caught.value.at == at


@settings(max_examples=50)
@given(st.integers(1, 10**24), st.integers(0, 10**24))
def test_amounts_may_be_distributions_too(median_wei: int, more_wei: int) -> None:
    """Any pair of median and p99 gives draws that are not negative."""
    form = {"dist": "lognormal", "median": f"{median_wei} wei", "p99": f"{median_wei + more_wei} wei"}

    assert parse_distribution(AMOUNT, form).draw(Stream(1, "s"), 1) >= 0
    assert parse_distribution(AMOUNT, "1 ether").draw(Stream(1, "s"), 1) == ETHER
