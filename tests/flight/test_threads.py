"""Bots that work in threads and processes: they end, twice alike, and what they leave or lock is told."""

from __future__ import annotations

from pathlib import Path

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
