"""Distributions a scenario may name where it could name a number, drawn from keyed streams without libm."""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from sim import numeric
from sim.rng import Key, Stream
from sim.scenario.source import anchor
from sim.scenario.values import (
    DURATION_UNITS,
    WEI_UNITS,
    ValueRefused,
    format_amount,
    format_duration,
    format_number,
    parse_duration,
    parse_wei,
    suggestion,
)

SAMPLES_MAX = 1_000_000
_SIGMA_P99 = numeric.normal_quantile(0.99)
_EXPONENT_MAX = 700.0
_PERCENTILE = re.compile(r"p([0-9]{1,3}(?:\.[0-9]{1,12})?)")


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a distribution's numbers are: how they are read, spelt and, in a file of samples, which units they have."""

    name: str
    parse: Callable[[object], int]
    spell: Callable[[int], str]
    units: tuple[str, ...]


DURATION = Dimension("duration", parse_duration, format_duration, tuple(DURATION_UNITS))
AMOUNT = Dimension("amount", parse_wei, format_amount, tuple(WEI_UNITS))


@dataclass(frozen=True, slots=True)
class Distribution(ABC):
    """A source of non-negative integers: ns for a duration, wei for an amount.

    A draw is keyed (see `sim.rng`): the same key gives the same value whatever was drawn before.
    """

    @abstractmethod
    def draw(self, stream: Stream, *key: Key) -> int:
        """Return the value that *key* has in *stream*, at least 0."""

    @abstractmethod
    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return the distribution as a scenario file writes it, with numbers spelt by *spell*."""


@dataclass(frozen=True, slots=True)
class Constant(Distribution):
    """Always the same value; draws nothing from the stream."""

    value: int

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return the value."""
        return self.value

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return the number alone."""
        return spell(self.value)


@dataclass(frozen=True, slots=True)
class Uniform(Distribution):
    """Each integer from *low* to *high*, both included, as likely."""

    low: int
    high: int

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return one integer of the range."""
        return stream.between(self.low, self.high, *key)

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return `{dist: uniform, ...}`."""
        return {"dist": "uniform", "low": spell(self.low), "high": spell(self.high)}


@dataclass(frozen=True, slots=True)
class Exponential(Distribution):
    """Waiting times without memory."""

    mean: int

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return a variate, rounded to the nearest integer."""
        return int(stream.exponential(float(self.mean), *key) + 0.5)

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return `{dist: exponential, ...}`."""
        return {"dist": "exponential", "mean": spell(self.mean)}


@dataclass(frozen=True, slots=True)
class Normal(Distribution):
    """A bell around *mean*; draws below zero become zero."""

    mean: int
    deviation: int

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return a variate, rounded to the nearest integer, at least 0."""
        return max(0, int(float(self.mean) + float(self.deviation) * stream.normal(*key) + 0.5))

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return `{dist: normal, ...}`."""
        return {"dist": "normal", "mean": spell(self.mean), "deviation": spell(self.deviation)}


@dataclass(frozen=True, slots=True)
class LogNormal(Distribution):
    """Half the draws lie below *median*, ninety-nine in a hundred below *p99*."""

    median: int
    p99: int
    sigma: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", numeric.log(self.p99 / self.median) / _SIGMA_P99)

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return a variate, rounded to the nearest integer."""
        return _scaled(float(self.median), self.sigma * stream.normal(*key))

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return `{dist: lognormal, ...}`."""
        return {"dist": "lognormal", "median": spell(self.median), "p99": spell(self.p99)}


@dataclass(frozen=True, slots=True)
class Quantiles(Distribution):
    """Passes through the measured quantiles; log-normal between them and beyond the outermost.

    `p0` and `p100` are hard ends.

    Args:
        points: (percent, value), at least two besides p0 and p100, both ascending.
    """

    points: tuple[tuple[Fraction, int], ...]
    floor: int | None = None
    ceiling: int | None = None
    _z: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _log: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_z", tuple(numeric.normal_quantile(float(p / 100)) for p, _ in self.points))
        object.__setattr__(self, "_log", tuple(numeric.log(float(value)) for _, value in self.points))

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return a variate by inversion, linear in (normal score, logarithm)."""
        z = stream.normal(*key)
        left = min(max(bisect_right(self._z, z) - 1, 0), len(self._z) - 2)
        slope = (self._log[left + 1] - self._log[left]) / (self._z[left + 1] - self._z[left])
        value = _scaled(1.0, self._log[left] + slope * (z - self._z[left]))
        value = value if self.floor is None else max(self.floor, value)
        return value if self.ceiling is None else min(self.ceiling, value)

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return `{quantiles: {...}}`."""
        named = {f"p{format_number(percent)}": spell(value) for percent, value in self.points}
        low = {} if self.floor is None else {"p0": spell(self.floor)}
        high = {} if self.ceiling is None else {"p100": spell(self.ceiling)}
        return {"quantiles": {**low, **named, **high}}


@dataclass(frozen=True, slots=True)
class Samples(Distribution):
    """Measured values, each as likely to be drawn again."""

    path: Path = field(compare=False)
    column: str
    unit: str
    values: tuple[int, ...] = field(repr=False)

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return one of the measured values."""
        return stream.choice(self.values, *key)

    def plain(self, spell: Callable[[int], str]) -> Any:
        """Return `{samples: ..., column: ..., unit: ...}` with the path in full."""
        return {"samples": str(self.path), "column": self.column, "unit": self.unit}


