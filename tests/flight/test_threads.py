"""Bots that work in threads and processes: they end, twice alike, and what they leave or lock is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.record import open_record
from sim.run import Order, fly
from sim.scenario import load
from sim.verdict import judge
from tests.flight.command import ZOO, Run, windtunnel


def test_hash_pools_and_busy_waits_end_and_repeat(tmp_path: Path) -> None:
    """Hashes in pools of threads and of processes, and busy waits everywhere: each flown twice with one digest."""
    names = ("hash_pool", "waits_busily")

    call = windtunnel(
        "run", *(ZOO / f"{name}.yaml" for name in names), "--verify-share", "100%", "--out", "runs", cwd=tmp_path
    )

    assert call.code == 0, call.err
    pools, waits = (Run(tmp_path / "runs" / name / "1") for name in names)
    assert [line.rpartition(" ")[0] for line in pools.printed] == [
        "ThreadPoolExecutor True", "ProcessPoolExecutor True", "the loop went on",
    ]  # fmt: skip
    assert waits.printed == ["thread saw it True", "loop saw it True", "method saw it True", "clock saw it True"]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one call that flew the bots that lock up and leave things."""
    folder = tmp_path_factory.mktemp("threads")
    names = ("bad/mixed_locks", "bad/full_pool", "bad/leaves_things", "bad/dies_with_lock")
    call = windtunnel("run", *(ZOO / f"{name}.yaml" for name in names), "--out", "runs", cwd=folder)
    assert call.code == 1, call.err
    return folder / "runs"


def test_a_deadlock_of_tasks_and_threads_names_all_sides(bad: Path) -> None:
    """An asyncio.Lock and a threading.Lock, each held by who waits for the other: found within a second."""
    finding = Run(bad / "mixed_locks" / "1").finding("deadlock")

    assert finding["gating"] is True
    assert finding["at_ns"] < 1_100_000_000
    parties = finding["detail"]["parties"]
    assert {(party["at"], party["waits_for"]) for party in parties} >= {
        ("mixed_locks.py:20", "book"), ("mixed_locks.py:10", "mixed_locks.py:31"),
    }  # fmt: skip
    assert sorted(kind for party in parties for kind in ("task", "thread") if kind in party) == [
        "task", "task", "thread", "thread",
    ]  # fmt: skip
    assert any("rebalance" in line for party in parties for line in party["stack"])
    assert any("pay" in line for party in parties for line in party["stack"])


def test_workers_that_wait_for_jobs_behind_them_are_a_deadlock(bad: Path) -> None:
    """Two workers of two, each waiting for a job in their own queue, are found within a second."""
    finding = Run(bad / "full_pool" / "1").finding("deadlock")

    waits = [party["waits_for"] for party in finding["detail"]["parties"]]
    assert waits.count("a free worker of its executor") == 2
    assert finding["at_ns"] < 1_100_000_000


def test_what_threads_leave_behind_is_told(bad: Path) -> None:
    """A live thread, a pool with jobs, a lock without a living holder and an open blocking socket: a finding each."""
    findings = Run(bad / "leaves_things" / "1").result["findings"]

    assert {(finding["kind"], finding["where"], finding["gating"]) for finding in findings} == {
        ("leaked_thread", "leaves_things.py:16", True),
        ("leaked_executor", "leaves_things.py:12", True),
        ("leaked_lock", "leaves_things.py:11", True),
        ("leaked_socket", None, True),
    }


def test_a_lock_whose_holder_died_is_told_at_the_stop(bad: Path) -> None:
    """A thread that raised without releasing its lock, which a task waits for until the stop: the line that took it."""
    finding = Run(bad / "dies_with_lock" / "1").finding("leaked_lock")

    assert (finding["where"], finding["gating"]) == ("dies_with_lock.py:10", True)
    assert finding["title"].endswith("and is waited for at dies_with_lock.py:15")


def test_the_mended_twin_has_no_finding_and_idle_workers_wait_for_no_lock(tmp_path: Path) -> None:
    """With the book read first nothing is found; `lock.wait` holds waits for the bot's locks alone, all short."""
    call = windtunnel("run", ZOO / "mended" / "mixed_locks.yaml", "--out", "run", cwd=tmp_path)

    run = Run(tmp_path / "run")
    assert call.code == 0, call.err
    assert run.result["findings"] == []
    waits = run.result["metrics"]["lock.wait"]
    assert waits["count"] == 4
    assert waits["max"] < 30_000_000


@pytest.mark.parametrize("bot", ["hash_pool", "mended/mixed_locks"])
def test_watching_threads_moves_nothing(bot: str, tmp_path: Path) -> None:
    """With probes off the digest is the same: names of locks, the wait-for graph and its looks cost no time."""
    digests = set()
    for probes in (True, False):
        order = Order(load(ZOO / f"{bot}.yaml", (), None), 1, out=tmp_path / str(probes), probes=probes)
        digests.add(judge(open_record(fly(order).folder)).digest)

    assert len(digests) == 1
    assert None not in digests
