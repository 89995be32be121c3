"""pdb on a bot in flight: where it stops, that virtual time stands still meanwhile, that the digest stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.flight.command import ROOT, ZOO, Call, Flock, Run, windtunnel
from tests.flight.terminal import CTRL_C, attended

BREAKS = ZOO / "breaks.yaml"


def shown_after(call: Call, typed: str) -> str:
    """Return the line that the terminal showed after *typed*."""
    return call.err.split(f"(Pdb) {typed}\n", 1)[1].splitlines()[0]


def test_a_session_leaves_the_digest_as_it_was(tmp_path: Path) -> None:
    """Steps, into calls and over awaits, expressions, clock reads and the stack: events, draws and log are the same."""
    typed = ["n", "p ordinal", "import time", "p time.time() > 0", "n", "n", "n", "s", "w", "up", "p stop", "u", "c"]

    alone = windtunnel("run", BREAKS, "--out", "alone", cwd=tmp_path)
    held = attended("run", BREAKS, "--out", "held", cwd=tmp_path, typed=typed)

    assert (alone.code, held.code) == (0, 0), held.err
    assert shown_after(held, "p ordinal") == "1"
    assert "breaks.py(24)main()" in held.err
    assert "sim/" not in held.err.split("(Pdb) w\n")[1].split("(Pdb)")[0]
    one, other = Run(tmp_path / "alone"), Run(tmp_path / "held")
    assert one.result["digest"] == other.result["digest"] is not None
    assert one.log == other.log
    assert other.result["findings"] == []


def test_without_a_terminal_a_breakpoint_is_passed_over(tmp_path: Path) -> None:
    """A finding that does not gate names the line; PYTHONBREAKPOINT=0 in the bot's environment silences it."""
    told = windtunnel("run", BREAKS, "--out", "told", cwd=tmp_path)
    silenced = windtunnel("run", BREAKS, "--set", 'bot.env.PYTHONBREAKPOINT="0"', "--out", "silenced", cwd=tmp_path)

    finding = Run(tmp_path / "told").finding("boundary")
    assert (told.code, silenced.code) == (0, 0), silenced.err
    assert "breakpoint() was passed over" in finding["title"]
    assert finding["gating"] is False
    assert finding["where"] == "breaks.py:23"
    assert Run(tmp_path / "silenced").result["findings"] == []


def test_until_an_instant_stops_at_the_bots_next_line(tmp_path: Path, smoke: Flock) -> None:
    """The real bot in smoke, from 31.5 s on: a line of its own, and afterwards the digest of an unattended flight."""
    call = attended(
        "run", ROOT / "scenarios" / "smoke.yaml", "--pdb", "--until", "31.5s", "--out", "run",
        cwd=tmp_path, typed=["n", "n", "s", "w", "p self", "c"],
    )  # fmt: skip

    told = re.search(r"\[(\d+)\.\d+s\] the instant has come\n> (\S+)\(\d+\)", call.err)
    assert call.code == 0, call.err
    assert told is not None, call.err
    assert int(told[1]) == 36  # until the next head it only waits
    assert told[2].startswith(str(ROOT / "bot"))
    assert Run(tmp_path / "run").result["digest"] == smoke.run("smoke").result["digest"]


def test_until_an_instant_finds_threads_without_a_loop(tmp_path: Path) -> None:
    """In a bot that only sleeps, the first thread to go on after 2.9 s is the main one, after its third second."""
    call = attended(
        "run", ZOO / "waits.yaml", "--pdb", "--until", "2.9s", "--out", "run", cwd=tmp_path, typed=["p ordinal"]
    )

    assert call.code == 0, call.err
    assert shown_after(call, "p ordinal") == "2"
    assert "waits.py(16)<module>()\n-> print(ordinal)" in call.err


