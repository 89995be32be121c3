"""What a record measures: the registry of metrics, how they are computed, and thresholds on them."""

from sim.metric.collect import SUBJECT, Collector, Metrics
from sim.metric.registry import METRICS, Metric
from sim.metric.series import Trend, percentile
from sim.metric.threshold import (
    AGGREGATES,
    Selector,
    Threshold,
    ThresholdError,
    check_threshold,
    parse_selector,
    suggest,
    thresholds_of,
)

__all__ = [
    "AGGREGATES",
    "METRICS",
    "SUBJECT",
    "Collector",
    "Metric",
    "Metrics",
    "Selector",
    "Threshold",
    "ThresholdError",
    "Trend",
    "check_threshold",
    "parse_selector",
    "percentile",
    "suggest",
    "thresholds_of",
]
