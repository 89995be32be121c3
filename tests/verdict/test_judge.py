from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.record import open_record
from sim.verdict import EXIT_NOTHING_RAN, KnownFinding, Verdict, exit_code_of, judge
from tests.reports.records import Tape, finding, flight

MET = {"metric": "lock.deadlocks", "expr": "count==0", "file": "s.yaml", "line": 9}
MISSED = {"metric": "chain.blocks", "expr": "count>=1000", "file": "s.yaml", "line": 10}


def verdict_on(tape: Tape, folder: Path, **options: Any) -> Verdict:
    return judge(tape.save(folder), **options)


def known(id_: str, expired: bool = False) -> KnownFinding:
    return KnownFinding(id_, "upstream is on it", "ana", date(2026, 1, 1), expired)


def test_a_quiet_flight_passes(tmp_path: Path) -> None:
    """No gating finding and every threshold met: pass, exit 0, no reasons."""
    verdict = verdict_on(flight(thresholds=[MET]).end(), tmp_path)

    assert (verdict.value, verdict.exit_code, verdict.reasons()) == ("pass", 0, ())


def test_a_missed_threshold_fails(tmp_path: Path) -> None:
    """One missed threshold fails the run; the reason states what was found and what was asked."""
    verdict = verdict_on(flight(thresholds=[MET, MISSED]).end(), tmp_path)

    assert (verdict.value, verdict.exit_code) == ("fail", 1)
    assert [result.verdict for result in verdict.thresholds] == ["pass", "fail"]
    assert verdict.reasons() == ("chain.blocks is 5, the threshold is count>=1000",)


def test_a_threshold_without_samples_fails(tmp_path: Path) -> None:
    """A metric with no sample fails its threshold, and its value is None."""
    asked = {"metric": "lock.wait{lock:book}", "expr": "p(99)<1h"}

    verdict = verdict_on(flight(thresholds=[asked]).end(), tmp_path)

    assert (verdict.value, verdict.thresholds[0].value) == ("fail", None)
    assert verdict.reasons() == ("lock.wait{lock:book} has no sample, the threshold is p(99)<1h",)


def test_a_gating_finding_fails(tmp_path: Path) -> None:
    """A gating finding fails the run whatever the thresholds say."""
    tape = flight(thresholds=[MET])
    finding(tape, "leaked_task")

    verdict = verdict_on(tape.end(), tmp_path)

    assert verdict.value == "fail"
    assert verdict.reasons() == ("leaked_task: a leaked_task at app.py:3",)


