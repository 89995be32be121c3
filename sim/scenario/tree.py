"""A YAML 1.2 text as a tree of values with their places; duplicate keys, foreign tags and bombs are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from sim.scenario.source import Place, Problem, Real, Source, Text, Whole, refuse

NODES_MAX = 50_000
DEPTH_MAX = 32
NUMBER_CHARACTERS_MAX = 200

# YAML 1.2, chapter 10.3.2: what an unquoted scalar of the core schema is. Everything else is text: `no`, `12:30`.
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CORE_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}

MENDS = (
    ("'\\t'", "indent with spaces, not tabs"),
    ("mapping values are not allowed", "a text with ': ' in it needs quotes"),
    ("'@'", "a text that begins with @ needs quotes"),
    ("'`'", "a text that begins with ` needs quotes"),
    ("'%'", "a text that begins with % needs quotes"),
    ("unexpected end of stream", "a quote is not closed"),
    ("expected ',' or", "a bracket or brace is not closed"),
    ("expected <block end>", "check the indentation of this line"),
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf: null, true or false, a number, a text."""

    place: Place
    value: Any
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a map with the place of the key itself."""

    key_place: Place
    tree: Tree


@dataclass(frozen=True, slots=True)
class Branch:
    """A map, in the order written."""

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A list."""

    place: Place
    items: list[Tree] = field(default_factory=list)


Tree = Scalar | Branch | Row


def plain(tree: Tree) -> Any:
    """Return *tree* as dicts, lists and leaves; a map's null entries are left out, for null deletes."""
    if isinstance(tree, Branch):
        return {key: plain(entry.tree) for key, entry in tree.entries.items() if not is_null(entry.tree)}
    if isinstance(tree, Row):
        return [plain(item) for item in tree.items]
    return tree.value


def is_null(tree: Tree) -> bool:
    """Return True for a null leaf."""
    return isinstance(tree, Scalar) and tree.value is None


def compose(text: str, source: Source, origin: Place | None = None) -> Tree | None:
    """Return the tree of a YAML *text*, None if it holds nothing.

    Args:
        origin: where *text* begins in *source*; the first line and column unless given.

    Raises:
        ScenarioError: with the place of each duplicate key, or of the first mistake of syntax.
    """
    origin = origin or Place(source)
    composer = _Composer(source, origin)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            composer.take(event)
    except MarkedYAMLError as error:
        raise refuse([*composer.problems, _syntax(error, composer)]) from None
    except ReaderError as error:
        before = text[: error.position]
        place = composer.at(before.count("\n"), len(before) - before.rfind("\n") - 1)
        raise refuse([Problem(place, f"character U+{ord(text[error.position]):04X} is not allowed in YAML")]) from None
    except YAMLError as error:
        raise refuse([Problem(origin, str(error).splitlines()[0])]) from None
    if composer.problems:
        raise refuse(composer.problems)
    return composer.root


@dataclass(slots=True)
class _Open:
    """A map or list whose end has not come yet."""

    tree: Branch | Row
    anchor: str | None
    size: int = 1
    key: str | None = None
    key_place: Place | None = None


