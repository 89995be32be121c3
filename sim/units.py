"""Units: integer nanoseconds, wei and gas, with exact conversions between spellings."""

from __future__ import annotations

from typing import NewType

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


def format_ns(value_ns: int) -> str:
    """Return *value_ns* in the largest unit that keeps it readable.

    >>> format_ns(1_500_000), format_ns(12 * S), format_ns(90 * S)
    ('1.5ms', '12s', '1m30s')
    """
    if abs(value_ns) < US:
        return f"{value_ns}ns"
    for size, unit in ((S, "s"), (MS, "ms"), (US, "us")):
        if abs(value_ns) >= size:
            break
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
