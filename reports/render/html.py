"""report.html: one page without scripts that opens offline; every text of a record is escaped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from reports.gate import Judged
from reports.render import plots, timeline
from reports.spelling import plain, spell, spell_cpu, spell_threshold_value, spell_time
from reports.story import Story
from sim.metric import METRICS
from sim.verdict import Verdict

ROWS_MAX = 500
DETAIL_CHARS_MAX = 20_000
_TILES = (
    ("profit", "bot.profit_wei", "value", "comparative, not a forecast"),
    ("gas paid", "bot.gas_cost_wei", "value", "by included transactions"),
    ("sent", "bot.sent", "value", "transactions of the bot"),
    ("included", "bot.included", "value", "in the chain at the end"),
    ("reverted", "bot.reverted", "value", "of those included"),
    ("head to send", "latency.head_to_send", "p50", "median"),
    ("lock wait", "lock.wait", "p99", "99th percentile"),
    ("leaked tasks", "leaked.tasks", "value", "after the bot returned"),
)
_TASK_METRICS = (
    *("task.created", "task.failed", "task.cancelled", "task.run", "task.await", "task.stalls"),
    *("loop.iterations", "loop.handles", "loop.spin"),
    *("lock.deadlocks", "lock.inversions", "lock.timeouts"),
)
_WORDS = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive"}


def render_report(verdict: Verdict, story: Story) -> str:
    """Return the page about one run."""
    trades = list(story.trades.values())
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            header=verdict.header,
            cpu=spell_cpu(verdict.header),
            verdict=verdict,
            word=_WORDS[verdict.value],
            reasons=verdict.reasons(),
            tiles=_tiles(verdict),
            story=story,
            plots={name: _safe(svg) for name, svg in _plots(story).items()},
            price_lines=[(color, label) for color, label in zip(_colors(), _price_labels(story), strict=False)],
            timeline=timeline.lay_out(story),
            trades=trades[:ROWS_MAX],
            quoted=any(trade.quoted_wei is not None for trade in trades),
            trades_left_out=max(0, len(trades) - ROWS_MAX),
            locks=[(name, lock.wait.summary(), lock.hold.summary()) for name, lock in sorted(story.locks.items())],
            tasks=[(name, verdict.metrics[name]) for name in _TASK_METRICS],
            leaks=[(name, verdict.metrics[name]) for name in METRICS if name.startswith("leaked.")],
            errors=story.errors.most_common(ROWS_MAX),
            rejections=story.rejections.most_common(ROWS_MAX),
            metrics=[(METRICS[name], summary) for name, summary in verdict.metrics.items()],
            fingerprint=_rows(verdict.header.get("fingerprint", {})),
        )
    )


def render_index(judged: Sequence[Judged], base: Path) -> str:
    """Return the page about several runs, failed ones first; links are relative to *base*."""
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    runs = sorted(judged, key=lambda run: order[run.verdict.value])
    counts = {value: sum(run.verdict.value == value for run in judged) for value in order}
    worst = runs[0].verdict.value if runs else "inconclusive"
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            word=_WORDS[worst],
            worst=worst,
            counts=counts,
            rows=[(run, _link(run.folder, base)) for run in runs],
            thresholds=_threshold_counts(judged),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {
        "spell": spell,
        "clock": spell_time,
        "detail": _detail,
        "threshold_value": lambda result: spell_threshold_value(result.threshold, result.value),
    }
    return environment


def _finalized(value: Any) -> Any:
    """Make control and direction characters of a record visible; markup of ours passes."""
    return value if isinstance(value, Markup) else plain(value)


def _safe(svg: str | None) -> Markup | None:
    # Plots hold no text of a record, so this is the one place where a page takes markup as it is.
    return None if svg is None else Markup(svg)  # noqa: S704


def _plots(story: Story) -> dict[str, str | None]:
    return {
        "money": plots.money_plot(story),
        "price": plots.price_plot(story),
        "latency": plots.latency_plot(story),
        "chain": plots.chain_plot(story),
    }


def _colors() -> list[str]:
    return list(plots.COLORS) * 8


def _price_labels(story: Story) -> list[str]:
    return [f"{token} {venue}".strip() for token, venue in story.prices]


def _tiles(verdict: Verdict) -> list[tuple[str, str, str]]:
    tiles = []
    for label, name, key, note in _TILES:
        summary = verdict.metrics.get(name)
        value = summary[key] if summary else None
        tiles.append((label, spell(None if isinstance(value, str) else value, METRICS[name].unit), note))
    return tiles


def _detail(detail: Any) -> str:
    text = detail if isinstance(detail, str) else json.dumps(detail, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= DETAIL_CHARS_MAX else f"{text[:DETAIL_CHARS_MAX]}\n(cut; the record holds the rest)"


def _rows(tree: Any, prefix: str = "") -> list[tuple[str, str]]:
    if not isinstance(tree, dict):
        return [(prefix, str(tree))]
    return [row for key, value in tree.items() for row in _rows(value, f"{prefix}.{key}" if prefix else str(key))]


def _link(folder: Path, base: Path) -> str | None:
    report = folder / "report.html"
    if not report.is_file():
        return None
    try:
        return quote(report.resolve().relative_to(base.resolve()).as_posix())
    except ValueError:
        return report.resolve().as_uri()


def _threshold_counts(judged: Sequence[Judged]) -> list[tuple[str, str, int, int]]:
    held: dict[tuple[str, str], list[bool]] = {}
    for run in judged:
        for result in run.verdict.thresholds:
            held.setdefault((result.threshold.metric, result.threshold.expr), []).append(result.verdict == "pass")
    return [(metric, expr, sum(answers), len(answers)) for (metric, expr), answers in held.items()]
