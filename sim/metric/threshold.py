"""The grammar of thresholds, k6's: `p(99)<350ms` on `lock.wait{lock:nonce}`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from sim.errors import ScenarioError
from sim.metric.registry import METRICS, Metric
from sim.metric.series import Number, Series
from sim.units import parse_quantity

AGGREGATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "counter": ("count", "value", "rate"),
        "gauge": ("value", "min", "max", "count"),
        "rate": ("rate", "value", "count"),
        "trend": ("count", "min", "mean", "avg", "med", "max", "p"),
    }
)
"""What a threshold may ask of each type of metric."""

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
_PERCENT_MAX = 100
_EXPRESSION = re.compile(r"\s*([a-z]+)\s*(?:\(\s*([\d.]+)\s*\))?\s*(<=|>=|==|!=|=+|<|>)\s*(.+?)\s*")
_SELECTOR = re.compile(r"([^{}\s]+)(?:\{([^{}]*)\})?")


class ThresholdError(ScenarioError):
    """A threshold is wrong.

    Args:
        part: `metric` or `expr`, the one at fault.
        offset: characters before the fault in that part, for a caret.
    """

    def __init__(self, message: str, part: Literal["metric", "expr"], offset: int = 0) -> None:
        self.part = part
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric, or the samples of it that carry all of *tags*."""

    name: str
    tags: tuple[tuple[str, str], ...] = ()

    def matches(self, tags: Mapping[str, str]) -> bool:
        """Say whether a sample with *tags* is selected."""
        return all(tags.get(key) == value for key, value in self.tags)

    def __str__(self) -> str:
        inner = ",".join(f"{key}:{value}" for key, value in self.tags)
        return f"{self.name}{{{inner}}}" if inner else self.name


@dataclass(frozen=True, slots=True)
class Threshold:
    """A target for a metric, parsed and checked.

    Args:
        metric: the metric's name as written, tags included.
        expr: the expression as written.
        bound: the number compared with, in the metric's base unit.
        file: the scenario file that states it, for annotations; may be empty.
        line: its line there; 0 if it has none.
        abort_on_fail: no further seed is flown once this one fails it.
    """

    metric: str
    expr: str
    selector: Selector
    aggregate: str
    percent: Fraction | None
    operator: str
    bound: Fraction
    file: str = ""
    line: int = 0
    abort_on_fail: bool = False

    @property
    def unit(self) -> str:
        """The unit of the number compared: the metric's, or `count` for numbers of samples and per second."""
        return _unit(METRICS[self.selector.name], self.aggregate)

    def value(self, series: Series) -> Number | None:
        """Return the number that is compared with the bound, or None without samples."""
        return series.aggregate(self.aggregate, self.percent)

    def holds(self, value: Number | None) -> bool:
        """Say whether *value* meets the target; a metric without samples never does."""
        return value is not None and _OPERATORS[self.operator](Fraction(value), self.bound)

    def lost(self, value: Number | None) -> bool:
        """Say whether *value*, taken from a part of the flight, fails the target whatever comes after.

        A total or a maximum only grows, a minimum only falls; totals that a reorg can take back are not counted on.
        """
        if value is None or self.holds(value):
            return False
        if self.aggregate == "max" or (self.aggregate in ("count", "value") and self._only_grows()):
            return self.operator in ("<", "<=") or (self.operator == "==" and Fraction(value) > self.bound)
        if self.aggregate == "min":
            return self.operator in (">", ">=") or (self.operator == "==" and Fraction(value) < self.bound)
        return False

    def _only_grows(self) -> bool:
        metric = METRICS[self.selector.name]
        if metric.type == "gauge" or metric.name in _TAKEN_BACK:
            return self.aggregate == "count" and metric.type == "gauge"
        return self.aggregate == "count" or metric.type == "counter"


_TAKEN_BACK = frozenset(
    {"bot.included", "bot.reverted", "bot.trades", "bot.gas_used", "bot.gas_cost_wei", "market.trades"}
    | {"bot.inclusion_ratio", "bot.revert_ratio"}
)


