"""Chance in flights: the seed's, in every process; what would not be is refused."""

from __future__ import annotations

from pathlib import Path

from tests.flight.command import ZOO, Run, windtunnel


def test_every_dice_falls_alike_in_another_process(tmp_path: Path) -> None:
    """Twenty sources of chance: the same values and digest in two processes of one seed, others under another seed."""
    runs = []
    for folder, seed in (("first", 1), ("again", 1), ("other", 2)):
        windtunnel("run", ZOO / "dice.yaml", "--seed", seed, "--out", tmp_path / folder, cwd=tmp_path)
        runs.append(Run(tmp_path / folder))

    first, again, other = runs
    assert first.printed == again.printed
    assert first.result["digest"] == again.result["digest"]
    alike = {line for line, others in zip(first.printed, other.printed, strict=True) if line == others}
    assert {line.split()[0] for line in alike} == {"uuid.getnode", "given"}


def test_a_device_of_chance_is_refused(tmp_path: Path) -> None:
    """Opening /dev/urandom is a `boundary` finding at the bot's line, which says what to use instead."""
    call = windtunnel("run", ZOO / "bad" / "reads_urandom.yaml", "--out", tmp_path / "out", cwd=tmp_path)

    finding = Run(tmp_path / "out").finding("boundary")
    assert call.code == 1
    assert finding["where"] == "reads_urandom.py:5"
    assert "open('/dev/urandom') is not simulated: use os.urandom, secrets or random" in finding["title"]
