"""What is measured of locks, and what is named of things left behind, in one flight whose times are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.units import MS, S
from tests.flight.command import ZOO, Run, windtunnel


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The flight of a bot that holds locks for 1, 2 and 0.5 s and then forgets one of each thing."""
    folder: Path = tmp_path_factory.mktemp("forgets")
    call = windtunnel("run", ZOO / "bad" / "forgets.yaml", "--out", "run", cwd=folder)
    assert call.code == 1, call.err
    return Run(folder / "run")


def samples(run: Run, metric: str, lock: str) -> list[int]:
    """Return the samples of a metric of one lock, in the order of the flight, to 10 ms."""
    return [
        round(int(event.data["v"]) / (10 * MS)) * 10 * MS
        for event in run.events("sample")
        if event.actor == metric and event.data.get("tags", {}).get("lock") == lock
    ]


def test_waits_and_holds_are_those_of_each_lock(run: Run) -> None:
    """Each lock by the name that the program gives it: how long each task waited for it, and held it."""
    assert samples(run, "lock.wait", "nonce")[:2] == [0, 1 * S]
    assert samples(run, "lock.hold", "nonce")[:2] == [1 * S, 2 * S]
    assert samples(run, "lock.wait", "book")[0] == 0
    assert samples(run, "lock.hold", "book")[0] == 500 * MS


def test_locks_in_both_orders_are_named_with_both_lines(run: Run) -> None:
    """An inversion that met no deadlock does not gate; it names both locks and the line of each order."""
    finding = run.finding("lock_inversion")

    assert finding["gating"] is False
    assert "nonce" in finding["title"]
    assert "book" in finding["title"]
    assert finding["where"] == finding["detail"]["there"] == "forgets.py:23"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("leaked_task", "watcher (forgotten)"),
        ("leaked_lock", "lock book"),
        ("leaked_socket", "connection to node-a"),
        ("leaked_session", "session"),
        ("leaked_thread", "sleeper"),
    ],
)
def test_what_is_left_behind_is_named(run: Run, kind: str, word: str) -> None:
    """One finding for each, which gates, says what it was and comes from the bot."""
    finding = run.finding(kind)

    assert word in finding["title"]
    assert finding["gating"] is True
    assert finding["origin"] == "bot"


def test_tasks_and_locks_are_named_by_their_line(run: Run) -> None:
    """A task by where it waits, a lock by where it was taken; the count of tasks is a metric."""
    assert run.finding("leaked_task")["where"] == "forgets.py:28"
    assert run.finding("leaked_lock")["where"] == "forgets.py:42"
    assert run.result["metrics"]["leaked.tasks"]["value"] == 1
