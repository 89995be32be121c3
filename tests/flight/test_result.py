"""result.json has the shape that other people's scripts read."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.flight.command import BAD, ROOT, Flock, windtunnel

KEYS = {"schema", "scenario", "seed", "digest", "verdict", "findings", "metrics", "thresholds", "fingerprint", "replay"}
FINDING = {
    "id": str, "kind": str, "title": str, "where": (str, type(None)), "at_ns": int, "level": str, "gating": bool,
    "known": bool, "origin": str, "detail": dict, "replay": str,
}  # fmt: skip
KINDS = """\
deadlock lock_inversion lock_timeout livelock spin stall leaked_task leaked_asyncgen leaked_socket leaked_session
leaked_subscription leaked_thread leaked_executor leaked_lock leaked_file swallowed_cancellation
unretrieved_exception never_awaited work_after_stop nonce_race data_race order_dependence state_divergence
stale_state duplicate_send dropped_event not_recovered memory_growth boundary crash
"""
METRICS = """\
chain.blocks chain.reorgs bot.sent bot.included bot.reverted bot.profit_wei rpc.calls rpc.errors lock.wait
lock.hold task.created task.run leaked.tasks latency.head_to_send
"""
TREND = {"type", "unit", "count", "min", "mean", "max", "p50", "p95", "p99"}
WORLD = {"windtunnel", "python", "engine", "level", "scenario", "lock", "aslr"}


@pytest.fixture(scope="session")
def results(good: Flock, bad: Flock, locks: Flock, smoke: Flock) -> list[dict[str, Any]]:
    """Every result there is: passes, crashes, runaways, leaks, deadlocks."""
    return [result for flock in (good, bad, locks, smoke) for result in flock.call.results]


def test_every_result_has_the_keys_of_the_interface(results: list[dict[str, Any]]) -> None:
    """Schema 1, scenario, integer seed, digest or null, one of three verdicts, lists and maps as written."""
    for result in results:
        assert result.keys() >= KEYS
        assert result["schema"] == 1
        assert type(result["seed"]) is int
        assert result["digest"] is None or re.fullmatch("[0-9a-f]{64}", result["digest"])
        assert result["verdict"] in {"pass", "fail", "inconclusive"}


def test_findings_have_their_fields(results: list[dict[str, Any]]) -> None:
    """Each finding has every field in its type, a kind of the list, a level L0..L3, an origin and a unique id."""
    found = [finding for result in results for finding in result["findings"]]

    assert len(found) >= len(BAD)
    for finding in found:
        assert finding.keys() >= FINDING.keys()
        for key, kind in FINDING.items():
            assert isinstance(finding[key], kind), (key, finding)
        assert finding["kind"] in KINDS.split()
        assert finding["level"] in {"L0", "L1", "L2", "L3"}
        assert re.fullmatch(r"bot|harness|library \S+ \S+", finding["origin"])
        assert finding["where"] is None or re.fullmatch(r"[^/].*:\d+", finding["where"])
    for result in results:
        ids = [finding["id"] for finding in result["findings"]]
        assert len(ids) == len(set(ids))


def test_metrics_have_their_form(results: list[dict[str, Any]]) -> None:
    """The first metrics are all there; each is null, or a type, a unit, a count and a value or a distribution."""
    for result in results:
        assert result["metrics"].keys() >= set(METRICS.split())
        for name, summary in result["metrics"].items():
            if summary is None:
                continue
            assert summary["type"] in {"counter", "gauge", "rate", "trend"}, name
            assert summary["unit"] in {"ns", "wei", "gas", "bytes", "count", "ratio"}, name
            assert summary.keys() >= (TREND if summary["type"] == "trend" else {"type", "unit", "count", "value"}), name


def test_thresholds_say_expression_verdict_value_and_line(smoke: Flock, good: Flock) -> None:
    """Each threshold of the scenario, inherited ones too, with the line where it stands."""
    (inherited,) = smoke.run("smoke").result["thresholds"]
    own = good.run("stranger").result["thresholds"]

    line = (ROOT / "scenarios" / "base" / "calm.yaml").read_text().splitlines()[inherited["line"] - 1]
    assert (inherited["metric"], inherited["expr"]) == ("lock.deadlocks", "count==0")
    assert 'lock.deadlocks: ["count==0"]' in line
    assert [(each["metric"], each["value"], each["verdict"]) for each in own] == [
        ("bot.included", 1, "pass"),
        ("leaked.tasks", 0, "pass"),
    ]


def test_the_fingerprint_tells_the_world_from_its_subject(good: Flock) -> None:
    """Two bots in one world: equal `world`, other `subject`; the world says what a run depends on."""
    quiet, rude = (good.run(name).result["fingerprint"] for name in ("quiet", "rude"))

    assert quiet["world"].keys() >= WORLD
    assert quiet["world"] == rude["world"]
    assert quiet["world"] != good.run("mirror").result["fingerprint"]["world"]
    assert quiet["world"]["engine"] == "pyevm"
    assert quiet["world"]["aslr"] in {"on", "off"}


def test_a_failed_threshold_fails_the_run(tmp_path: Path) -> None:
    """Without any finding, one threshold that does not hold is verdict fail and exit code 1."""
    words = ["--set", 'thresholds={"chain.blocks": ["count>=1000"]}', "--set", "duration=2s", "--json", "--out", "run"]

    call = windtunnel("run", ROOT / "tests" / "zoo" / "quiet.yaml", *words, cwd=tmp_path)

    (result,) = call.results
    assert call.code == 1
    assert result["verdict"] == "fail"
    assert result["findings"] == []
    assert [(each["metric"], each["expr"], each["verdict"], each["value"]) for each in result["thresholds"]] == [
        ("chain.blocks", "count>=1000", "fail", 0)
    ]


def test_the_replay_line_is_a_shell_line_that_works(bad: Flock) -> None:
    """Pasted into a shell where the run was called, it flies the same run: same digest, same exit code."""
    run = bad.run("raises")
    words = shlex.split(run.result["replay"])

    call = windtunnel(*words[1:], "--json", "--out", bad.folder.parent / "replayed", cwd=bad.folder)

    assert words[:2] == ["windtunnel", "run"]
    assert call.code == 1
    assert [result["digest"] for result in call.results] == [run.result["digest"]]


def test_json_prints_the_file_on_one_line(smoke: Flock) -> None:
    """What --json prints is result.json, a line a run."""
    for result in smoke.call.results:
        folder = smoke.run("smoke", result["seed"]).folder
        assert result == json.loads((folder / "result.json").read_text())
    assert smoke.call.out.count("\n") == 2