def parse_selector(text: str) -> Selector:
    """Return the metric that *text* names, with its tags.

    Raises:
        ThresholdError: there is no such metric or tag; the message says which there are.

    >>> parse_selector("lock.wait{lock:nonce}")
    Selector(name='lock.wait', tags=(('lock', 'nonce'),))
    """
    match = _SELECTOR.fullmatch(text.strip())
    if match is None:
        raise ThresholdError(f"{text!r} is not a metric's name, such as lock.wait or lock.wait{{lock:nonce}}", "metric")
    name, inner = match[1], match[2]
    if name not in METRICS:
        raise ThresholdError(f"unknown metric {name!r}; {suggest(name, METRICS)}", "metric")
    if inner is None:
        return Selector(name)
    return Selector(name, tuple(_tag(METRICS[name], pair, text.find("{") + 1) for pair in inner.split(",")))


def check_threshold(metric: str, expr: str, *, file: str = "", line: int = 0, abort_on_fail: bool = False) -> Threshold:
    """Return the threshold *expr* on *metric*, checked against the registry.

    Raises:
        ThresholdError: the metric, a tag, the aggregate, the operator or the value's unit is wrong.

    >>> check_threshold("latency.head_to_send", "p(99)<350ms").bound
    Fraction(350000000, 1)
    """
    selector = parse_selector(metric)
    known = METRICS[selector.name]
    match = _EXPRESSION.fullmatch(expr)
    if match is None:
        raise ThresholdError(f"{expr!r} is not a threshold; write aggregate, operator, value: 'p(99)<350ms'", "expr")
    aggregate, percent, sign, text = match.groups()
    allowed = AGGREGATES[known.type]
    if aggregate not in allowed:
        message = f"{known.name} is a {known.type} and has no {aggregate!r}; {suggest(aggregate, allowed)}"
        raise ThresholdError(message, "expr", match.start(1))
    if sign not in _OPERATORS:
        raise ThresholdError(f"unknown operator {sign!r}; there are {' '.join(_OPERATORS)}", "expr", match.start(3))
    return Threshold(
        metric=metric.strip(),
        expr=expr.strip(),
        selector=selector,
        aggregate=aggregate,
        percent=_percent(aggregate, percent, match),
        operator=sign,
        bound=_bound(known, aggregate, text, match.start(4)),
        file=file,
        line=line,
        abort_on_fail=abort_on_fail,
    )


def thresholds_of(header: Mapping[str, Any]) -> tuple[Threshold, ...]:
    """Return the thresholds that a record's header carries."""
    return tuple(
        check_threshold(
            entry["metric"],
            entry["expr"],
            file=entry.get("file") or "",
            line=entry.get("line") or 0,
            abort_on_fail=bool(entry.get("abort_on_fail")),
        )
        for entry in header.get("thresholds", ())
    )


def suggest(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """Return "did you mean X?", or the list of what there is."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are {', '.join(known)}"


def _tag(metric: Metric, pair: str, offset: int) -> tuple[str, str]:
    key, colon, value = (part.strip() for part in pair.partition(":"))
    if not (key and colon and value):
        raise ThresholdError(f"{pair!r} is not a tag; write key:value", "metric", offset)
    if key not in metric.tags:
        rest = suggest(key, metric.tags) if metric.tags else "it has no tags"
        raise ThresholdError(f"{metric.name} has no tag {key!r}; {rest}", "metric", offset)
    return key, value


def _percent(aggregate: str, text: str | None, match: re.Match[str]) -> Fraction | None:
    if (aggregate == "p") != (text is not None):
        mend = "name the percentile: p(99)" if aggregate == "p" else f"{aggregate} takes no argument"
        raise ThresholdError(mend, "expr", match.start(1))
    if text is None:
        return None
    try:
        percent = Fraction(text)
    except ValueError:
        raise ThresholdError(f"{text!r} is not a percentile", "expr", match.start(2)) from None
    if percent > _PERCENT_MAX:
        raise ThresholdError(f"there is no percentile {text}; it lies between 0 and 100", "expr", match.start(2))
    return percent


def _unit(metric: Metric, aggregate: str) -> str:
    if metric.type == "counter":
        return "count" if aggregate == "rate" else metric.unit
    return "count" if aggregate == "count" else metric.unit


def _bound(metric: Metric, aggregate: str, text: str, offset: int) -> Fraction:
    try:
        quantity = parse_quantity(text)
    except ValueError as error:
        raise ThresholdError(str(error), "expr", offset) from None
    unit = _unit(metric, aggregate)
    if quantity.unit is None or quantity.unit == unit:
        return quantity.value
    asked = f"{aggregate} of {metric.name}"
    needed = "is a plain number" if unit == "count" else f"is in {unit}"
    raise ThresholdError(f"{text!r} is in {quantity.unit}, but {asked} {needed}", "expr", offset)