def parse_distribution(dimension: Dimension, raw: object) -> Distribution:
    """Return the distribution that a number, `{dist: ...}`, `{quantiles: ...}` or `{samples: ...}` names.

    Raises:
        ValueRefused: with the place inside *raw*.
    """
    if isinstance(raw, Distribution):
        return raw
    if not isinstance(raw, Mapping):
        return Constant(dimension.parse(raw))
    for form, read in (("quantiles", _quantiles), ("samples", _samples), ("dist", _named)):
        if form in raw:
            return read(dimension, raw)
    hint = "".join(suggestion(str(key), ["dist", "quantiles", "samples"]) for key in raw)
    raise ValueRefused(
        f"expected a {dimension.name} or a distribution: {{dist: lognormal, median: ..., p99: ...}}, "
        f"{{quantiles: {{p50: ..., p99: ...}}}} or {{samples: file.csv, column: ms}}{hint}"
    )


PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "constant": ("value",),
    "uniform": ("low", "high"),
    "exponential": ("mean",),
    "normal": ("mean", "deviation"),
    "lognormal": ("median", "p99"),
}


def _named(dimension: Dimension, raw: Mapping[str, object]) -> Distribution:
    name = str(raw["dist"])
    if name not in PARAMETERS:
        hint = suggestion(name, PARAMETERS) or f"; there are {', '.join(PARAMETERS)}"
        raise ValueRefused(f"'{name}' is no distribution{hint}", ("dist",))
    wanted = PARAMETERS[name]
    _only(raw, ("dist", *wanted), f"of {name}")
    for key in wanted:
        if key not in raw:
            raise ValueRefused(f"{name} needs {' and '.join(wanted)}; '{key}' is missing")
    values = [_at(dimension.parse, raw[key], key) for key in wanted]
    if name == "constant":
        return Constant(values[0])
    if name == "exponential":
        return Exponential(values[0])
    if name == "normal":
        return Normal(values[0], values[1])
    if name == "uniform":
        if values[0] > values[1]:
            raise ValueRefused(f"low {raw['low']} is above high {raw['high']}", ("low",))
        return Uniform(values[0], values[1])
    if values[0] == 0:
        raise ValueRefused("the median of a lognormal must be above 0", ("median",))
    if values[0] > values[1]:
        raise ValueRefused(f"p99 {raw['p99']} is below the median {raw['median']}", ("p99",))
    return LogNormal(values[0], values[1])


