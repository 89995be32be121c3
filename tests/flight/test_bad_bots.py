"""Known-bad bots make the gate fail and are told where; their mended twins pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.flight.command import BAD, ZOO, Flock, Run, windtunnel


def line_of(bot: str, text: str) -> str:
    """Return `file:line` of the line of a bad bot that holds *text*."""
    lines = (ZOO / "bad" / f"{bot}.py").read_text().splitlines()
    return f"{bot}.py:{next(number for number, line in enumerate(lines, 1) if text in line)}"


@pytest.mark.parametrize("bot", BAD)
def test_every_bad_bot_fails_the_gate_with_a_readable_record(bot: str, bad: Flock) -> None:
    """Whatever a bot does to its process, the verdict is fail and the record is whole, from header to flight.end."""
    run = bad.run(bot)

    assert run.result["verdict"] == "fail"
    assert any(finding["gating"] for finding in run.result["findings"])
    assert run.record.missing() is None
    assert run.record.header["scenario"] == bot
    assert (run.folder / "report.html").stat().st_size > 10_000


def test_several_bad_bots_are_exit_code_1(bad: Flock) -> None:
    """Crashes, hangs and runaways are a failed gate, not a failed harness."""
    assert bad.call.code == 1, bad.call.err
    assert len(bad.call.results) == len(BAD)


def test_gate_alone_says_the_same(bad: Flock, tmp_path: Path) -> None:
    """`gate` reads the records and comes to the verdicts and the exit code of `run`."""
    folders = [bad.run(bot).folder for bot in BAD]

    call = windtunnel("gate", *folders, "--json", cwd=tmp_path)

    assert call.code == 1
    assert call.results == [json.loads((folder / "result.json").read_text()) for folder in folders]


def test_a_forgotten_task_is_named(bad: Flock) -> None:
    """A task that outlives the main coroutine is a leak, with the line it waits at and its name."""
    finding = bad.run("leaks_a_task").finding("leaked_task")

    assert finding["where"] == line_of("leaks_a_task", "asyncio.sleep(1)")
    assert "heartbeat" in finding["title"]
    assert (finding["gating"], finding["known"], finding["origin"], finding["level"]) == (True, False, "bot", "L0")
    assert bad.run("leaks_a_task").result["metrics"]["leaked.tasks"]["value"] == 1


def test_opposite_locks_deadlock_on_some_legal_seed(locks: Flock) -> None:
    """Of two seeds one deadlocks: exit code 1, and the finding names the line of each side; the other does not gate."""
    lucky, unlucky = locks.run("opposite_locks", 4), locks.run("opposite_locks", 5)

    assert locks.call.code == 1
    assert lucky.result["verdict"] == "pass"
    assert [(each["kind"], each["gating"]) for each in lucky.result["findings"]] == [("lock_inversion", False)]
    deadlock = unlucky.finding("deadlock")
    assert deadlock["gating"] is True
    sides = {party["at"] for party in deadlock["detail"]["parties"]}
    assert sides == {line_of("opposite_locks", f"        async with {name}:") for name in ("inventory", "nonce")}
    assert deadlock["where"] in sides
    assert unlucky.result["metrics"]["lock.deadlocks"]["value"] == 1


def test_mended_twins_pass(good: Flock) -> None:
    """The same bots with the task awaited and the locks in one order have no finding at all."""
    for name in ("leaks_a_task", "opposite_locks"):
        assert good.run(name).result["findings"] == []
        assert good.run(name).result["verdict"] == "pass"


@pytest.mark.parametrize(
    ("bot", "place"),
    [("spins", "while not flags"), ("matches_for_ever", "re.match"), ("stuck_in_c", "sum("), ("hoards", "seen.append")],
)
def test_a_runaway_ends_with_its_stack(bot: str, place: str, bad: Flock) -> None:
    """A loop without an await, a call stuck in C and a hoard of memory end with the line, not reproducible."""
    run = bad.run(bot)

    finding = run.finding("stall")
    assert run.result["end"] == "runaway"
    assert finding["where"] == line_of(bot, place) or bot == "hoards"
    assert f"{bot}.py" in str(finding["detail"]["stack"])
    assert finding["detail"]["reproducible"] is False
    assert run.result["reproducible"] is False


def test_a_runaway_says_which_limit_it_broke(bad: Flock) -> None:
    """The limit of a callback and the limit of memory are told apart."""
    assert "2 s" in bad.run("spins").finding("stall")["title"]
    assert "419430400 bytes" in bad.run("hoards").finding("stall")["title"]


@pytest.mark.parametrize(
    ("bot", "words"),
    [
        ("raises", "ValueError: no liquidity: reserve 0, wanted 17"),
        ("exits_three", "exit code 3"),
        ("exits_at_once", "os._exit(7)"),
        ("kills_itself", "SIGKILL"),
        ("segfaults", "SIGSEGV"),
    ],
)
def test_an_end_of_its_own_is_a_crash(bot: str, words: str, bad: Flock) -> None:
    """An uncaught exception, another exit code, os._exit, a signal to itself and a crash in C are findings."""
    run = bad.run(bot)

    assert words in run.finding("crash")["title"]
    assert run.result["end"] == "crash"


@pytest.mark.parametrize(
    ("bot", "place"),
    [
        ("raises", "raise ValueError"),
        ("exits_at_once", "os._exit"),
        ("kills_itself", "os.kill"),
        ("segfaults", "string_at"),
    ],
)
def test_a_crash_names_its_line(bot: str, place: str, bad: Flock) -> None:
    """The finding's place is the bot's line, relative to its folder."""
    assert bad.run(bot).finding("crash")["where"] == line_of(bot, place)


def test_what_was_printed_before_a_sudden_end_is_kept(bad: Flock) -> None:
    """os._exit flushes nothing of ours away: the line before it is in the log."""
    assert bad.run("exits_at_once").printed == ["the last line"]


def test_a_bot_that_ignores_its_stop_is_told_after_grace(bad: Flock) -> None:
    """Still running when grace is over is a finding for each task, with the line it waits at."""
    run = bad.run("ignores_sigterm")

    findings = run.findings("work_after_stop")
    assert line_of("ignores_sigterm", "asyncio.sleep(0.5)") in {finding["where"] for finding in findings}
    assert {finding["at_ns"] for finding in findings} == {12_000_000_000}
    assert run.printed == ["not now"]


def test_a_gate_passes_when_its_finding_is_known(bad: Flock, tmp_path: Path) -> None:
    """`--known` accepts a finding by its id until it expires; it is printed all the same."""
    folder = bad.run("leaks_a_task").folder
    finding_id = bad.run("leaks_a_task").finding("leaked_task")["id"]
    entry = f"- {{id: {finding_id}, reason: until the next release, owner: ops, expires: %s}}\n"
    (tmp_path / "known.yaml").write_text(entry % "2999-01-01")
    (tmp_path / "expired.yaml").write_text(entry % "2020-01-01")

    accepted = windtunnel("gate", folder, "--known", "known.yaml", "--json", cwd=tmp_path)
    expired = windtunnel("gate", folder, "--known", "expired.yaml", cwd=tmp_path)

    assert accepted.code == 0
    assert [finding["known"] for finding in accepted.results[0]["findings"]] == [True]
    assert "(known)" in accepted.err
    assert expired.code == 1
    assert "known until 2020-01-01, which has passed; owner ops" in expired.err


def test_ids_of_findings_outlive_unrelated_edits(bad: Flock, tmp_path: Path) -> None:
    """Lines added above the place, in another checkout, leave the finding's id as it was."""
    shutil.copytree(ZOO, tmp_path / "zoo")
    bot = tmp_path / "zoo" / "bad" / "leaks_a_task.py"
    bot.write_text('"""Edited."""\n\nFEE = 3\n\n' + bot.read_text())

    (tmp_path / "elsewhere").mkdir()
    call = windtunnel("run", bot.with_suffix(".yaml"), "--out", tmp_path / "run", cwd=tmp_path / "elsewhere")

    before, after = bad.run("leaks_a_task").finding("leaked_task"), Run(tmp_path / "run").finding("leaked_task")
    assert call.code == 1
    assert after["id"] == before["id"]
    assert after["where"] != before["where"]


def test_new_work_during_grace_is_told(tmp_path: Path) -> None:
    """After its stop signal a bot may replace and cancel; a transaction with a new nonce is a finding."""
    call = windtunnel("run", ZOO / "bad" / "sends_after_stop.yaml", "--out", "run", cwd=tmp_path)

    assert call.code == 1
    assert Run(tmp_path / "run").finding("work_after_stop")["gating"] is True
