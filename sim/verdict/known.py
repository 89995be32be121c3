"""Known findings: a file of the ones a team has accepted for a while, with reason, owner and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from sim.errors import ScenarioError
from sim.metric import suggest

KEYS = ("id", "reason", "owner", "expires")


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """One accepted finding.

    Args:
        expires: the last day on which it is accepted.
        expired: whether that day had passed when the run was judged.
        line: its line in the file; 0 if it comes from a record.
    """

    id: str
    reason: str
    owner: str
    expires: date
    expired: bool
    line: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the form in which a record's header keeps it, so that the gate judges as the run did."""
        return {
            "id": self.id,
            "reason": self.reason,
            "owner": self.owner,
            "expires": self.expires.isoformat(),
            "expired": self.expired,
        }


def load_known(path: Path, today: date) -> tuple[KnownFinding, ...]:
    """Read a YAML list of `id, reason, owner, expires`.

    Raises:
        ScenarioError: the file is missing, is no such list, repeats an id, or names an unknown key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot read the known findings: {error}") from None
    place = _Place(path, text.splitlines())
    try:
        entries = _reader().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        raise place.error((line, column), error.problem or "not valid YAML") from None
    except YAMLError as error:
        raise ScenarioError(f"{path}: not valid YAML: {error}") from None
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise place.error((0, 0), f"known findings are a list of maps with the keys {', '.join(KEYS)}")
    known = tuple(_entry(entries, index, place, today) for index in range(len(entries)))
    _refuse_repeated(known, place)
    return known


def known_of(header: Mapping[str, Any]) -> tuple[KnownFinding, ...]:
    """Return the known findings that a record's header keeps."""
    return tuple(
        KnownFinding(
            entry["id"], entry["reason"], entry["owner"], date.fromisoformat(entry["expires"]), bool(entry["expired"])
        )
        for entry in header.get("known", ())
    )


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    lines: list[str]

    def error(self, at: tuple[int, int], message: str) -> ScenarioError:
        line, column = at
        shown = self.lines[line] if line < len(self.lines) else ""
        caret = " " * column + "^"
        return ScenarioError(f"{self.path}:{line + 1}:{column + 1}: {message}\n  {shown}\n  {caret}")


class _Constructor(RoundTripConstructor):
    """Leaves days as text, so that one which no calendar has is told with its place."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_scalar)


def _reader() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = _Constructor
    return yaml


def _entry(entries: Any, index: int, place: _Place, today: date) -> KnownFinding:
    entry: Any = entries[index]
    at = entries.lc.item(index)
    if not isinstance(entry, CommentedMap):
        raise place.error(at, f"an entry is a map with the keys {', '.join(KEYS)}")
    for key in entry:
        if key not in KEYS:
            raise place.error(entry.lc.key(key), f"unknown key {key!r}; {suggest(str(key), KEYS)}")
    for key in KEYS:
        if key not in entry:
            raise place.error(at, f"the entry lacks {key!r}")
    words = {key: _word(entry, key, place) for key in ("id", "reason", "owner")}
    expires = _day(entry, place)
    return KnownFinding(**words, expires=expires, expired=expires < today, line=at[0] + 1)


def _word(entry: Any, key: str, place: _Place) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise place.error(entry.lc.value(key), f"{key!r} is a text that says something, not {value!r}")
    return str(value)


def _day(entry: Any, place: _Place) -> date:
    value = entry["expires"]
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise place.error(entry.lc.value("expires"), f"'expires' is a day such as 2027-01-31, not {value!r}") from None


def _refuse_repeated(known: Iterable[KnownFinding], place: _Place) -> None:
    seen: dict[str, int] = {}
    for entry in known:
        if entry.id in seen:
            raise place.error((entry.line - 1, 0), f"{entry.id!r} is already known from line {seen[entry.id]}")
        seen[entry.id] = entry.line