@pytest.mark.parametrize("fields", [{"gating": False, "origin": "library web3 8.0.0"}, {"level": "L3"}])
def test_what_does_not_gate_does_not_fail(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Findings marked so, and all that need schedules stock asyncio cannot produce, are shown and do not fail."""
    tape = flight()
    finding(tape, "spin", **fields)

    verdict = verdict_on(tape.end(), tmp_path)

    assert verdict.value == "pass"
    assert [(one.kind, one.gating) for one in verdict.findings] == [("spin", False)]


def test_known_findings_do_not_fail_until_they_expire(tmp_path: Path) -> None:
    """A known finding is shown as known; the same one expired fails and says since when and whose it is."""
    tape = flight()
    finding(tape, "leaked_task")
    record = tape.end().save(tmp_path)

    accepted = judge(record, [known("leaked_task@app.py")])
    expired = judge(record, [known("leaked_task@app.py", expired=True)])

    assert (accepted.value, accepted.findings[0].known, accepted.findings[0].gating) == ("pass", True, True)
    assert (expired.value, expired.findings[0].known) == ("fail", False)
    assert "known until 2026-01-01, which has passed; owner ana" in expired.reasons()[0]


def test_the_record_keeps_what_was_known(tmp_path: Path) -> None:
    """Judged again without a file, a run has the verdict it had: its header holds the known findings."""
    tape = flight(known=[known("leaked_task@app.py").as_json()])
    finding(tape, "leaked_task")

    record = tape.end().save(tmp_path)

    assert judge(record).value == "pass"
    assert judge(record, []).value == "fail"


def test_a_torn_record_is_inconclusive(tmp_path: Path) -> None:
    """Without flight.end nothing passes: thresholds are open and the reason says where the record stops."""
    verdict = verdict_on(flight(thresholds=[MET, MISSED]), tmp_path)

    assert (verdict.value, verdict.exit_code) == ("inconclusive", 3)
    assert {result.verdict for result in verdict.thresholds} == {"inconclusive"}
    assert "it has no flight.end" in verdict.reasons()[0]


def test_what_failed_before_the_tear_stays_failed(tmp_path: Path) -> None:
    """In a torn record a gating finding fails, and so does a count above its bound."""
    with_finding = flight()
    finding(with_finding, "deadlock")
    too_many = flight(thresholds=[{"metric": "chain.blocks", "expr": "count<=2"}])

    assert verdict_on(with_finding, tmp_path / "a").value == "fail"
    assert verdict_on(too_many, tmp_path / "b").value == "fail"


def test_an_interrupted_flight_is_inconclusive(tmp_path: Path) -> None:
    """A flight that somebody interrupted has an end, but nothing in it can pass."""
    verdict = verdict_on(flight(thresholds=[MET]).end("interrupted", 130), tmp_path)

    assert (verdict.value, verdict.end, verdict.missing) == (
        "inconclusive",
        "interrupted",
        "the flight was cut short: interrupted",
    )


@pytest.mark.parametrize("reason", ["crash", "killed", "runaway", "grace_over"])
def test_a_bad_end_fails_even_if_no_probe_said_so(tmp_path: Path, reason: str) -> None:
    """A bad end is a finding of its own where the record tells none that gates."""
    told = flight()
    finding(told, "livelock")

    bare = verdict_on(flight().end(reason, 9), tmp_path / "bare")
    explained = verdict_on(told.end(reason, 9), tmp_path / "told")

    assert (bare.value, len(bare.findings)) == ("fail", 1)
    assert bare.findings[0].detail == {"reason": reason, "exit_code": 9}
    assert [one.kind for one in explained.findings] == ["livelock"]


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["L0", "L2", "L3"]), st.sampled_from(["", "known", "expired"]))),
    st.booleans(),
    st.sampled_from([None, "returned", "interrupted"]),
)
def test_the_answer_is_the_rule(told: list[tuple[bool, str, str]], missed: bool, end: str | None) -> None:
    """Fail iff a finding gates and is not known, or a threshold is missed; else inconclusive iff not whole."""
    tape = flight(slots=1, thresholds=[MISSED if missed else MET])
    accepted = []
    for number, (gating, level, standing) in enumerate(told):
        finding(tape, "spin", id=str(number), gating=gating, level=level)
        if standing:
            accepted.append(known(str(number), expired=standing == "expired"))
    if end is not None:
        tape.end(end)
    with TemporaryDirectory() as folder:
        record = tape.save(Path(folder))

        verdict = judge(record, accepted)

        again = judge(open_record(record.path), accepted)
    gates = any(gating and level != "L3" and standing != "known" for gating, level, standing in told)
    whole = end == "returned"
    expected = "fail" if gates or (missed and whole) else "pass" if whole else "inconclusive"
    assert verdict.value == expected
    assert again == verdict


def test_one_finding_seen_twice_is_one(tmp_path: Path) -> None:
    """Findings with the same id are one; the first telling stands."""
    tape = flight()
    finding(tape, "spin", title="first")
    finding(tape, "spin", title="second")

    verdict = verdict_on(tape.end(), tmp_path)

    assert [one.title for one in verdict.findings] == ["first"]


def test_a_failed_threshold_may_end_a_run_over_seeds(tmp_path: Path) -> None:
    """`abort_on_fail` is told by the verdict only once its own threshold fails."""
    stops = flight(thresholds=[MISSED | {"abort_on_fail": True}])
    flies_on = flight(thresholds=[MISSED, MET | {"abort_on_fail": True}])

    assert verdict_on(stops.end(), tmp_path / "a").aborts
    assert not verdict_on(flies_on.end(), tmp_path / "b").aborts


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([1, 2], 2), ([2, 4, 1, 3, 0], 4), ([], EXIT_NOTHING_RAN)],
)
def test_several_runs_have_one_exit_code(codes: list[int], code: int) -> None:
    """The first that applies of 4, 2, 1, 3, 0; 5 where nothing ran."""
    assert exit_code_of(codes) == code
