"""The verdict on a run, from its record alone.

- `fail` iff a finding that gates and is not known, or a threshold that is not met.
- A record that stops before `flight.end`, or ends because somebody interrupted it, is `inconclusive`: nothing in it can
  pass, for what is missing might have failed. What already failed stays failed: a gating finding, or a threshold
  that no continuation could meet any more (a count above its bound).
- A flight that ended as crash, killed or runaway fails even where no probe lived to say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sim.metric import Collector, Metrics, Threshold, thresholds_of
from sim.metric.series import Number, Summary
from sim.record import Event, Record
from sim.units import format_ns, format_wei
from sim.verdict.finding import Finding, finding_of
from sim.verdict.known import KnownFinding, known_of

Answer = Literal["pass", "fail", "inconclusive"]

EXIT_CODES: Mapping[Answer, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
EXIT_NOTHING_RAN = 5
_EXIT_ORDER = (4, 2, 1, 3, 0)

_STRESS = "flown with --stress: real chance moved its threads, so nothing repeats it and no order that it found gates"

_READ_AS_ETHER_WEI = 10**12

_FAILED_ENDS: Mapping[str, tuple[str, str]] = {
    "crash": ("crash", "the bot ended with an uncaught exception or an exit code"),
    "killed": ("crash", "the flight's process was killed"),
    "runaway": ("stall", "the bot ran away from its limits"),
    "grace_over": ("work_after_stop", "the bot was still running when its grace period was over"),
}
_CUT_SHORT_ENDS = frozenset({"interrupted", "harness"})


@dataclass(frozen=True, slots=True)
class ThresholdResult:
    """A threshold with its answer; *value* is None where the metric has no sample."""

    threshold: Threshold
    verdict: Answer
    value: Number | None

    def reason(self) -> str:
        """Return what was found and what was asked, in a sentence."""
        found = "has no sample" if self.value is None else f"is {_shown(self.value, self.threshold)}"
        return f"{self.threshold.metric} {found}, the threshold is {self.threshold.expr}"

    def as_json(self) -> dict[str, Any]:
        """Return the form of interface.md."""
        return {
            "metric": self.threshold.metric,
            "expr": self.threshold.expr,
            "verdict": self.verdict,
            "value": self.value,
            "line": self.threshold.line,
            "file": self.threshold.file,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate answers: a value with its reasons."""

    value: Answer
    header: Mapping[str, Any]
    digest: str | None
    findings: tuple[Finding, ...]
    thresholds: tuple[ThresholdResult, ...]
    metrics: Mapping[str, Summary | None]
    known: tuple[KnownFinding, ...]
    end: str | None
    missing: str | None
    nothing_ran: bool = False
    notes: tuple[str, ...] = ()
    """What a reader should know besides: what was not examined and why, what the flight replaced."""

    @property
    def exit_code(self) -> int:
        """0 for pass, 1 for fail, 3 for inconclusive, 5 where the record holds nothing of a flight."""
        return EXIT_NOTHING_RAN if self.nothing_ran and self.value == "inconclusive" else EXIT_CODES[self.value]

    @property
    def aborts(self) -> bool:
        """Whether a threshold marked `abort_on_fail` failed, so that no further seed is to be flown."""
        return any(result.threshold.abort_on_fail and result.verdict == "fail" for result in self.thresholds)

    def reasons(self) -> tuple[str, ...]:
        """Return why it is not a pass, one sentence each, the gravest first."""
        named = {entry.id: entry for entry in self.known}
        reasons = [_reason(finding, named.get(finding.id)) for finding in self.findings if finding.fails]
        reasons += (result.reason() for result in self.thresholds if result.verdict == "fail")
        if self.missing:
            reasons.append(self.missing)
        return tuple(reasons)


def judge(record: Record, known: Iterable[KnownFinding] | None = None) -> Verdict:
    """Return the verdict on the run that *record* tells.

    Args:
        record: an open record.
        known: accepted findings; None takes those that the record's header keeps.

    Raises:
        RecordError: the record is damaged before its first whole frame.
        ScenarioError: the header's thresholds are not of this version.
    """
    header = record.header
    accepted = known_of(header) if known is None else tuple(known)
    thresholds = thresholds_of(header)
    collector = Collector(header, (threshold.selector for threshold in thresholds))
    reading = _Reading(str(header.get("replay", "")))
    for event in record.events():
        reading.take(event)
        collector.take(event)
    metrics = collector.finish()
    findings = _marked(reading.all_findings(), accepted)
    whole = reading.end is not None and reading.end not in _CUT_SHORT_ENDS
    results = tuple(_answer(threshold, metrics, whole) for threshold in thresholds)
    failed = any(finding.fails for finding in findings) or any(result.verdict == "fail" for result in results)
    return Verdict(
        value="fail" if failed else "pass" if whole else "inconclusive",
        header=header,
        digest=reading.digest,
        findings=findings,
        thresholds=results,
        metrics=metrics.summaries(),
        known=accepted,
        end=reading.end,
        missing=reading.missing(),
        nothing_ran=reading.nothing_ran,
        notes=(*((_STRESS,) if header.get("stress") else ()), *reading.notes),
    )


