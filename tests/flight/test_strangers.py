"""Bots that know nothing of Windtunnel fly, and what they do to their process leaves the world alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.flight.command import ZOO, Flock, Run, windtunnel


def said(run: Run) -> dict[str, Any]:
    """Return what the mirror said."""
    return {key: value for line in run.printed for key, value in json.loads(line).items()}


def test_good_bots_pass(good: Flock) -> None:
    """Strangers, tidy bots and mended ones end with exit code 0 and one line of JSON each."""
    verdicts = {result["scenario"]: result["verdict"] for result in good.call.results}

    assert good.call.code == 0, good.call.err
    assert set(verdicts.values()) == {"pass"}
    assert len(verdicts) == len(good.call.results) == 11


def test_a_script_with_its_own_asyncio_run_trades(good: Flock) -> None:
    """Forty lines of aiohttp and web3.py see heads over a WebSocket and get a transaction included over HTTP."""
    run = good.run("stranger")

    assert run.printed == ["head 23000001", "included 1 23000001", "head 23000002"]
    assert run.result["metrics"]["bot.included"]["value"] == 1
    assert len((ZOO / "stranger.py").read_text().splitlines()) <= 40


def test_the_world_does_not_feel_a_rude_bot(good: Flock) -> None:
    """Cancelling all tasks, reseeding chance, clearing loggers, modules and registries moves no block."""
    quiet, rude = good.run("quiet"), good.run("rude")

    assert rude.printed[-1] == "gone"
    assert "threads ['MainThread']" in rude.printed
    assert rude.blocks() == quiet.blocks()
    assert rude.events("price", "tx.included") == quiet.events("price", "tx.included")
    assert sum(data["txs"] for _, data in quiet.blocks()) > 0


def test_a_bot_sees_only_itself(good: Flock) -> None:
    """Tasks, threads, loaded modules, loggers and metrics that a program finds in its process are its own."""
    seen = said(good.run("mirror"))

    assert seen["tasks"] == ["look"]
    assert seen["threads"] == ["MainThread"]
    assert set(seen["foreign_modules"]) <= {"__main__", "_distutils_hack"}
    assert set(seen["loggers"]) <= {"asyncio", "concurrent", "concurrent.futures"}
    assert (seen["handlers"], seen["level"]) == (0, 30)
    assert seen["metrics"] == []
    assert seen["structlog"] is False


def test_a_bot_is_started_as_cpython_starts_it(good: Flock) -> None:
    """`__main__`, `sys.argv`, `sys.path[0]`, signal handlers and the loop's base class are CPython's."""
    seen = said(good.run("mirror"))

    assert (seen["name"], seen["file"], seen["main"]) == ("__main__", "mirror.py", True)
    assert seen["argv"] == ["mirror.py", "--node", "node-a", "$5"]
    assert seen["first_path"] is True
    assert (seen["sigterm"], seen["sigint"]) == ("0", True)
    assert (seen["is_base_loop"], seen["debug"], seen["optimised"]) == (True, False, False)


def test_the_environment_is_what_the_scenario_gives(good: Flock) -> None:
    """`os.environ` is bot.env plus TZ, LANG and HOME; a null takes an inherited variable away."""
    seen = said(good.run("mirror"))

    assert seen["environ"].pop("HOME").endswith("/cwd")
    assert seen["environ"] == {"TZ": "UTC", "LANG": "C.UTF-8", "GREETING": "hello 1", "MY_KEY": "0x***"}
    assert seen["home_is_here"] is True


def test_the_working_directory_is_fresh_and_holds_the_rendered_files(good: Flock) -> None:
    """The bot starts in an empty folder of its run but for `bot.files`, rendered with `${...}` and `$$`."""
    run = good.run("mirror")

    assert said(run)["here"] == ["conf"]
    assert (run.folder / "cwd" / "conf" / "app.ini").read_text() == "[node]\nurl = ws://node-a:8546\nprice = $5\n"


def test_clocks_are_virtual(good: Flock) -> None:
    """A second's sleep is a second on the clock, in the year the scenario's chain says, and in the log's stamps."""
    run = good.run("mirror")

    assert said(run)["slept"] == 1.0
    assert (said(run)["year"], said(run)["zone"]) == (2026, "UTC")
    assert run.log.splitlines()[-1].startswith("[     1.0000")


