"""Values with units are read exactly, or refused with the mend."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario import values
from sim.scenario.values import ValueRefused
from sim.units import DAY, ETHER, GWEI, HOUR, MINUTE, MS, S


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("12s", 12 * S),
        ("250ms", 250 * MS),
        ("250 ms", 250 * MS),
        ("10m", 10 * MINUTE),
        ("1h", HOUR),
        ("2d", 2 * DAY),
        ("3us", 3_000),
        ("3µs", 3_000),
        ("100ns", 100),
        ("1m30s", 90 * S),
        ("1h 2m 3s", HOUR + 2 * MINUTE + 3 * S),
        ("0.1ms", 100_000),
        ("1_000 ms", S),
        ("0", 0),
        (0, 0),
    ],
)
def test_durations_are_read_exactly(text: object, expected_ns: int) -> None:
    """A duration is a whole number of nanoseconds, whatever its spelling."""
    assert values.parse_duration(text) == expected_ns


@pytest.mark.parametrize(
    ("text", "expected_wei"),
    [("2 gwei", 2 * GWEI), ("1.5 ether", 3 * ETHER // 2), ("7 wei", 7), ("0.1 ether", ETHER // 10), ("1eth", ETHER)],
)
def test_amounts_are_read_exactly(text: str, expected_wei: int) -> None:
    """An amount is a whole number of wei, also where a float would round."""
    assert values.parse_wei(text) == expected_wei


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.3%", Fraction(3, 1000)), ("30 bps", Fraction(3, 1000)), ("-2%", Fraction(-1, 50)), ("100 %", Fraction(1))],
)
def test_ratios_are_read_exactly(text: str, expected: Fraction) -> None:
    """A ratio is an exact fraction."""
    assert values.parse_ratio(text) == expected


@pytest.mark.parametrize(
    ("read", "raw", "message"),
    [
        (values.parse_duration, 60, "60 has no unit; write a duration as in 60s (units: ns us µs μs ms s m h d)"),
        (values.parse_duration, "1e3", "1e3 has no unit"),
        (values.parse_duration, "12:30", "'12:30' is not a duration; write it as in 60s"),
        (values.parse_duration, "12S", "'S' is not a unit of duration; did you mean 's'?"),
        (values.parse_duration, "30s1m", "the units of a duration go from large to small"),
        (values.parse_duration, "1s1s", "the units of a duration go from large to small"),
        (values.parse_duration, "-5s", "a duration cannot be negative"),
        (values.parse_duration, "0.5ns", "'0.5ns' is finer than 1 ns"),
        (values.parse_duration, "1000000d", "is above the largest value"),
        (values.parse_duration, True, "expected a duration such as 60s, found true"),
        (values.parse_duration, None, "found nothing (null)"),
        (values.parse_duration, ["1s"], "found a list"),
        (values.parse_duration, "", "found nothing"),
        (values.parse_wei, "1.5 ETH", "'ETH' is not a unit of amount; did you mean 'eth'?"),
        (values.parse_wei, "1 gwie", "did you mean 'gwei'?"),
        (values.parse_wei, 10**18, "has no unit; write an amount as in 1.5 ether"),
        (values.parse_wei, "1 ether 2 gwei", "an amount has one number and one unit"),
        (values.parse_wei, "0.1 wei", "finer than 1 wei"),
        (values.parse_size, "2 GIB", "did you mean 'GiB'?"),
        (values.parse_ratio, "0.3", "0.3 has no unit; write a ratio as in 0.3%"),
        (values.parse_count, "3.5", "expected a whole number"),
        (values.parse_count, True, "expected a whole number, found true"),
        (values.parse_number, "1e999999999", "expected a number"),
        (values.parse_rate, "3", "'3' is not a rate; write a count per time, as in 3/h or 1/10m"),
        (values.parse_rate, "0/h", "above 0"),
    ],
)
def test_a_wrong_value_is_refused_with_the_mend(read: object, raw: object, message: str) -> None:
    """A bare number where a unit is needed, a wrong unit or a wrong type says what to write."""
    with pytest.raises(ValueRefused) as caught:
        read(raw)  # type: ignore[operator]

    assert message in str(caught.value)


def test_a_rate_knows_its_mean_gap() -> None:
    """`3/h`, `3 per 1h` and `1/20m` are a gap of twenty minutes on average."""
    assert {values.parse_rate(text).mean_gap_ns for text in ("3/h", "3 per 1h", "1/20m")} == {20 * MINUTE}


@given(st.integers(0, values.DURATION_NS_MAX))
def test_durations_survive_a_round_trip(value_ns: int) -> None:
    """What is spelt is read back the same, to the nanosecond."""
    assert values.parse_duration(values.format_duration(value_ns)) == value_ns


@given(st.integers(0, values.WEI_MAX))
def test_amounts_survive_a_round_trip(value_wei: int) -> None:
    """What is spelt is read back the same, to the wei."""
    assert values.parse_wei(values.format_amount(value_wei)) == value_wei


@given(st.integers(0, 2**63 - 1))
def test_sizes_survive_a_round_trip(value_bytes: int) -> None:
    """What is spelt is read back the same, to the byte."""
    assert values.parse_size(values.format_size(value_bytes)) == value_bytes


@given(st.decimals(-(10**9), 10**9, places=8))
def test_ratios_and_numbers_survive_a_round_trip(number: object) -> None:
    """A decimal is read back the same, to the last digit."""
    value = Fraction(str(number))

    assert values.parse_number(values.format_number(value)) == value
    assert values.parse_ratio(values.format_ratio(value)) == value


@given(st.integers(1, 10**6), st.integers(1, values.DURATION_NS_MAX))
def test_rates_survive_a_round_trip(count: int, per_ns: int) -> None:
    """A rate keeps its count and its time."""
    rate = values.Rate(Fraction(count, 8), per_ns)

    assert values.parse_rate(values.format_rate(rate)) == rate


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any spelling gives a value that can be spelt and read again, or a refusal that says something."""
    for read, spell in (
        (values.parse_duration, values.format_duration),
        (values.parse_wei, values.format_amount),
        (values.parse_ratio, values.format_ratio),
        (values.parse_number, values.format_number),
        (values.parse_rate, values.format_rate),
    ):
        value, message = None, ""
        try:
            value = read(text)
        except ValueRefused as refused:
            message = str(refused)
        assert message or read(spell(value)) == value  # type: ignore[operator]
