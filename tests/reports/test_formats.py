from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console

from reports.gate import evaluate
from reports.render.junit import render_junit
from reports.render.markdown import render_summary
from reports.story import tell
from reports.terminal import print_verdict, print_verdicts
from reports.trades import COLUMNS, trades_csv
from sim.verdict import Verdict, judge
from tests.reports.records import ETHER, MS, SLOT_NS, Tape, finding, flight, hostile

ASKED = [
    {"metric": "lock.wait{lock:nonce}", "expr": "p(99)<10ms", "file": "scenarios/smoke.yaml", "line": 31},
    {"metric": "lock.deadlocks", "expr": "count==0", "file": "scenarios/smoke.yaml", "line": 32},
]


def judged(tape: Tape, folder: Path) -> Verdict:
    return judge(tape.save(folder))


def printed(verdict: Verdict, folder: Path) -> str:
    out = io.StringIO()
    print_verdict(verdict, Console(file=out, width=100, color_system=None), folder / "report.html")
    return out.getvalue()


def test_junit_has_a_case_for_the_flight_each_threshold_and_each_finding(tmp_path: Path) -> None:
    """Failures, errors and skips are counted, and a threshold's case names its line in the scenario."""
    tape = flight(thresholds=ASKED, known=[known_entry("known_one")])
    finding(tape, "leaked_task", where="bot/feed.py:88")
    finding(tape, "stall", id="known_one")
    finding(tape, "spin", gating=False)

    suite = ET.fromstring(render_junit([judged(tape.end(), tmp_path)]))[0]

    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    missed, held = suite.findall("testcase")[1:3]
    assert (missed.get("file"), missed.get("line")) == ("scenarios/smoke.yaml", "31")
    assert [answer.get("message") for answer in missed] == ["lock.wait{lock:nonce}: 14.88 ms, threshold p(99)<10ms"]
    assert held.find("failure") is None


def known_entry(id_: str) -> dict[str, object]:
    return {"id": id_, "reason": "r", "owner": "o", "expires": "2030-01-01", "expired": False}


def test_junit_calls_a_torn_record_an_error(tmp_path: Path) -> None:
    """What could not be judged is an error, not a failure and not a pass."""
    suite = ET.fromstring(render_junit([judged(flight(thresholds=ASKED), tmp_path)]))[0]

    assert (suite.get("errors"), suite.get("failures"), suite.get("tests")) == ("3", "0", "3")


def test_junit_is_xml_whatever_the_record_holds(tmp_path: Path) -> None:
    """Markup, ends of CDATA and characters that XML forbids stay text."""
    text = render_junit([judged(hostile().end(), tmp_path)])

    root = ET.fromstring(text)

    assert {element.tag for element in root.iter()} <= {
        *("testsuites", "testsuite", "properties", "property", "testcase"),
        *("failure", "error", "skipped", "system-out"),
    }
    assert "<script>alert(1)</script>" in str(root[0].get("name"))


def test_the_summary_says_verdict_reasons_and_replay(tmp_path: Path) -> None:
    """The heading carries the verdict; reasons, tables and the replay line follow."""
    tape = flight(thresholds=ASKED)
    finding(tape, "leaked_task")

    lines = render_summary([judged(tape.end(), tmp_path)]).splitlines()

    assert lines[0].endswith("smoke seed 7: fail")
    assert "- leaked\\_task: a leaked\\_task at app.py:3" in lines
    assert any(line.startswith("| lock.wait\\{lock:nonce\\} | p(99)\\<10ms | 14.88 ms |") for line in lines)
    assert lines[lines.index("```sh") + 1] == "windtunnel run scenarios/smoke.yaml --seed 7"


def test_the_summary_lets_no_markup_through(tmp_path: Path) -> None:
    """No table is torn and no tag opened by a record's text; a fence is longer than any inside it."""
    tape = flight(replay="a ``` b\n<script>", scenario="x | y <b>")
    finding(tape, "crash", title="a | b\n| c [x](http://evil) <img>")

    text = render_summary([judged(tape.end(), tmp_path)])

    outside, _fence, rest = text.partition("````sh")
    assert rest.count("````") == 1
    assert not re.findall(r"(?<!\\)[<\[]", outside)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in outside.splitlines() if line.startswith("| crash"))


def test_trades_are_rows_in_wei(tmp_path: Path) -> None:
    """The columns are the promised ones; times are UTC, money wei; an orphaned trade keeps its row and time."""
    tape = flight(slots=2)
    land_ns = tape.now_ns
    money = {"quoted_wei": 5, "realised_wei": -3 * ETHER, "gas_used": 21_000, "tip_wei": 2}
    tape.recorder.event("trade", "bot", "", hash="0x9", block=102, path=["A", "B"], status="included", **money)
    tape.at(land_ns + SLOT_NS).event("trade", "bot", "", hash="0x9", block=102, path="", status="orphaned", **money)

    story = tell(tape.end().save(tmp_path))
    rows = list(csv.DictReader(io.StringIO(trades_csv(story.trades.values(), 1_700_000_000))))

    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["time"] == "2023-11-14T22:13:44.000Z"
    assert (rows[1]["realised"], rows[1]["status"], rows[1]["quoted"]) == (str(-3 * ETHER), "orphaned", "5")
    assert rows[1]["time"] == "2023-11-14T22:13:44.062Z"
    assert land_ns == 2 * SLOT_NS + 62 * MS