class _Composer:
    """Builds the tree from the parser's events, without recursion, and counts what aliases would expand to."""

    def __init__(self, source: Source, origin: Place) -> None:
        self.source = source
        self.origin = origin
        self.root: Tree | None = None
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Tree, int] | None] = {}
        self._documents = 0
        self._nodes = 0

    def at(self, line: int, column: int) -> Place:
        """Return the place of the parser's *line* and *column*, which count from 0."""
        first = self.origin
        return Place(self.source, first.line + line, column + (first.column if line == 0 else 1))

    def take(self, event: Event) -> None:
        """Grow the tree by one event."""
        place = self.at(event.start_mark.line, event.start_mark.column)
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            version = event.version
            if version is not None and tuple(version) != (1, 2):
                self._fail(place, "a scenario is YAML 1.2; leave the %YAML line out")
            if self._documents > 1:
                self._fail(place, "a second document; a scenario is one YAML document, without --- between")
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._begin(event, place)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            done = self._open.pop()
            if done.anchor:
                self._anchors[done.anchor] = (done.tree, done.size)
            self._attach(done.tree, done.size, 1)
        elif isinstance(event, AliasEvent):
            self._alias(str(event.anchor), place)
        elif isinstance(event, ScalarEvent):
            self._scalar(event, place)

    def _begin(self, event: MappingStartEvent | SequenceStartEvent, place: Place) -> None:
        tree = Branch(place) if isinstance(event, MappingStartEvent) else Row(place)
        if event.tag and _CORE_TAGS.get(str(event.tag)) != ("map" if isinstance(tree, Branch) else "seq"):
            self._fail(place, f"the tag {event.tag} means nothing in a scenario; leave it out")
        if self._open and isinstance(self._open[-1].tree, Branch) and self._open[-1].key is None:
            self._fail(place, "a key must be a text, not a map or a list; a value like {x} or [x] may need quotes")
        if len(self._open) >= DEPTH_MAX:
            self._fail(place, f"nested deeper than {DEPTH_MAX} levels")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(tree, event.anchor))

    def _alias(self, name: str, place: Place) -> None:
        if name not in self._anchors:
            self._fail(place, f"no anchor &{name} stands before this alias; a text that begins with * needs quotes")
        found = self._anchors[name]
        if found is None:
            self._fail(place, f"the alias *{name} stands inside its own anchor")
        else:
            tree, size = found
            if self._key_is_due():
                self._fail(place, "a key must be written out, not an alias")
            self._attach(tree, size, size)

    def _scalar(self, event: ScalarEvent, place: Place) -> None:
        text, quoted = self._characters(event.value, place), bool(event.style)
        if self._key_is_due():
            self._key(text, place)
            return
        tag = _CORE_TAGS.get(str(event.tag)) if event.tag else None
        if event.tag and tag is None:
            self._fail(place, f"the tag {event.tag} means nothing here; a text that begins with ! needs quotes")
        value = Text(text, place) if tag == "str" or (quoted and tag is None) else _resolve(text, place)
        if tag in ("int", "float", "bool", "null") and isinstance(value, Text):
            self._fail(place, f"'{text}' is not of the type {tag}")
        leaf = Scalar(place, value, quoted)
        if event.anchor:
            self._anchors[event.anchor] = (leaf, 1)
        self._attach(leaf, 1, 1)

    def _characters(self, text: str, place: Place) -> str:
        """Return *text* with surrogate pairs, JSON's way to escape one character as two, joined."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16") if _SURROGATE.search(text) else text
        except UnicodeDecodeError:
            self._fail(place, "half of a surrogate pair is no character; write the character itself")

    def _key_is_due(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].tree, Branch) and self._open[-1].key is None

    def _key(self, key: str, place: Place) -> None:
        top = self._open[-1]
        assert isinstance(top.tree, Branch)
        if key == "<<":
            self._fail(place, "merge keys are YAML 1.1; use extends, or repeat the keys")
        if key in top.tree.entries:
            first = top.tree.entries[key].key_place
            self.problems.append(
                Problem(place, f"duplicate key '{key}', first on line {first.line}; remove one of the two")
            )
        top.key, top.key_place = key, place

    def _attach(self, tree: Tree, size: int, added: int) -> None:
        self._nodes += added
        if self._nodes > NODES_MAX:
            self._fail(tree.place, f"more than {NODES_MAX} values once aliases are expanded")
        if not self._open:
            self.root = tree
            return
        top = self._open[-1]
        top.size += size
        if isinstance(top.tree, Row):
            top.tree.items.append(tree)
            return
        assert top.key is not None
        assert top.key_place is not None
        top.tree.entries.setdefault(top.key, Entry(top.key_place, tree))
        top.key = None

    def _fail(self, place: Place, message: str) -> NoReturn:
        raise refuse([*self.problems, Problem(place, message)])


def _resolve(text: str, place: Place) -> Any:
    """Return what an unquoted scalar is in YAML 1.2's core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if len(text) > NUMBER_CHARACTERS_MAX:
        return Text(text, place)
    if _WHOLE.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return Whole(int(text[2:] if base != 10 else text, base), text)
    if _REAL.fullmatch(text):
        return Real(text)
    return Text(text, place)


def _syntax(error: MarkedYAMLError, composer: _Composer) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = " ".join(str(error.problem or error.context or "not YAML").split())
    mend = next((mend for part, mend in MENDS if part in what), "")
    opened = error.context_mark
    place = composer.at(mark.line, mark.column)
    if mend.endswith("not closed") and opened is not None:
        what, place = f"{error.context}: {what}", composer.at(opened.line, opened.column)
    return Problem(place, f"not YAML: {what}{'; ' + mend if mend else ''}")


def walk(tree: Tree, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Scalar]]:
    """Return each leaf of *tree* with its path."""
    if isinstance(tree, Branch):
        for key, entry in tree.entries.items():
            yield from walk(entry.tree, (*path, key))
    elif isinstance(tree, Row):
        for index, item in enumerate(tree.items):
            yield from walk(item, (*path, index))
    else:
        yield path, tree
