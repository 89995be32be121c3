"""The same run again: the scenario and seed of a run folder, flown anew and compared by digest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import IncomparableError, ScenarioError
from sim.fingerprint import fingerprint, fix_addresses
from sim.record import open_record
from sim.run import Order, fly
from sim.scenario import load
from sim.verdict import Verdict, judge

EXIT_DIGEST_DIFFERS = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What a replay found: a sentence, and the exit code."""

    text: str
    exit_code: int


def fly_again(run_dir: Path, stopping: Callable[[], bool]) -> Answer:
    """Fly the run of *run_dir* again in a folder that is thrown away.

    Raises:
        IncomparableError: the world's fingerprint is another one now, or it was flown with `--stress`.
        ScenarioError: the scenario file is gone or no longer valid.
        RecordError: the folder holds no readable record.
    """
    record = open_record(run_dir)
    if record.header.get("stress"):
        raise IncomparableError(
            f"{run_dir}: it was flown with --stress: real chance decided when its threads changed hands, so no run "
            f"repeats it; to look for more, fly it again: {record.header['replay']}"
        )
    before = judge(record)
    order = _order(record.header)
    now = fingerprint(order.scenario, order.engine, fix_addresses())
    old = record.header["fingerprint"]
    if now["world"] != old["world"]:
        differing = [
            f"{key} was {old['world'].get(key)}, is {value}"
            for key, value in now["world"].items()
            if old["world"].get(key) != value
        ]
        raise IncomparableError(f"{run_dir}: it was flown in another world: {'; '.join(differing)}")
    scratch = Path(tempfile.mkdtemp(prefix="windtunnel-replay-"))
    try:
        flown = fly(Order(**{**_fields(order), "out": scratch / "run"}), stopping=stopping)
        after = judge(open_record(flown.folder))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if now["subject"] != old["subject"]:
        return Answer(f"the bot has changed since: {_compared(before, after)}", after.exit_code)
    if after.digest == before.digest:
        return Answer(f"same digest {after.digest}: {before.value}", before.exit_code)
    return Answer(f"the digest differs: it was {before.digest}, is {after.digest}", EXIT_DIGEST_DIFFERS)


def _order(header: dict[str, Any]) -> Order:
    invocation = header.get("invocation") or {}
    path = invocation.get("scenario")
    if not path:
        raise ScenarioError("the record does not say which scenario file it was flown from")
    scenario = load(path, invocation.get("sets") or (), invocation.get("bot"), directory=Path(invocation["directory"]))
    return Order(
        scenario=scenario,
        seed=header["seed"],
        engine=header["fingerprint"]["world"]["engine"],
        faults=invocation.get("faults"),
        command=("windtunnel", "run", path),
        probes=header.get("probes", True),
        count_work=bool(invocation.get("count_work")),
    )


def _fields(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__slots__}


def _compared(before: Verdict, after: Verdict) -> str:
    old, new = _failures(before), _failures(after)
    if not old and not new:
        return "no finding, before and now"
    if old & new:
        return "same finding"
    return "different" if new else "gone"


def _failures(verdict: Verdict) -> set[str]:
    failed = {result.threshold for result in verdict.thresholds if result.verdict == "fail"}
    return {finding.id for finding in verdict.findings if finding.gating} | {
        f"{threshold.metric} {threshold.expr}" for threshold in failed
    }