def test_without_until_it_stops_at_what_ends_the_bot(tmp_path: Path, bad: Flock) -> None:
    """An uncaught exception is looked at where it was raised; the verdict and the digest are those of any flight."""
    call = attended(
        "run", ZOO / "bad" / "raises.yaml", "--pdb", "--out", "run", cwd=tmp_path, typed=["p __name__", "up", "q"]
    )

    assert call.code == 1, call.err
    assert "no liquidity" in call.err.split("(Pdb)")[0]
    assert "-> raise ValueError" in call.err.split("(Pdb)")[0]
    assert shown_after(call, "p __name__") == "'__main__'"
    assert Run(tmp_path / "run").result["digest"] == bad.run("raises").result["digest"]
    assert Run(tmp_path / "run").result["end"] == "crash"


def test_until_a_finding_stops_where_it_is_raised(tmp_path: Path, locks: Flock) -> None:
    """The deadlock's own line, in the task that closes the circle."""
    deadlock = locks.run("opposite_locks", 5).finding("deadlock")
    scenario = ZOO / "bad" / "opposite_locks.yaml"

    call = attended(
        "run", scenario, "--seed", "5", "--pdb", "--until", f"finding:{deadlock['id']}", "--out", "run",
        cwd=tmp_path, typed=["w"],
    )  # fmt: skip
    other = attended(
        "run", scenario, "--seed", "5", "--pdb", "--until", "finding:spin-1", "--out", "other", cwd=tmp_path, typed=[]
    )

    assert call.code == other.code == 1
    assert f"finding {deadlock['id']}" in call.err
    assert re.search(r"> .*opposite_locks\.py\(\d+\)", call.err)
    assert Run(tmp_path / "run").result["digest"] == locks.run("opposite_locks", 5).result["digest"]
    assert "this run has no finding spin-1; its findings: " in other.err
    assert deadlock["id"] in other.err


@pytest.mark.parametrize("key", ["q", CTRL_C])
def test_q_and_ctrl_c_end_the_flight(key: str, tmp_path: Path) -> None:
    """Exit code 130, and the record up to there is readable."""
    call = attended("run", BREAKS, "--out", "run", cwd=tmp_path, typed=[key])

    run = Run(tmp_path / "run")
    assert call.code == 130, call.err
    assert run.result["end"] == "interrupted"
    assert run.record.missing() is None
    assert len(run.printed) == 1


def test_no_limit_of_wall_time_counts_while_a_person_thinks(tmp_path: Path) -> None:
    """A long sum at the prompt, where a callback may take two seconds: the flight goes on."""
    limit = ("--set", "limits.callback_wall=2s")

    call = attended("run", BREAKS, *limit, "--out", "run", cwd=tmp_path, typed=["p sum(range(15 * 10**7))"])

    assert call.code == 0, call.err
    assert Run(tmp_path / "run").result["findings"] == []


def test_a_good_bot_gives_nothing_to_stop_at(tmp_path: Path) -> None:
    """--pdb says that it never stopped; an instant after the end likewise."""
    scenario = ZOO / "mended" / "leaks_a_task.yaml"

    nothing = attended("run", scenario, "--pdb", "--out", "nothing", cwd=tmp_path, typed=[])
    late = attended("run", scenario, "--pdb", "--until", "1h", "--out", "late", cwd=tmp_path, typed=[])

    assert (nothing.code, late.code) == (0, 0)
    assert "nothing was found to stop at" in nothing.err
    assert "ended before a line of the bot ran at or after 60m0s" in late.err


def test_what_pdb_cannot_do_is_refused(tmp_path: Path) -> None:
    """Several seeds, no terminal, an instant that is none, --until alone: exit code 2 and the mend."""
    seeds = attended("run", BREAKS, "--seeds", "1..2", "--pdb", cwd=tmp_path, typed=[])
    blind = windtunnel("run", BREAKS, "--pdb", cwd=tmp_path)
    instant = attended("run", BREAKS, "--pdb", "--until", "31", cwd=tmp_path, typed=[])
    alone = windtunnel("run", BREAKS, "--until", "31s", cwd=tmp_path)

    assert [seeds.code, blind.code, instant.code, alone.code] == [2, 2, 2, 2]
    assert "choose with --seed" in seeds.err
    assert "needs a terminal" in blind.err
    assert "write an instant as in 312.5s, or finding:ID" in instant.err
    assert "give both" in alone.err
