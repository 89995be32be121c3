"""Values with units, spelt as people write them, read as exact integers and fractions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction

from sim.scenario.source import Real, Whole
from sim.units import UNITS


def _units(base: str) -> dict[str, Fraction]:
    return {unit: size for unit, (of, size) in UNITS.items() if of == base}


DURATION_UNITS: Mapping[str, Fraction] = _units("ns")
WEI_UNITS: Mapping[str, Fraction] = _units("wei")
SIZE_UNITS: Mapping[str, Fraction] = _units("bytes")
BANDWIDTH_UNITS: Mapping[str, Fraction] = _units("bits per second")
RATIO_UNITS: Mapping[str, Fraction] = _units("ratio")

DURATION_NS_MAX = 2**63 - 1
WEI_MAX = 2**256 - 1
DIGITS_MAX = 90

NUMBER = r"[0-9](?:[0-9_]*[0-9])?(?:\.[0-9]+)?"
_PART = re.compile(rf"\s*({NUMBER})\s*([^\s\d.:+-]+)\s*")
_BARE = re.compile(rf"[+-]?{NUMBER}(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9](?:[0-9_]*[0-9])?")
_RATE = re.compile(rf"\s*({NUMBER})\s*(?:/|\s+per\s+)\s*(.+)")


class ValueRefused(ValueError):
    """A value of a scenario is not what its key needs.

    Args:
        message: what was found and the mend.
        at: where inside the value, as keys and indexes; empty for the value itself.
    """

    def __init__(self, message: str, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.at = at


def suggestion(word: str, words: Mapping[str, object] | list[str]) -> str:
    """Return `; did you mean 'x'?` for the closest of *words*, or nothing when none is close."""
    lowered = {known.lower(): known for known in reversed(list(words))}
    close = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean '{lowered[close[0]]}'?" if close else ""


def parse_duration(raw: object) -> int:
    """Return the nanoseconds of a duration such as `12s`, `250 ms` or `1m30s`.

    >>> parse_duration("1m30s"), parse_duration("0.5ms")
    (90000000000, 500000)
    """
    parts = _parts(raw, DURATION_UNITS, "a duration", "60s")
    total, last = Fraction(0), Fraction(DURATION_NS_MAX)
    for number, unit in parts:
        if DURATION_UNITS[unit] >= last:
            raise ValueRefused(f"{show(raw)}: the units of a duration go from large to small, each once, as in 1m30s")
        last = DURATION_UNITS[unit]
        total += number * last
    return _bounded(_exact(total, raw, "1 ns"), DURATION_NS_MAX, raw)


def parse_shift(raw: object) -> int:
    """Return the nanoseconds of a duration that may be negative, such as `250ms` or `-2s`."""
    if isinstance(raw, str) and raw.strip().startswith("-"):
        return -parse_duration(raw.strip()[1:])
    return parse_duration(raw)


def parse_wei(raw: object) -> int:
    """Return the wei of an amount such as `1.5 ether`, `2 gwei` or `7 wei`.

    >>> parse_wei("1.5 ether")
    1500000000000000000
    """
    number, unit = _single(raw, WEI_UNITS, "an amount", "1.5 ether")
    return _bounded(_exact(number * WEI_UNITS[unit], raw, "1 wei"), WEI_MAX, raw)


def parse_size(raw: object) -> int:
    """Return the bytes of a size such as `2 GiB`."""
    number, unit = _single(raw, SIZE_UNITS, "a size", "2 GiB")
    return _bounded(_exact(number * SIZE_UNITS[unit], raw, "1 B"), 2**63 - 1, raw)


def parse_bandwidth(raw: object) -> int:
    """Return the bits per second of a bandwidth such as `20 Mbit/s`."""
    number, unit = _single(raw, BANDWIDTH_UNITS, "a bandwidth", "20 Mbit/s")
    return _bounded(_exact(number * BANDWIDTH_UNITS[unit], raw, "1 bit/s"), 2**63 - 1, raw)


def parse_ratio(raw: object) -> Fraction:
    """Return the exact ratio of `0.3%` or `30 bps`, both 3/1000; a leading minus is allowed.

    >>> parse_ratio("0.3%") == parse_ratio("30 bps")
    True
    """
    text, sign = raw, 1
    if isinstance(raw, str) and raw.strip().startswith("-"):
        text, sign = raw.strip()[1:], -1
    number, unit = _single(text, RATIO_UNITS, "a ratio", "0.3%")
    return sign * number * RATIO_UNITS[unit]


def parse_count(raw: object) -> int:
    """Return a whole number without a unit: `30000000` or `30_000_000`."""
    if isinstance(raw, bool):
        raise ValueRefused(f"expected a whole number, found {show(raw)}")
    if isinstance(raw, int):
        return int(raw)
    if isinstance(raw, str) and _WHOLE.fullmatch(raw.strip()) and len(raw) <= DIGITS_MAX:
        return int(raw)
    raise ValueRefused(f"expected a whole number such as 30000000, found {show(raw)}")


def parse_number(raw: object) -> Fraction:
    """Return a number without a unit, exactly: `2`, `2.5`."""
    if isinstance(raw, Fraction):
        return raw
    if isinstance(raw, int) and not isinstance(raw, bool):
        return Fraction(int(raw))
    if isinstance(raw, str | float | Decimal) and _BARE.fullmatch(text := str(raw).strip()):
        number = Decimal(text.replace("_", ""))
        if len(text) <= DIGITS_MAX and abs(number.adjusted()) <= DIGITS_MAX:
            return Fraction(number)
    raise ValueRefused(f"expected a number such as 2 or 2.5, found {show(raw)}")


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happens by chance: *count* times in *per_ns*, on average."""

    count: Fraction
    per_ns: int

    @property
    def mean_gap_ns(self) -> int:
        """Return the mean time between two, in ns, rounded down."""
        return int(self.per_ns / self.count)