@pytest.mark.parametrize("scenario", ["interrupted", "cancelled", "entry"])
def test_a_bot_stops_by_interrupt_or_cancellation(good: Flock, scenario: str) -> None:
    """After SIGINT or a cancelled main task the bot cleans up in virtual time, and that is no crash."""
    run = good.run(scenario)

    assert run.printed[:3] == ["flying", "asked to stop", "clean"]
    assert run.events("flight.returned")[0].t_ns > 10_500_000_000
    assert run.result["end"] == "returned"


def test_what_is_on_the_wire_at_the_stop_was_sent_before_it(good: Flock) -> None:
    """A transaction sent five milliseconds before the stop and taken in after it is no new work."""
    run = good.run("last_minute")

    assert run.printed == ["sending before the stop: True", "answered after it: True"]
    (sent,) = (event for event in run.events("tx.sent") if event.actor == "bot")
    assert sent.t_ns > run.events("flight.stop")[0].t_ns
    assert run.result["findings"] == []


def test_without_a_handler_sigterm_ends_the_bot(good: Flock) -> None:
    """The default disposition runs no cleanup; result, report and summary say that no leak was looked for, and why."""
    run = good.run("terminated")

    assert run.printed == ["flying"]
    assert run.result["end"] == "terminated"
    why = "leak check skipped: SIGTERM ended the process, which has no handler for it"
    assert run.result["notes"] == [why]
    assert f"Note: {why}." in (run.folder / "report.html").read_text()
    assert f"Note: {why}." in (run.folder / "summary.md").read_text()
    assert run.result["metrics"]["leaked.tasks"] is None


def test_a_bot_that_returns_early_ends_the_flight(good: Flock) -> None:
    """The flight ends where the bot returned, six seconds before its duration, and is examined."""
    run = good.run("quiet")

    last = list(run.record.events())[-1]
    assert (last.kind, last.data["reason"]) == ("flight.end", "returned")
    assert 30_000_000_000 < last.t_ns < 31_000_000_000
    assert run.result["metrics"]["leaked.tasks"]["value"] == 0


def test_a_foreign_repository_flies_with_one_file_added(tmp_path: Path) -> None:
    """Packages named bot, sim, reports and tests, a hard-coded host, a contract of its own, print and logging."""
    home = tmp_path / "foreign"
    shutil.copytree(ZOO / "foreign", home)

    call = windtunnel("run", "windtunnel.yaml", "--json", cwd=home)

    assert call.code == 0, call.err
    folder = next((home / "runs" / "windtunnel").glob("*/1"))
    run = Run(folder)
    assert run.printed[0] == "argv ['--live', '1'] path True at $3 a trade"
    assert "2026-01-01 00:00:12," in run.printed[1]
    assert run.printed[1].endswith("bot head 23000001, added 3")
    assert run.printed[-1] == "total 14"  # 4 from the constructor, 1 from the call, 3 and 6 from the bot
    assert (folder / "cwd" / "daily.txt").read_text() == "total 14\n"
    assert call.results[0]["metrics"]["bot.included"]["value"] == 2


def test_the_real_bot_flies_from_anywhere(smoke: Flock) -> None:
    """Our own bot, named by its entry, flies when the command is called from a folder that holds nothing."""
    results = smoke.call.results

    assert smoke.call.code == 0, smoke.call.err
    assert [result["seed"] for result in results] == [1, 2]
    assert '"event": "bot.stopped"' in smoke.run("smoke").log
    assert all(result["metrics"]["chain.reorgs"]["value"] == 1 for result in results)
