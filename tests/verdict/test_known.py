from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.verdict import known_of, load_known

TODAY = date(2026, 11, 22)
GOOD = """\
# accepted until the fix is out
- id: leaked_task@feed.py
  reason: "upstream #3867"
  owner: ana
  expires: 2026-11-22
- {id: spin@web3, reason: polls, owner: ben, expires: 2026-11-21}
"""


def test_known_findings_are_read(tmp_path: Path) -> None:
    """Every entry has its fields and line; it expires on the day after its last one."""
    path = tmp_path / "known.yaml"
    path.write_text(GOOD)

    first, second = load_known(path, TODAY)

    assert (first.id, first.reason, first.owner, first.line) == ("leaked_task@feed.py", "upstream #3867", "ana", 2)
    assert (first.expired, second.expired, second.line) == (False, True, 6)


def test_known_findings_survive_the_header(tmp_path: Path) -> None:
    """What a header keeps is what was read, but for the line."""
    path = tmp_path / "known.yaml"
    path.write_text(GOOD)
    entries = load_known(path, TODAY)

    kept = known_of({"known": [entry.as_json() for entry in entries]})

    assert [entry.as_json() for entry in kept] == [entry.as_json() for entry in entries]
    assert known_of({}) == ()


def test_an_empty_file_knows_nothing(tmp_path: Path) -> None:
    """An empty file is an empty list."""
    path = tmp_path / "known.yaml"
    path.write_text("# nothing yet\n")

    assert load_known(path, TODAY) == ()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("id: x\n", "1:1", "are a list"),
        ("- x\n", "1:3", "an entry is a map"),
        ("- {id: a, reason: b, owner: c}\n", "1:3", "lacks 'expires'"),
        ("- id: a\n  reson: b\n", "2:3", "did you mean 'reason'?"),
        ("- id: a\n  reason: b\n  owner: c\n  expires: soon\n", "4:12", "a day such as 2027-01-31, not 'soon'"),
        ("- id: 7\n  reason: b\n  owner: c\n  expires: 2027-01-31\n", "1:7", "not 7"),
        ("- id: a\n  reason: ''\n  owner: c\n  expires: 2027-01-31\n", "2:11", "says something"),
        (GOOD + "- {id: spin@web3, reason: x, owner: y, expires: 2027-01-31}\n", "7:1", "already known from line 6"),
        ("- id: a\n  id: b\n", "2:3", "duplicate"),
        ("- id: [\n", "2:1", "expected"),
        ("- {id: a, reason: b, owner: c, expires: 2027-02-31}\n", "1:41", "not '2027-02-31'"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    """The message names file, line and column, shows the line and says the mend; the exit code is 2."""
    path = tmp_path / "known.yaml"
    path.write_text(text)

    with pytest.raises(ScenarioError) as caught:
        load_known(path, TODAY)

    assert str(caught.value).startswith(f"{path}:{place}")
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there, and one that is no text, are wrong input, not a crash."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (tmp_path / "none.yaml", binary):
        with pytest.raises(ScenarioError, match="cannot read the known findings"):
            load_known(path, TODAY)
