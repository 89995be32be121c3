"""The gate: verdicts on finished runs, from their records alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sim.record import Record, open_record
from sim.verdict import KnownFinding, Verdict, judge


@dataclass(frozen=True, slots=True)
class Judged:
    """A run folder, its record and the verdict on it."""

    folder: Path
    record: Record
    verdict: Verdict


def evaluate(run_dirs: Iterable[Path], known: Iterable[KnownFinding] | None = None) -> tuple[Judged, ...]:
    """Judge every run again, in the order given.

    Args:
        run_dirs: run folders, each with a record.
        known: accepted findings; None takes those each record keeps, so that the answer is the run's own.

    Raises:
        RecordError: a folder holds no readable record.
    """
    accepted = None if known is None else tuple(known)
    judged = []
    for folder in run_dirs:
        record = open_record(folder)
        judged.append(Judged(folder, record, judge(record, accepted)))
    return tuple(judged)