def exit_code_of(codes: Iterable[int]) -> int:
    """Return the exit code of several runs: the first that applies of 4, 2, 1, 3, 0; 5 where nothing ran.

    A run that did not take place beside one that did is inconclusive.

    >>> exit_code_of([0, 3, 1]), exit_code_of([]), exit_code_of([5, 5]), exit_code_of([5, 0])
    (1, 5, 5, 3)
    """
    present = set(codes)
    if present <= {EXIT_NOTHING_RAN}:
        return EXIT_NOTHING_RAN
    present = {EXIT_CODES["inconclusive"] if code == EXIT_NOTHING_RAN else code for code in present}
    return next((code for code in _EXIT_ORDER if code in present), max(present))


class _Reading:
    """What one pass over the events tells besides the metrics."""

    def __init__(self, replay: str) -> None:
        self._replay = replay
        self._findings: dict[str, Finding] = {}
        self._last: Event | None = None
        self._count = 0
        self.digest: str | None = None
        self.notes: list[str] = []
        self.end: str | None = None
        self._end_event: Event | None = None

    def take(self, event: Event) -> None:
        self._last, self._count = event, self._count + 1
        if event.kind == "finding":
            finding = finding_of(event, self._replay)
            self._findings.setdefault(finding.id, finding)
        elif event.kind == "examined":
            self.notes.append(f"leak check {event.data['leaks']}")
        elif event.kind == "said":
            self.notes.append(str(event.data["text"]))
        elif event.kind == "digest":
            self.digest = event.data["digest"]
        elif event.kind == "flight.end":
            self.end = str(event.data.get("reason", "returned"))
            self._end_event = event

    def all_findings(self) -> tuple[Finding, ...]:
        """Return the findings told, and one for an end that fails if none of those told does."""
        told = tuple(self._findings.values())
        failed_end = _FAILED_ENDS.get(self.end or "")
        if self._end_event is None or failed_end is None or any(finding.gating for finding in told):
            return told
        kind, title = failed_end
        detail = {"reason": self.end, "exit_code": self._end_event.data.get("exit_code")}
        at_ns = self._end_event.t_ns
        return (*told, Finding(f"{kind}@flight", kind, title, at_ns=at_ns, detail=detail, replay=self._replay))

    @property
    def nothing_ran(self) -> bool:
        """Whether the record holds no event of a flight: at most that its end was cut short."""
        return not self._count or (self._count == 1 and self.end in _CUT_SHORT_ENDS)

    def missing(self) -> str | None:
        """Return why the record says less than a whole flight, or None."""
        if self.nothing_ran:
            return "nothing ran: the record holds no event of a flight"
        if self.end in _CUT_SHORT_ENDS:
            return f"the flight was cut short: {self.end}"
        if self.end is not None:
            return None
        at = f"at {self._last.t_ns} ns" if self._last else "before its first event"
        return f"the record was cut off {at}, after {self._count} events: it has no flight.end"


def _marked(findings: tuple[Finding, ...], known: Iterable[KnownFinding]) -> tuple[Finding, ...]:
    accepted = {entry.id for entry in known if not entry.expired}
    return tuple(finding.marked(finding.id in accepted) for finding in findings)


def _answer(threshold: Threshold, metrics: Metrics, whole: bool) -> ThresholdResult:
    value = threshold.value(metrics[threshold.selector])
    if whole:
        return ThresholdResult(threshold, "pass" if threshold.holds(value) else "fail", value)
    return ThresholdResult(threshold, "fail" if threshold.lost(value) else "inconclusive", value)


def _reason(finding: Finding, entry: KnownFinding | None) -> str:
    at = f" at {finding.where}" if finding.where else ""
    expired = f" (known until {entry.expires.isoformat()}, which has passed; owner {entry.owner})" if entry else ""
    return f"{finding.kind}: {finding.title}{at}{expired}"


def _shown(value: Number, threshold: Threshold) -> str:
    unit = threshold.unit
    if unit == "ns":
        return format_ns(int(value))
    if unit == "wei":
        return format_wei(int(value)) if abs(value) >= _READ_AS_ETHER_WEI else f"{value} wei"
    return str(value) if unit in ("count", "ratio") else f"{value} {unit}"
