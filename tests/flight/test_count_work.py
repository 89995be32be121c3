"""Executed lines as a metric: equal on every machine, and a gate that an added quadratic loop fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.flight.command import ZOO, Call, Run, windtunnel

WORKS = ZOO / "works.yaml"


def fly(folder: Path, name: str, *words: str) -> tuple[Call, Run]:
    call = windtunnel("run", WORKS, *words, "--out", folder / name, cwd=folder)
    return call, Run(folder / name)


def lines(run: Run) -> dict[str, Any]:
    """Return the executed lines by task."""
    notes = [event for event in run.events("metric") if event.actor == "work.lines"]
    return {event.data["tags"]["task"]: event.data["value"] for event in notes}


def test_counts_are_equal_in_two_processes_and_leave_the_digest_alone(tmp_path: Path) -> None:
    """Twice the same lines under the same names, and the digest of a flight that does not count."""
    (_, first), (_, again) = fly(tmp_path, "first", "--count-work"), fly(tmp_path, "again", "--count-work")
    _, plain = fly(tmp_path, "plain")

    counted = lines(first)
    assert counted == lines(again)
    assert {"sums", "main", "idler", "helper", "MainThread"} <= counted.keys()
    assert first.result["metrics"]["work.lines"]["value"] == sum(counted.values())
    assert first.result["digest"] == again.result["digest"] == plain.result["digest"]
    assert plain.result["metrics"]["work.lines"] is None


def test_an_added_quadratic_loop_fails_the_gate(tmp_path: Path) -> None:
    """Both thresholds pass before and fail after; the replay line counts too."""
    before, _ = fly(tmp_path, "before", "--count-work")
    after, run = fly(tmp_path, "after", "--count-work", "--set", "bot.env.QUADRATIC=1")

    assert (before.code, after.code) == (0, 1)
    assert {each["metric"]: each["verdict"] for each in run.result["thresholds"]} == {
        "work.lines": "fail",
        "work.lines{task:sums}": "fail",
    }
    assert run.result["replay"].endswith("--count-work")


def test_a_replay_counts_as_the_run_did(tmp_path: Path) -> None:
    """`replay` of a counted run passes its gates again: it counts, and the digest is the same."""
    _, run = fly(tmp_path, "run", "--count-work")

    call = windtunnel("replay", run.folder, cwd=tmp_path)

    assert call.code == 0, call.err
