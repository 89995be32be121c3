from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.metric import METRICS
from sim.verdict import judge, result_line, result_of, write_result, write_whole
from tests.reports.records import finding, flight

KEYS = ["schema", "scenario", "seed", "digest", "verdict", "findings", "metrics", "thresholds", "fingerprint", "replay"]
FINDING_KEYS = ["id", "kind", "title", "where", "at_ns", "level", "gating", "known", "origin", "detail", "replay"]


def test_the_result_has_the_promised_form(tmp_path: Path) -> None:
    """Keys, types and shapes are those of the interface; what is more comes after them."""
    tape = flight(thresholds=[{"metric": "lock.wait", "expr": "p(99)<1s", "file": "s.yaml", "line": 12}])
    finding(tape, "leaked_task", where=None)
    tape.end()
    digest = tape.recorder.digest()

    result = json.loads(json.dumps(result_of(judge(tape.save(tmp_path)))))

    assert list(result)[: len(KEYS)] == KEYS
    assert (result["schema"], result["scenario"], result["seed"], result["verdict"]) == (1, "smoke", 7, "fail")
    assert len(result["digest"]) == len(digest) == 64
    assert list(result["findings"][0]) == FINDING_KEYS
    assert result["findings"][0]["where"] is None
    assert result["findings"][0]["replay"] == result["replay"] == "windtunnel run scenarios/smoke.yaml --seed 7"
    threshold = result["thresholds"][0]
    assert {name: threshold[name] for name in ("metric", "expr", "verdict", "line")} == {
        "metric": "lock.wait",
        "expr": "p(99)<1s",
        "verdict": "pass",
        "line": 12,
    }
    assert isinstance(threshold["value"], int)


def test_every_metric_is_in_the_result(tmp_path: Path) -> None:
    """Each registered metric is there, null without samples; trends of integer units hold integers."""
    metrics = result_of(judge(flight().end().save(tmp_path)))["metrics"]

    assert set(metrics) == set(METRICS)
    assert metrics["flight.shutdown"] is None
    assert metrics["chain.blocks"] == {"type": "counter", "unit": "count", "count": 5, "value": 5}
    wait = metrics["lock.wait"]
    assert list(wait) == ["type", "unit", "count", "min", "mean", "max", "p50", "p95", "p99"]
    assert all(isinstance(wait[key], int) for key in wait if key not in ("type", "unit"))


def test_the_line_is_one_line(tmp_path: Path) -> None:
    """`--json` prints the same object as result.json, without a line feed, even where a record holds some."""
    tape = flight()
    finding(tape, "crash", title="a\nb\u2028c", detail={"stack": "x\ny"})
    verdict = judge(tape.end().save(tmp_path))

    line = result_line(verdict)
    path = write_result(tmp_path, verdict)

    assert line.splitlines() == [line]
    assert json.loads(line) == json.loads(path.read_text())


def test_what_wall_time_decided_is_marked(tmp_path: Path) -> None:
    """A finding that a replay may not give again says so, and so does the result."""
    tape = flight()
    finding(tape, "stall", detail={"stack": "x", "reproducible": False})

    result = result_of(judge(tape.end("runaway", 1).save(tmp_path)))

    assert (result["reproducible"], result["findings"][0]["reproducible"]) == (False, False)


def test_a_torn_record_still_has_a_result(tmp_path: Path) -> None:
    """Its digest is null, its verdict inconclusive."""
    result = result_of(judge(flight().save(tmp_path)))

    assert (result["digest"], result["verdict"], result["end"]) == (None, "inconclusive", None)


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    """A write leaves the new text and no part file; a failed write leaves the old text."""
    path = tmp_path / "result.json"
    write_whole(path, "old")

    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new \ud800")

    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("result.json", "old")]
    write_whole(path, "new")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("result.json", "new")]
