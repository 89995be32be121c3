"""A wall clock that is wrong, in a flight."""

from __future__ import annotations

from pathlib import Path

from tests.flight.command import ZOO, Run, windtunnel


def test_a_bot_reads_the_wrong_clock(tmp_path: Path) -> None:
    """Offset and drift show in `time` and `datetime`; the step takes that back and leaves the loop's clock."""
    windtunnel("run", ZOO / "clock.yaml", "--out", tmp_path / "out", cwd=tmp_path)

    run = Run(tmp_path / "out")
    assert run.printed == ["0.25 0.25 0.0", "18.45 18.45 20.0"]
    assert [event.data.get("by_ns") for event in run.events("fault")] == [-2_000_000_000, None]
    assert run.result["verdict"] == "pass"


def test_mistakes_about_the_clock_are_told(tmp_path: Path) -> None:
    """A drift beyond 10 % and a step by nothing are refused with exit 2."""
    told = windtunnel("validate", ZOO / "clock.yaml", "--set", "bot.clock.drift=11%", cwd=tmp_path)
    nothing = windtunnel("validate", ZOO / "clock.yaml", "--set", "faults[0].by=0s", cwd=tmp_path)

    assert (told.code, nothing.code) == (2, 2)
    assert "11% is outside -10%..10%" in told.err
    assert "must not be 0" in nothing.err
