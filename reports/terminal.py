"""The verdict table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.gate import Judged
from reports.spelling import NOTHING, plain, spell, spell_cpu, spell_threshold_value
from sim.verdict import Finding, Verdict

STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
_KEY_METRICS = (
    "bot.profit_wei",
    "bot.sent",
    "bot.included",
    "bot.reverted",
    "chain.blocks",
    "chain.reorgs",
    "rpc.calls",
)
_KEY_METRICS_MORE = ("rpc.errors", "latency.head_to_send", "lock.wait", "lock.deadlocks", "leaked.tasks")


def print_verdict(verdict: Verdict, console: Console, report: Path | None = None) -> None:
    """Print one run: thresholds, key metrics, findings that do not fail, verdict, reasons, replay line, report."""
    header = verdict.header
    title = f"{header.get('scenario')} seed {header.get('seed')}"
    console.print(_table(verdict, title))
    for finding in verdict.findings:
        if not finding.fails:  # those that fail are among the reasons
            standing = "known" if finding.known else "does not gate"
            console.print(_finding_line(finding, standing), soft_wrap=True)
    line = Text("verdict  ").append(verdict.value.upper(), STYLES[verdict.value])
    console.print(line)
    for reason in verdict.reasons():
        console.print(Text(f"         {plain(reason)}"), soft_wrap=True)
    for note in (*verdict.notes, spell_cpu(header)):
        console.print(Text(f"note     {plain(note)}"), soft_wrap=True)
    console.print(Text(f"replay   {plain(header.get('replay', ''))}"), soft_wrap=True)
    if report is not None:
        console.print(Text(f"report   {plain(report)}"), soft_wrap=True)


def print_verdicts(judged: Sequence[Judged], console: Console) -> None:
    """Print several runs as one table, a row each."""
    table = Table(title="runs", title_justify="left", show_edge=False, pad_edge=False)
    for column in ("scenario", "seed", "verdict", "profit", "why"):
        table.add_column(column, justify="right" if column in ("seed", "profit") else "left")
    for run in judged:
        header, reasons = run.verdict.header, run.verdict.reasons()
        profit = (run.verdict.metrics.get("bot.profit_wei") or {}).get("value")
        table.add_row(
            Text(plain(header.get("scenario"))),
            Text(str(header.get("seed"))),
            Text(run.verdict.value, STYLES[run.verdict.value]),
            Text(spell(_number(profit), "wei")),
            Text(plain(reasons[0]) if reasons else ""),
        )
    console.print(table)


def _table(verdict: Verdict, title: str) -> Table:
    table = Table(title=Text(plain(title)), title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("threshold")
    table.add_column("")
    for result in verdict.thresholds:
        value = spell_threshold_value(result.threshold, result.value)
        answer = Text(result.verdict, STYLES[result.verdict])
        table.add_row(Text(plain(result.threshold.metric)), value, Text(plain(result.threshold.expr)), answer)
    asked = {result.threshold.metric for result in verdict.thresholds}
    for name in (*_KEY_METRICS, *_KEY_METRICS_MORE):
        summary = verdict.metrics.get(name)
        if name not in asked:
            table.add_row(Text(name, "dim"), _shown(summary), "", "")
    return table


def _shown(summary: dict[str, str | int | float | None] | None) -> str:
    if summary is None:
        return NOTHING
    unit = str(summary["unit"])
    if summary["type"] == "trend":
        return f"p50 {spell(_number(summary['p50']), unit)}, p99 {spell(_number(summary['p99']), unit)}"
    return spell(_number(summary["value"]), unit)


def _number(value: str | float | None) -> float | None:
    return None if isinstance(value, str) else value


def _finding_line(finding: Finding, standing: str) -> Text:
    place = f" at {plain(finding.where)}" if finding.where else ""
    return (
        Text("finding  ").append(plain(finding.kind), "yellow").append(f" {plain(finding.title)}{place} ({standing})")
    )
