"""The samples of one metric, and what can be asked of them: exact aggregates in the metric's own unit."""

from __future__ import annotations

from array import array
from fractions import Fraction
from math import fsum
from typing import Protocol

from sim.metric.registry import INTEGER_UNITS, Metric

Number = int | float
Summary = dict[str, str | int | float | None]


class Series(Protocol):
    """What every type of metric answers."""

    def add(self, value: Number, /) -> None:
        """Take one sample."""

    def aggregate(self, name: str, percent: Fraction | None = None, /) -> Number | None:
        """Return the aggregate *name*, or None without samples."""

    def summary(self) -> Summary | None:
        """Return the aggregates that result.json shows, or None without samples."""


class Counter:
    """A total; it has a value from the moment that its source is watched, even if nothing is counted."""

    def __init__(self, watched: bool = False) -> None:
        self.total: Number = 0
        self.watched = watched
        self.flight_ns = 0

    def add(self, value: Number, /) -> None:
        """Add *value* to the total."""
        self.total += value
        self.watched = True

    def aggregate(self, name: str, _percent: Fraction | None = None, /) -> Number | None:
        """Return `count` (or `value`), the total; `rate`, the total per virtual second."""
        if not self.watched:
            return None
        if name == "rate":
            return self.total * 10**9 / self.flight_ns if self.flight_ns else None
        return self.total

    def summary(self) -> Summary | None:
        """Return the total twice: `value`, and `count`, which is what thresholds call it."""
        return {"count": self.total, "value": self.total} if self.watched else None


class Gauge:
    """The last of its values, with the least and the greatest."""

    def __init__(self) -> None:
        self.samples = 0
        self.last: Number = 0
        self.min: Number = 0
        self.max: Number = 0

    def add(self, value: Number, /) -> None:
        """Replace the value."""
        self.min = min(self.min, value) if self.samples else value
        self.max = max(self.max, value) if self.samples else value
        self.last = value
        self.samples += 1

    def aggregate(self, name: str, _percent: Fraction | None = None, /) -> Number | None:
        """Return `value`, `min`, `max`, or `count`, the number of samples."""
        if not self.samples:
            return None
        return {"value": self.last, "min": self.min, "max": self.max, "count": self.samples}[name]

    def summary(self) -> Summary | None:
        """Return count, value, min and max."""
        if not self.samples:
            return None
        return {"count": self.samples, "value": self.last, "min": self.min, "max": self.max}


class Rate:
    """The share of samples that are not zero."""

    def __init__(self) -> None:
        self.samples = 0
        self.hits = 0

    def add(self, value: Number, /) -> None:
        """Count one sample, and a hit if *value* is not zero."""
        self.samples += 1
        self.hits += bool(value)

    def aggregate(self, name: str, _percent: Fraction | None = None, /) -> Number | None:
        """Return `rate` (or `value`), or `count`, the number of samples."""
        if not self.samples:
            return None
        return self.samples if name == "count" else self.hits / self.samples

    def summary(self) -> Summary | None:
        """Return count and value."""
        return {"count": self.samples, "value": self.hits / self.samples} if self.samples else None


class Trend:
    """A distribution, exact because it keeps every sample: eight bytes each while they are integers below 2**63."""

    def __init__(self, integer: bool) -> None:
        self._integer = integer
        self._values: array[int] | list[Number] = array("q")
        self._sorted = True

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: Number, /) -> None:
        """Take one sample."""
        self._sorted = False
        try:
            self._values.append(value)  # type: ignore[arg-type]  # a float or a large integer is what the except is for
        except (OverflowError, TypeError):
            self._values = [*self._values, value]

    def aggregate(self, name: str, percent: Fraction | None = None, /) -> Number | None:
        """Return `count`, `min`, `mean` (or `avg`), `max`, `med`, or `p` with its *percent*.

        Means and percentiles of an integer unit are rounded down.
        """
        if not self._values:
            return None
        if name == "count":
            return len(self._values)
        if name in ("mean", "avg"):
            return self._mean()
        values = self.sorted()
        if name in ("min", "max"):
            return values[0] if name == "min" else values[-1]
        return self._whole(percentile(values, Fraction(50) if percent is None else percent))

    def summary(self) -> Summary | None:
        """Return count, min, mean, max, p50, p95 and p99."""
        if not self._values:
            return None
        marks: Summary = {f"p{mark}": self.aggregate("p", Fraction(mark)) for mark in (50, 95, 99)}
        return {name: self.aggregate(name) for name in ("count", "min", "mean", "max")} | marks

    def sorted(self) -> array[int] | list[Number]:
        """Return the samples in ascending order; they stay so until the next one."""
        if not self._sorted:
            ordered = sorted(self._values)
            self._values = array("q", ordered) if isinstance(self._values, array) else ordered  # type: ignore[arg-type]
            self._sorted = True
        return self._values

    def _mean(self) -> Number:
        floats = isinstance(self._values, list) and any(isinstance(value, float) for value in self._values)
        total = fsum(self._values) if floats else sum(self._values)
        return self._whole(Fraction(total) / len(self._values))

    def _whole(self, value: Fraction) -> Number:
        if self._integer or value.denominator == 1:
            return value.numerator // value.denominator
        return float(value)


def percentile(ordered: array[int] | list[Number], percent: Fraction) -> Fraction:
    """Return the *percent* percentile of samples in ascending order, exactly.

    Between two samples it is interpolated linearly, as numpy, k6 and spreadsheets do.

    >>> percentile([10, 20, 30, 40], Fraction(50))
    Fraction(25, 1)
    """
    rank = (len(ordered) - 1) * percent / 100
    below = rank.numerator // rank.denominator
    low = Fraction(ordered[below])
    if below + 1 >= len(ordered):
        return low
    return low + (Fraction(ordered[below + 1]) - low) * (rank - below)


def new_series(metric: Metric, watched: bool) -> Counter | Gauge | Rate | Trend:
    """Return an empty series for *metric*; *watched* says that nothing counted means zero, not unknown."""
    if metric.type == "counter":
        return Counter(watched)
    if metric.type == "gauge":
        return Gauge()
    if metric.type == "rate":
        return Rate()
    return Trend(metric.unit in INTEGER_UNITS)
