"""Ctrl-C and limits of wall time end flights in order, and leave readable runs."""

from __future__ import annotations

from pathlib import Path

from tests.flight.command import ZOO, Run, interrupted, windtunnel

FOREVER = ZOO / "forever.yaml"


def test_ctrl_c_exits_130_and_leaves_a_readable_run(tmp_path: Path) -> None:
    """SIGINT to the process group: 130, the folder under its final name, record and reports whole; gate says 3."""
    call = interrupted("run", FOREVER, "--json", cwd=tmp_path, when="flying")

    folders = sorted(tmp_path.glob("runs/forever/*/*"))
    assert call.code == 130, call.err
    assert [folder.name for folder in folders] == ["1"]
    run = Run(folders[0])
    assert call.results == [run.result]
    assert (run.result["verdict"], run.result["end"]) == ("inconclusive", "interrupted")
    assert run.record.missing() is None
    assert run.printed == ["flying"]
    assert (run.folder / "report.html").stat().st_size > 10_000
    assert list(tmp_path.glob("runs/forever/*/.*")) == []
    gate = windtunnel("gate", run.folder, cwd=tmp_path)
    assert gate.code == 3
    assert "cut short: interrupted" in gate.err


def test_ctrl_c_starts_no_further_flight(tmp_path: Path) -> None:
    """Of many seeds those under way are ended and kept, the others are not begun; the exit code is 130."""
    call = interrupted("run", FOREVER, "--seeds", "1..50", "--out", "many", "--json", cwd=tmp_path, when="flying")

    assert call.code == 130
    assert [result["seed"] for result in call.results] == [1]
    assert [folder.name for folder in (tmp_path / "many" / "forever").iterdir()] == ["1"]


def test_a_flight_over_its_wall_limit_fails_and_is_kept(tmp_path: Path) -> None:
    """`--wall-limit` ends the flight with a gating finding that is not reproducible: exit code 1."""
    call = windtunnel("run", FOREVER, "--wall-limit", "8", "--out", "run", "--json", cwd=tmp_path)

    run = Run(tmp_path / "run")
    finding = run.finding("stall")
    assert call.code == 1, call.err
    assert "longer than 8 s of wall time" in finding["title"]
    assert finding["detail"]["reproducible"] is run.result["reproducible"] is False
    assert run.record.missing() is None
