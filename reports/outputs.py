"""The files of a finished run, written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.gate import Judged
from reports.render.html import render_index, render_report
from reports.render.junit import render_junit
from reports.render.markdown import render_summary
from reports.story import Story, tell
from reports.trades import trades_csv
from sim.record import Record
from sim.verdict import Verdict, write_result, write_whole


def write_reports(folder: Path, record: Record, verdict: Verdict) -> Path:
    """Write result.json, report.html, junit.xml, summary.md and trades.csv into *folder*; return the report's path."""
    story = tell(record)
    write_result(folder, verdict)
    write_whole(folder / "trades.csv", trades_csv(story.trades.values(), int(verdict.header.get("epoch_s", 0))))
    write_whole(folder / "junit.xml", render_junit([verdict]))
    write_whole(folder / "summary.md", render_summary([verdict]))
    return _write_page(folder / "report.html", verdict, story)


def write_report(path: Path, record: Record, verdict: Verdict) -> Path:
    """Write the page about one run alone to *path* and return it."""
    return _write_page(path, verdict, tell(record))


def write_index(path: Path, judged: Sequence[Judged]) -> Path:
    """Write one page about several runs to *path*; it links each run's own report where that exists."""
    write_whole(path, render_index(judged, path.parent))
    return path


def _write_page(path: Path, verdict: Verdict, story: Story) -> Path:
    write_whole(path, render_report(verdict, story))
    return path
