"""`windtunnel run --stress`: threads change hands at random points: what it finds, what it may not claim."""

from __future__ import annotations

from pathlib import Path

from tests.flight.command import ZOO, Run, windtunnel

BOT = ZOO / "counts_badly.yaml"


def test_stress_finds_a_lost_addition_that_the_plain_flight_does_not(tmp_path: Path) -> None:
    """Two threads that read, add and write without a lock lose additions under stress, and none in plain flight."""
    windtunnel("run", BOT, "--out", "plain", cwd=tmp_path)
    call = windtunnel("run", BOT, "--stress", "--seeds", "0..2", "--out", "stress", cwd=tmp_path)

    assert Run(tmp_path / "plain").printed == ["held 800"]
    held = [int(Run(tmp_path / "stress" / "counts_badly" / str(n)).printed[0].split()[1]) for n in range(3)]
    assert call.code == 0, call.err
    assert min(held) < 800


def test_a_stressed_run_says_that_nothing_repeats_it(tmp_path: Path) -> None:
    """A crash fails the run; the result is not reproducible, its level is L3, and `replay` refuses with the reason."""
    check = ("--set", 'bot.args=["--check"]')
    calls = [windtunnel("run", BOT, "--stress", *check, "--out", f"run{n}", cwd=tmp_path) for n in range(3)]

    number = next(n for n, call in enumerate(calls) if call.code == 1)  # all three lucky: not in our lifetime
    result = Run(tmp_path / f"run{number}").result
    assert result["reproducible"] is False
    assert result["fingerprint"]["world"]["level"] == "L3"
    assert result["end"] == "crash"
    assert result["replay"].endswith("--stress")
    assert any(note.startswith("flown with --stress") for note in result["notes"])
    replay = windtunnel("replay", f"run{number}", cwd=tmp_path)
    assert replay.code == 3
    assert "flown with --stress" in replay.err


def test_stress_goes_with_nothing_that_repeats(tmp_path: Path) -> None:
    """`--verify-share`, which compares two flights of a seed, and `--count-work`, which traces, are refused."""
    shared = windtunnel("run", BOT, "--stress", "--verify-share", "10%", cwd=tmp_path)
    counted = windtunnel("run", BOT, "--stress", "--count-work", cwd=tmp_path)

    assert (shared.code, counted.code) == (2, 2)
    assert "--stress goes with none of" in shared.err


def test_a_stressed_run_is_kept_beside_the_plain_one(tmp_path: Path) -> None:
    """Without `--out` its folder is `SEED-stress`, so that neither replaces the other."""
    windtunnel("run", BOT, cwd=tmp_path)
    windtunnel("run", BOT, "--stress", cwd=tmp_path)

    (subject,) = (tmp_path / "runs" / "counts_badly").iterdir()
    assert sorted(each.name for each in subject.iterdir()) == ["1", "1-stress"]
