"""summary.md: the verdict for a CI job's summary page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.spelling import plain, spell, spell_cpu, spell_threshold_value
from sim.verdict import Verdict

SIGNS = {"pass": "\N{WHITE HEAVY CHECK MARK}", "fail": "\N{CROSS MARK}", "inconclusive": "\N{WARNING SIGN}"}
_SHOWN = ("bot.profit_wei", "bot.sent", "bot.included", "bot.reverted", "chain.blocks", "chain.reorgs", "rpc.errors")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$!])")


def render_summary(verdicts: Sequence[Verdict]) -> str:
    """Return the Markdown of one section a run; text from records cannot become markup."""
    return "\n".join(_section(verdict) for verdict in verdicts)


def _section(verdict: Verdict) -> str:
    header = verdict.header
    name = f"{header.get('scenario')} seed {header.get('seed')}"
    lines = [f"## {SIGNS[verdict.value]} {_text(name)}: {verdict.value}", ""]
    lines += [f"- {_text(reason)}" for reason in verdict.reasons()]
    if verdict.reasons():
        lines.append("")
    if verdict.thresholds:
        lines += ["| metric | threshold | value | |", "|---|---|---:|---|"]
        for result in verdict.thresholds:
            value = spell_threshold_value(result.threshold, result.value)
            cells = (result.threshold.metric, result.threshold.expr, value)
            lines.append(f"| {' | '.join(map(_text, cells))} | {SIGNS[result.verdict]} {result.verdict} |")
        lines.append("")
    if verdict.findings:
        lines += ["| finding | where | what | |", "|---|---|---|---|"]
        for finding in verdict.findings:
            standing = "known" if finding.known else "fails" if finding.gating else "does not gate"
            told = (finding.kind, finding.where or "", finding.title, standing)
            lines.append(f"| {' | '.join(map(_text, told))} |")
        lines.append("")
    lines += [f"{', '.join(_figures(verdict))}.", "", *_fence(str(header.get("replay", "")))]
    lines += [f"Note: {_text(note)}." for note in verdict.notes] + [""] * bool(verdict.notes)
    lines += [f"Profit in generated weather is comparative, not a forecast. {spell_cpu(header)}.", ""]
    return "\n".join(lines)


def _figures(verdict: Verdict) -> list[str]:
    figures = []
    for name in _SHOWN:
        summary = verdict.metrics.get(name)
        value = summary["value"] if summary else None
        if not isinstance(value, str):
            figures.append(_text(f"{name} {spell(value, str(summary['unit']) if summary else 'count')}"))
    return figures


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(plain(text).split()))


def _fence(text: str) -> list[str]:
    body = plain(text)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", body, fence, ""]
