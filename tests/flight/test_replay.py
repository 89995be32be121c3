"""`replay` flies a run again and says what differs: nothing, the bot, the world, or only the digest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.flight.command import ZOO, Call, windtunnel


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A checkout of the leaking bot with a finished run."""
    shutil.copytree(ZOO / "bad", tmp_path / "bad")
    call = windtunnel("run", "bad/leaks_a_task.yaml", "--out", "run", cwd=tmp_path)
    assert call.code == 1
    return tmp_path


def replay(home: Path) -> Call:
    """Replay the run, from somewhere else."""
    return windtunnel("replay", home / "run", cwd=home / "bad")


def test_a_run_replays_in_an_unchanged_world_only(home: Path) -> None:
    """Same digest: the original exit code, from any folder. A changed world: 3. No scenario: 2. Nothing is left."""
    before = sorted(path.name for path in home.iterdir())
    scenario = home / "bad" / "empty.yaml"

    same = replay(home)
    scenario.write_text(scenario.read_text().replace("low: 10ms", "low: 11ms"))
    changed = replay(home)
    scenario.unlink()
    gone = replay(home)

    assert [same.code, changed.code, gone.code] == [1, 3, 2]
    assert "same digest" in same.err
    assert "another world: scenario was" in changed.err
    assert "empty.yaml" in gone.err
    assert sorted(path.name for path in home.iterdir()) == before


def test_a_changed_bot_is_told_by_what_became_of_its_finding(home: Path) -> None:
    """Mended: gone. Another fault: different. Only other lines: same finding."""
    bot = home / "bad" / "leaks_a_task.py"
    source = bot.read_text()

    answers = []
    for changed in (
        (ZOO / "mended" / "leaks_a_task.py").read_text(),
        (ZOO / "bad" / "raises.py").read_text(),
        source.replace('"alive"', '"still alive"'),
    ):
        bot.write_text(changed)
        answers.append(replay(home))

    assert ["the bot has changed" in answer.err for answer in answers] == [True, True, True]
    assert [answer.err.split(": ")[-1].strip() for answer in answers] == ["gone", "different", "same finding"]
    assert [answer.code for answer in answers] == [0, 1, 1]
