"""How values are spelled for people: units, times and text that a record may have poisoned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sim.metric import METRICS, Threshold
from sim.units import ETHER, GWEI, S, format_ns

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
_ETHER_PLACES = 6
_SMALL_ETHER_WEI = 10**12
_BYTE_STEP = 1024
_TIME_TICKS_MAX = 9
_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 604_800)


def spell_cpu(header: Mapping[str, Any]) -> str:
    """Return what a run's header says of the bot's CPU time.

    >>> spell_cpu({}), spell_cpu({"cpu_functions": 1})
    ('CPU time not modelled', 'CPU time modelled for 1 function')
    """
    count = header.get("cpu_functions")
    if not isinstance(count, int) or count < 1:
        return "CPU time not modelled"
    return f"CPU time modelled for {count} function{'' if count == 1 else 's'}"


def spell(value: float | None, unit: str) -> str:
    """Return *value*, given in the base unit *unit*, as a person reads it.

    >>> spell(1_500_000, "ns"), spell(2 * 10**16, "wei"), spell(0.25, "ratio")
    ('1.5 ms', '0.02 ETH', '25 %')
    """
    if value is None:
        return NOTHING
    if unit == "ns":
        return _spaced(format_ns(int(value)))
    if unit == "wei":
        return _wei(int(value))
    if unit == "ratio":
        return f"{_number(value * 100)} %"
    if unit == "bytes":
        return _bytes(value)
    return _number(value) + (" gas" if unit == "gas" else "")


def spell_threshold_value(threshold: Threshold, value: float | None) -> str:
    """Return the value a threshold was compared with, in the unit of its aggregate."""
    if METRICS[threshold.selector.name].type == "counter" and threshold.aggregate == "rate":
        return spell(value, "count") + "/s"
    return spell(value, threshold.unit)


def spell_time(t_ns: int) -> str:
    """Return a virtual time as minutes, seconds and milliseconds since the start of the flight.

    >>> spell_time(61_250_000_000)
    '1:01.250'
    """
    minutes, rest_ns = divmod(t_ns, 60 * S)
    return f"{minutes}:{rest_ns // S:02d}.{rest_ns % S // 10**6:03d}"


def spell_instant(epoch_s: int, t_ns: int) -> str:
    """Return a virtual time as a UTC timestamp with milliseconds.

    >>> spell_instant(1_700_000_000, 250_000_000)
    '2023-11-14T22:13:20.250Z'
    """
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=epoch_s, milliseconds=t_ns // 10**6)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(second: int) -> str:
    """Return a whole second of virtual time for an axis.

    >>> clock(75), clock(3600)
    ('1:15', '1:00:00')
    """
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def time_step_s(end_s: float) -> int:
    """Return the whole seconds between two ticks of a time axis that ends at *end_s*."""
    return next((step for step in _TIME_STEPS_S if end_s / step <= _TIME_TICKS_MAX), _TIME_STEPS_S[-1])


def plain(text: object) -> str:
    r"""Return *text* without characters that a terminal or an XML parser would act on; line feeds and tabs stay.

    >>> plain("a\x1b[31mb") == "a\ufffd[31mb"
    True
    """
    return "".join(char if char in "\n\t" or _printable(char) else "\ufffd" for char in str(text))


def _printable(char: str) -> bool:
    code = ord(char)
    surrogate = 0xD800 <= code <= 0xDFFF  # the block that Unicode reserves
    bidi = char in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    control = code < 0x20 or 0x7F <= code < 0xA0  # C0 and C1
    return not (surrogate or bidi or control or code in (0xFFFE, 0xFFFF))


def _spaced(text: str) -> str:
    for unit in ("ns", "us", "ms"):
        if text.endswith(unit):
            return f"{text[: -len(unit)]} {unit}".replace("-", MINUS)
    if "m" in text:
        return text.replace("m", " min ").replace("s", " s").replace("-", MINUS)
    return text.replace("s", " s").replace("-", MINUS)


def _wei(value: int) -> str:
    sign, size = (MINUS if value < 0 else ""), abs(value)
    if size >= _SMALL_ETHER_WEI:
        return f"{sign}{_decimal(size, ETHER, _ETHER_PLACES)} ETH"
    if size >= 10**6:  # a thousandth of a gwei
        return f"{sign}{_decimal(size, GWEI, 3)} gwei"
    return f"{sign}{size} wei"


def _decimal(value: int, size: int, places: int) -> str:
    whole, rest = divmod(value, size)
    digits = str(rest * 10**places // size).zfill(places).rstrip("0")
    return f"{whole:,}.{digits}" if digits else f"{whole:,}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace("-", MINUS)


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < _BYTE_STEP:
            return f"{_number(round(value, 1))} {unit}"
        value /= _BYTE_STEP
    return f"{_number(round(value, 1))} GiB"