def parse_rate(raw: object) -> Rate:
    """Return the rate of `3/h`, `0.5/10m` or `2 per 1h`."""
    if isinstance(raw, Rate):
        return raw
    match = _RATE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise ValueRefused(f"{show(raw)} is not a rate; write a count per time, as in 3/h or 1/10m")
    count = Fraction(match[1].replace("_", ""))
    per_ns = parse_duration(match[2] if match[2][0].isdigit() else f"1{match[2]}")
    if count == 0 or per_ns == 0:
        raise ValueRefused(f"{show(raw)}: both sides of a rate must be above 0; leave the fault out instead")
    return Rate(count, per_ns)


def format_duration(value_ns: int) -> str:
    """Return the shortest single-unit spelling that `parse_duration` reads back exactly."""
    for unit in ("h", "m", "s", "ms", "us"):
        if value_ns and value_ns % DURATION_UNITS[unit] == 0:
            return f"{value_ns // int(DURATION_UNITS[unit])}{unit}"
    return f"{value_ns}ns" if value_ns else "0s"


def format_shift(value_ns: int) -> str:
    """Return a spelling of *value_ns* that `parse_shift` reads back exactly."""
    return f"-{format_duration(-value_ns)}" if value_ns < 0 else format_duration(value_ns)


def format_amount(value_wei: int) -> str:
    """Return a spelling of *value_wei* that `parse_wei` reads back exactly."""
    for unit, places in (("ether", 12), ("gwei", 3)):
        if value_wei and value_wei % 10**places == 0:
            return f"{format_number(value_wei / WEI_UNITS[unit])} {unit}"
    return f"{value_wei} wei"


def format_size(value_bytes: int) -> str:
    """Return a spelling of *value_bytes* that `parse_size` reads back exactly."""
    for unit in ("GiB", "MiB", "KiB"):
        if value_bytes and value_bytes % SIZE_UNITS[unit] == 0:
            return f"{value_bytes // int(SIZE_UNITS[unit])} {unit}"
    return f"{value_bytes} B"


def format_bandwidth(value: int) -> str:
    """Return a spelling of *value*, in bits per second, that `parse_bandwidth` reads back exactly."""
    for unit in ("Gbit/s", "Mbit/s", "kbit/s"):
        if value and value % BANDWIDTH_UNITS[unit] == 0:
            return f"{value // int(BANDWIDTH_UNITS[unit])} {unit}"
    return f"{value} bit/s"


def format_ratio(value: Fraction) -> str:
    """Return *value* in percent, exactly."""
    return f"{format_number(value * 100)}%"


def format_rate(value: Rate) -> str:
    """Return a spelling of *value* that `parse_rate` reads back exactly."""
    return f"{format_number(value.count)}/{format_duration(value.per_ns)}"


def format_number(value: Fraction) -> str:
    """Return a fraction with a finite decimal expansion as that decimal.

    >>> format_number(Fraction(3, 8))
    '0.375'
    """
    places, denominator = 0, value.denominator
    while denominator % 10 == 0:
        places, denominator = places + 1, denominator // 10
    while denominator % 2 == 0 or denominator % 5 == 0:
        places, denominator = places + 1, denominator // (2 if denominator % 2 == 0 else 5)
    assert denominator == 1, f"{value} has no finite decimal"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _parts(raw: object, units: Mapping[str, object], what: str, example: str) -> list[tuple[Fraction, str]]:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise ValueRefused(f"expected {what} such as {example}, found {show(raw)}")
    text = raw.text if isinstance(raw, Whole | Real) else str(raw).strip()
    if _BARE.fullmatch(text) or isinstance(raw, Whole):
        if text in ("0", "-0", "+0"):
            return [(Fraction(0), next(iter(units)))]
        raise ValueRefused(f"{text} has no unit; write {what} as in {example} (units: {' '.join(units)})")
    if text.startswith("-"):
        raise ValueRefused(f"{text}: {what} cannot be negative")
    found: list[tuple[Fraction, str]] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or len(match[1]) > DIGITS_MAX:
            raise ValueRefused(f"{show(raw)} is not {what}; write it as in {example} (units: {' '.join(units)})")
        if match[2] not in units:
            hint = suggestion(match[2], units) or f"; units: {' '.join(units)}"
            raise ValueRefused(f"{show(raw)}: '{match[2]}' is not a unit of {what.partition(' ')[2]}{hint}")
        found.append((Fraction(match[1].replace("_", "")), match[2]))
        position = match.end()
    if not found:
        raise ValueRefused(f"expected {what} such as {example}, found nothing")
    return found


def _single(raw: object, units: Mapping[str, object], what: str, example: str) -> tuple[Fraction, str]:
    parts = _parts(raw, units, what, example)
    if len(parts) > 1:
        raise ValueRefused(f"{show(raw)}: {what} has one number and one unit, as in {example}")
    return parts[0]


def _exact(value: Fraction, raw: object, grain: str) -> int:
    if value.denominator != 1:
        raise ValueRefused(f"{show(raw)} is finer than {grain}")
    return value.numerator


def _bounded(value: int, limit: int, raw: object) -> int:
    if value > limit:
        raise ValueRefused(f"{show(raw)} is above the largest value, {limit}")
    return value


def show(raw: object) -> str:
    """Return *raw* for a message, short."""
    if isinstance(raw, Mapping):
        return "a map"
    if isinstance(raw, list | tuple):
        return "a list"
    if raw is None:
        return "nothing (null)"
    if isinstance(raw, bool):
        return "true" if raw else "false"
    text = raw.text if isinstance(raw, Whole | Real) else str(raw)
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"'{text}'" if isinstance(raw, str) else text
