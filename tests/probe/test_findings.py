"""Findings: each once, under an id that survives edits elsewhere, without keys."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from sim.host.output import Redactor
from sim.probe.findings import Findings
from sim.probe.place import Place
from sim.record import Event, Recorder, open_record

KEY = bytes(range(1, 33))
PLACE = Place("app.py:10", "app.py:main", "bot")


class Tape:
    """A record in memory, and the findings on their way into it."""

    def __init__(self, folder: Path, level: str = "L0") -> None:
        self._folder = folder
        self._sink = io.BytesIO()
        self.recorder = Recorder(self._sink, lambda: 5)
        self.recorder.header(seed=1)
        self.findings = Findings(self.recorder, lambda: 5, Redactor([KEY]).text, level)

    def written(self) -> list[dict[str, Any]]:
        """Return what stands in the record."""
        self.recorder.close()
        (self._folder / "record.jsonl.zst").write_bytes(self._sink.getvalue())
        events: list[Event] = list(open_record(self._folder).events())
        return [dict(event.data) for event in events if event.kind == "finding"]


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path)


def test_the_same_is_written_once(tape: Tape) -> None:
    """One kind in one function about one thing is one finding, however often and on whichever line."""
    tape.findings.add("leaked_task", "first", PLACE, about="feed")
    tape.findings.add("leaked_task", "again", PLACE, about="feed")
    tape.findings.add("leaked_task", "moved", Place("app.py:99", PLACE.scope, "bot"), about="feed")

    (written,) = tape.written()

    assert (written["title"], written["where"], written["at_ns"], written["level"]) == ("first", "app.py:10", 5, "L0")
    assert written["gating"] is True


def test_what_differs_has_an_id_of_its_own(tape: Tape) -> None:
    """Another kind, another function and another thing are other findings; an id names its kind."""
    tape.findings.add("leaked_task", "a", PLACE, about="feed")
    tape.findings.add("leaked_lock", "b", PLACE, about="feed")
    tape.findings.add("leaked_task", "c", PLACE, about="other")
    tape.findings.add("leaked_task", "d", Place("app.py:10", "app.py:start", "bot"), about="feed")

    written = tape.written()

    assert len({each["id"] for each in written}) == 4
    assert all(each["id"].startswith(f"{each['kind']}-") for each in written)


def test_ids_are_those_of_other_runs(tmp_path: Path) -> None:
    """The same mistake has the same id in another flight, where its line and title are others."""
    ids = []
    for name, line in (("first", 10), ("second", 77)):
        (tmp_path / name).mkdir()
        tape = Tape(tmp_path / name, level="L2")
        tape.findings.add("crash", f"at {line}", Place(f"app.py:{line}", "app.py:main", "bot"))
        ids += [(each["id"], each["level"]) for each in tape.written()]

    assert ids[0] == ids[1]
    assert ids[0][1] == "L2"


def test_no_finding_tells_a_key(tape: Tape) -> None:
    """Keys are struck out of the title and of everything in the detail, however deep."""
    spelt = f"key 0x{KEY.hex()}"
    tape.findings.add("crash", spelt, PLACE, detail={"stack": [spelt], "more": {"deep": (spelt, 7, None)}})

    (written,) = tape.written()

    assert KEY.hex() not in str(written)
    assert written["title"] == "key 0x***"
    assert written["detail"] == {"stack": ["key 0x***"], "more": {"deep": ["key 0x***", 7, None]}}


def test_whoever_watches_is_told_once(tape: Tape) -> None:
    """A debugger learns of each finding as it is written: id, title without keys, whether it gates."""
    told: list[tuple[Any, ...]] = []
    tape.findings.on_add = lambda *args: told.append(args)

    tape.findings.add("spin", f"0x{KEY.hex()}", PLACE, gating=False)
    tape.findings.add("spin", "again", PLACE, gating=False)

    (written,) = tape.written()
    assert told == [(written["id"], "0x***", False, None)]
