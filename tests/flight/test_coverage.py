"""coverage.py on a bot in flight."""

from __future__ import annotations

from pathlib import Path

from coverage import CoverageData

from tests.flight.command import ZOO, Flock, Run, windtunnel

TASK_LEAKER = ZOO / "bad" / "leaks_a_task.yaml"


def test_coverage_of_a_bot_is_measured_as_in_any_process(tmp_path: Path, bad: Flock) -> None:
    """COVERAGE_PROCESS_START in bot.env: the bot's lines that ran, in tasks too, and the digest of any flight."""
    (tmp_path / "rc").write_text("[run]\nbranch = true\nparallel = true\ndata_file = lines\n")

    call = windtunnel(
        "run", TASK_LEAKER, "--set", "bot.env.COVERAGE_PROCESS_START=.coveragerc",
        "--set", f'bot.files={{".coveragerc": {tmp_path}/rc}}', "--out", "run", cwd=tmp_path,
    )  # fmt: skip

    run = Run(tmp_path / "run")
    (file,) = (run.folder / "cwd").glob("lines.*")
    data = CoverageData(str(file))
    data.read()
    (measured,) = data.measured_files()
    source = (ZOO / "bad" / "leaks_a_task.py").read_text().splitlines()
    ran = {source[line - 1].strip() for line in data.lines(measured) or ()}
    assert call.code == 1
    assert Path(measured).name == "leaks_a_task.py"
    assert {"import asyncio", "await asyncio.sleep(1)", 'print("alive")', "await stop.wait()"} <= ran
    assert run.result["digest"] == bad.run("leaks_a_task").result["digest"]


def test_a_configuration_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file that is not there: exit code 2, the variable and the file."""
    call = windtunnel("run", TASK_LEAKER, "--set", "bot.env.COVERAGE_PROCESS_START=nowhere", cwd=tmp_path)

    assert call.code == 2
    assert "bot.env COVERAGE_PROCESS_START: nowhere: " in call.err
