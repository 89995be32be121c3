"""Faults of kind crash: nothing of the bot runs on, its files stay, and it is started as if for the first time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flight.command import ROOT, ZOO, Flock, Run, once, windtunnel

FRESH = [
    "argv [] mark None here cwd",
    "module 1 metric 1.0",
    "threads ['MainThread'] handlers 0",
    "structlog False sigterm True",
]


@pytest.fixture(scope="session")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Flock:
    """Three bots, flown in one call."""
    scenarios = [ZOO / "crash" / f"{name}.yaml" for name in ("state", "forgets", "resumes")]
    return once(
        tmp_path_factory.getbasetemp(),
        "crashes",
        lambda folder: windtunnel("run", *scenarios, "--json", "--out", folder, "-j", "2", cwd=folder),
    )


def test_the_next_start_finds_a_fresh_process_and_the_old_files(crashes: Flock) -> None:
    """Modules, metrics, threads, logging, signals, environment: anew. What was flushed is there, the rest is not."""
    run = crashes.run("state")

    assert run.result["verdict"] == "pass", run.log
    assert run.printed[:5] == ["journal None", *FRESH]
    assert run.printed[5:10] == ["journal ['flushed', '']", *FRESH]
    assert run.log.splitlines()[5].startswith("[     5.200000]")


def test_nothing_of_the_crashed_program_runs_on(crashes: Flock) -> None:
    """No `finally` of a task or a thread, no `__del__`, no atexit, no leak of the first life: only the second ends."""
    run = crashes.run("state")

    assert run.printed[10:] == ["stopped at 5", "finally ran True"]
    assert run.result["findings"] == []


def test_a_crash_may_come_amid_a_callback(tmp_path: Path) -> None:
    """The main thread sleeps inside a turn of its loop when it is killed: the next start is no different."""
    call = windtunnel(
        "run", ZOO / "crash" / "state.yaml", "--set", "bot.env.BLOCK=1", "--set", "duration=30s", "--out", "run",
        cwd=tmp_path,
    )  # fmt: skip

    run = Run(tmp_path / "run")
    assert call.code == 0, call.err
    assert run.printed[5:10] == ["journal ['flushed', '']", *FRESH]
    assert run.printed[10:] == ["stopped at 25", "finally ran True"]


def test_a_bot_that_keeps_its_nonce_in_memory_fails_where_its_twin_passes(crashes: Flock) -> None:
    """After the power cut one sends nonces that are used and is refused; the other asks its node and goes on."""
    forgets, resumes = crashes.run("forgets"), crashes.run("resumes")

    assert crashes.call.code == 1
    assert (forgets.result["verdict"], resumes.result["verdict"]) == ("fail", "pass")
    assert "nonce too low" in forgets.log
    assert [line for line in resumes.printed if line.startswith("sent")] == [f"sent {nonce}" for nonce in range(6)]
    assert forgets.result["metrics"]["bot.rejected"]["value"] == 3
    assert resumes.result["metrics"]["bot.included"]["value"] == 6


def test_the_record_tells_of_crash_and_start(crashes: Flock) -> None:
    """The fault, the instants of both, and the metrics: starts, and the time to the first answered call."""
    run = crashes.run("resumes")

    (fault, _) = run.events("fault")
    assert [(event.kind, event.t_ns) for event in run.events("bot.down", "bot.up")] == [
        ("bot.down", 30_000_000_000),
        ("bot.up", 35_000_000_000),
    ]
    assert (fault.data["kind"], fault.data["silent"], fault.data["was_down"]) == ("crash", True, False)
    assert run.result["metrics"]["bot.restarts"]["value"] == 1
    recovery = run.result["metrics"]["bot.recovery"]
    assert recovery["count"] == 1
    assert 5_000_000_000 < recovery["max"] < 5_100_000_000


def test_the_real_bot_comes_back_from_crashes_twice_in_the_same_way(tmp_path: Path) -> None:
    """Two crashes in smoke, the second while it is down for good at the stop; two flights, one digest."""
    faults = (
        "faults=[{id: cut, kind: crash, at: [20s, 38s], restart: 3s, sockets: silent},"
        " {id: late, kind: crash, at: 58s, restart: 30s}]"
    )
    words = ("run", ROOT / "scenarios" / "smoke.yaml", "--set", faults, "--json")

    calls = [windtunnel(*words, "--out", name, cwd=tmp_path) for name in ("one", "other")]

    run = Run(tmp_path / "one")
    assert [call.code for call in calls] == [0, 0], calls[0].err
    assert calls[0].results[0]["digest"] == calls[1].results[0]["digest"]
    assert run.log.count('"event": "view.synced"') == 3
    assert run.result["end"] == "terminated"
    assert run.result["metrics"]["bot.restarts"]["value"] == 2


def test_a_crash_can_be_left_out(tmp_path: Path) -> None:
    """--faults none: the bot flies through."""
    windtunnel("run", ZOO / "crash" / "state.yaml", "--faults", "none", "--out", "run", cwd=tmp_path)

    assert Run(tmp_path / "run").printed[5:] == ["stopped at 10", "finally ran True"]