def _quantiles(dimension: Dimension, raw: Mapping[str, object]) -> Distribution:
    _only(raw, ("quantiles",), "beside quantiles")
    given = raw["quantiles"]
    if not isinstance(given, Mapping):
        raise ValueRefused("expected a map such as {p50: 3ms, p99: 20ms}", ("quantiles",))
    points: list[tuple[Fraction, int, str]] = []
    for key, value in given.items():
        match = _PERCENTILE.fullmatch(str(key))
        if match is None or Fraction(match[1]) > 100:
            raise ValueRefused(f"'{key}' is no quantile; write p0 to p100, as in p50 or p99.9", ("quantiles", str(key)))
        points.append((Fraction(match[1]), _at(dimension.parse, value, "quantiles", str(key)), str(key)))
    points.sort()
    for (low, low_value, low_key), (high, high_value, high_key) in pairwise(points):
        if low == high or low_value > high_value:
            raise ValueRefused(f"{high_key} is below {low_key}; quantiles ascend", ("quantiles", high_key))
    inner = tuple((percent, value) for percent, value, _ in points if 0 < percent < 100)
    if len(inner) < 2 or inner[0][1] == 0:
        message = "needs two quantiles above 0 between p0 and p100, as in {p50: 3ms, p99: 20ms}"
        raise ValueRefused(message, ("quantiles",))
    ends = {percent: value for percent, value, _ in points}
    return Quantiles(inner, ends.get(Fraction(0)), ends.get(Fraction(100)))


def _samples(dimension: Dimension, raw: Mapping[str, object]) -> Distribution:
    _only(raw, ("samples", "column", "unit"), "of samples")
    path = anchor(raw["samples"]) if isinstance(raw["samples"], str) else None
    if path is None:
        raise ValueRefused("expected the path of a CSV file", ("samples",))
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            column = str(raw["column"]) if "column" in raw else _only_column(header, path)
            if column not in header:
                hint = suggestion(column, header) or f"; there are {', '.join(header) or 'none'}"
                raise ValueRefused(f"{path.name} has no column '{column}'{hint}", ("column",))
            unit = str(raw.get("unit", column))
            if unit not in dimension.units:
                at = ("unit",) if "unit" in raw else ("column",) if "column" in raw else ()
                raise ValueRefused(f"'{unit}' is no unit; add unit: one of {' '.join(dimension.units)}", at)
            values = _read(dimension, rows, header.index(column), unit, path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueRefused(f"cannot read {path}: {reason}", ("samples",)) from None
    return Samples(path, column, unit, values)


def _read(dimension: Dimension, rows: Any, index: int, unit: str, path: Path) -> tuple[int, ...]:
    values: list[int] = []
    for row in rows:
        if not row:
            continue
        cell = row[index].strip() if index < len(row) else ""
        try:
            values.append(dimension.parse(cell if cell[-1:].isalpha() else f"{cell}{unit}"))
        except ValueRefused as error:
            raise ValueRefused(f"{path.name}:{rows.line_num}: {error}", ("samples",)) from None
        if len(values) > SAMPLES_MAX:
            raise ValueRefused(f"{path.name} has more than {SAMPLES_MAX} samples", ("samples",))
    if not values:
        raise ValueRefused(f"{path.name} has no samples", ("samples",))
    return tuple(values)


def _only_column(header: list[str], path: Path) -> str:
    if len(header) == 1:
        return header[0]
    raise ValueRefused(f"{path.name} has {len(header)} columns; name one with column: ...", ("samples",))


def _only(raw: Mapping[str, object], allowed: tuple[str, ...], where: str) -> None:
    for key in raw:
        if key not in allowed:
            hint = suggestion(str(key), list(allowed)) or f"; keys are {', '.join(allowed)}"
            raise ValueRefused(f"unknown key '{key}' {where}{hint}", (str(key), "<key>"))


def _at(parse: Callable[[object], int], raw: object, *at: str) -> int:
    try:
        return parse(raw)
    except ValueRefused as error:
        raise ValueRefused(str(error), (*at, *error.at)) from None


def _scaled(base: float, exponent: float) -> int:
    """Return base * e**exponent, to the nearest integer."""
    bounded = max(-_EXPONENT_MAX, min(_EXPONENT_MAX, exponent))
    return int(base * numeric.exp(bounded) + 0.5)