def test_a_trade_that_lands_twice_has_two_rows(tmp_path: Path) -> None:
    """Orphaned and included again at the same height, a trade keeps its orphaned row and gets a new one."""
    tape, trade = Tape(), {"hash": "0x9", "block": 102, "path": ["A", "B"], "realised_wei": 1}
    for at, status in enumerate(("included", "orphaned", "included", "orphaned", "reverted")):
        tape.at(at).event("trade", "bot", "", status=status, **trade)

    rows = tell(tape.end().save(tmp_path)).trades.values()

    assert [(row.t_ns, row.status) for row in rows] == [(0, "orphaned"), (2, "orphaned"), (4, "reverted")]


def test_a_spreadsheet_takes_no_formula_from_a_record(tmp_path: Path) -> None:
    """Text that starts like a formula is quoted; numbers with a sign are not."""
    story = tell(hostile().end().save(tmp_path))

    rows = list(csv.reader(io.StringIO(trades_csv(story.trades.values(), 0))))

    assert rows[-1][-1].startswith("'=1+1")


def test_a_reverted_transaction_is_a_row(tmp_path: Path) -> None:
    """A transaction of the bot that reverted shows as a trade that cost gas."""
    tape = flight(slots=1)
    tape.recorder.event("tx.included", "bot", "", hash="0x7", block=101, status=0, gas_used=50, gas_price_wei=2)

    (trade,) = tell(tape.end().save(tmp_path)).trades.values()

    assert (trade.status, trade.realised_wei, trade.gas_cost_wei) == ("reverted", 0, 100)


def test_the_terminal_shows_verdict_reasons_and_replay(tmp_path: Path) -> None:
    """Thresholds stand in the table with their answers; verdict, replay line and report path follow it."""
    tape = flight(thresholds=ASKED)
    finding(tape, "spin", gating=False)

    text = printed(judged(tape.end(), tmp_path), tmp_path)

    assert re.search(r"lock\.wait\{lock:nonce\}.*14\.88 ms.*p\(99\)<10ms.*fail", text)
    assert re.search(r"bot\.profit_wei.*0\.08 ETH", text)
    assert "finding  spin a spin at app.py:3 (does not gate)" in text
    assert re.search(r"^verdict  FAIL$", text, re.MULTILINE)
    assert f"report   {tmp_path / 'report.html'}\n" in text


def test_notes_are_told(tmp_path: Path) -> None:
    """What was not examined, and what was replaced, stands beside the verdict on the terminal and in the summary."""
    tape = flight()
    tape.recorder.note("examined", "bot", leaks="skipped: os._exit ended the process where it stood")
    tape.recorder.note("said", "bot", text="uvloop was asked for")
    verdict = judged(tape.end(), tmp_path)

    text, summary = printed(verdict, tmp_path), render_summary([verdict])

    assert (
        "note     leak check skipped: os._exit ended the process where it stood\nnote     uvloop was asked for\n"
        in text
    )
    assert "Note: leak check skipped: os.\\_exit ended the process where it stood." in summary
    assert "Note: uvloop was asked for." in summary


def test_the_terminal_obeys_nothing_a_record_says(tmp_path: Path) -> None:
    """Escape sequences and rich's own markup in a record are printed, not followed."""
    tape = hostile()
    finding(tape, "[bold]x[/bold]")

    text = printed(judged(tape.end(), tmp_path), tmp_path)

    assert not set(text) & {"\x1b", "\u202e", "\x00"}
    assert "[bold]x[/bold]" in text


def test_the_gate_answers_as_the_run_did(tmp_path: Path) -> None:
    """Judged again from its folder alone, each run has the verdict it had, and the table shows them all."""
    passed, failed, torn = flight(seed=1).end(), flight(seed=2, thresholds=ASKED).end(), flight(seed=3)
    folders = [tmp_path / name for name in ("passed", "failed", "torn")]
    at_run = [judged(tape, folder) for tape, folder in zip((passed, failed, torn), folders, strict=True)]

    again = evaluate(folders)
    out = io.StringIO()
    print_verdicts(again, Console(file=out, width=120, color_system=None))

    assert [run.verdict for run in again] == at_run
    assert [run.verdict.exit_code for run in again] == [0, 1, 3]
    assert re.findall(r"\b(pass|fail|inconclusive)\b", out.getvalue()) == ["pass", "fail", "inconclusive"]
