"""Units: integer nanoseconds, wei and gas, with exact conversions between spellings."""

from __future__ import annotations

import re
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple, NewType

Ns = NewType("Ns", int)
Wei = NewType("Wei", int)
Gas = NewType("Gas", int)

US = 1_000
MS = 1_000_000
S = 1_000_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
DAY = 24 * HOUR

GWEI = 10**9
ETHER = 10**18

UNITS = MappingProxyType(
    {
        "ns": ("ns", Fraction(1)),
        "us": ("ns", Fraction(US)),
        "\u00b5s": ("ns", Fraction(US)),  # the micro sign
        "\u03bcs": ("ns", Fraction(US)),  # the Greek letter
        "ms": ("ns", Fraction(MS)),
        "s": ("ns", Fraction(S)),
        "m": ("ns", Fraction(MINUTE)),
        "h": ("ns", Fraction(HOUR)),
        "d": ("ns", Fraction(DAY)),
        "wei": ("wei", Fraction(1)),
        "gwei": ("wei", Fraction(GWEI)),
        "eth": ("wei", Fraction(ETHER)),
        "ether": ("wei", Fraction(ETHER)),
        "gas": ("gas", Fraction(1)),
        "B": ("bytes", Fraction(1)),
        "bytes": ("bytes", Fraction(1)),
        "kB": ("bytes", Fraction(10**3)),
        "MB": ("bytes", Fraction(10**6)),
        "GB": ("bytes", Fraction(10**9)),
        "KiB": ("bytes", Fraction(1 << 10)),
        "MiB": ("bytes", Fraction(1 << 20)),
        "GiB": ("bytes", Fraction(1 << 30)),
        "bit/s": ("bits per second", Fraction(1)),
        "kbit/s": ("bits per second", Fraction(10**3)),
        "Mbit/s": ("bits per second", Fraction(10**6)),
        "Gbit/s": ("bits per second", Fraction(10**9)),
        "%": ("ratio", Fraction(1, 100)),
        "bps": ("ratio", Fraction(1, 10_000)),
        "ppm": ("ratio", Fraction(1, 1_000_000)),
    }
)
"""Every unit a user may write: the base unit it stands for, and how many of those it is."""

_QUANTITY = re.compile(r"([+-]?(?:\d[\d_]*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)\s*([^\s\d.+-]*)")


class Quantity(NamedTuple):
    """An exact number in a base unit: `ns`, `wei`, `gas`, `bytes`, `ratio`, or None where no unit was written."""

    value: Fraction
    unit: str | None


def parse_quantity(text: str) -> Quantity:
    """Return what *text* says, exactly: `12s`, `2 gwei`, `0.3%`, `1.5 ether`, `2 GiB`, `1e18`.

    Raises:
        ValueError: it is no number, or its unit does not exist; the message names the units there are.

    >>> parse_quantity("1.5 gwei")
    Quantity(value=Fraction(1500000000, 1), unit='wei')
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit, such as 12s, 2 gwei or 0.3%")
    number, unit = Fraction(match[1].replace("_", "")), match[2]
    if not unit:
        return Quantity(number, None)
    if unit not in UNITS:
        raise ValueError(f"unknown unit {unit!r} in {text!r}; there are {', '.join(UNITS)}")
    base, size = UNITS[unit]
    return Quantity(number * size, base)


def format_ns(value_ns: int) -> str:
    """Return *value_ns* in the largest unit that keeps it readable.

    >>> format_ns(1_500_000), format_ns(12 * S), format_ns(90 * S)
    ('1.5ms', '12s', '1m30s')
    """
    if abs(value_ns) < US:
        return f"{value_ns}ns"
    size, unit = next((size, unit) for size, unit in ((S, "s"), (MS, "ms"), (US, "us")) if abs(value_ns) >= size)
    if abs(value_ns) >= MINUTE:
        sign = "-" if value_ns < 0 else ""
        minutes, rest_ns = divmod(abs(value_ns), MINUTE)
        return f"{sign}{minutes}m{_decimal(rest_ns, S)}s"
    return f"{_decimal(value_ns, size)}{unit}"


def format_wei(value_wei: int) -> str:
    """Return *value_wei* as ether with six decimals at most, rounded toward zero.

    >>> format_wei(1_500_000_000_000_000_000), format_wei(-1)
    ('1.5 ether', '-0 ether')
    """
    sign = "-" if value_wei < 0 else ""
    return f"{sign}{_decimal(abs(value_wei) // 10**12, 10**6, places=6)} ether"


def _decimal(value: int, size: int, places: int = 3) -> str:
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), size)
    digits = str(rest * 10**places // size).zfill(places).rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
