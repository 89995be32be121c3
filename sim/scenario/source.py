"""Where a value was written: file, line and column, or the argument of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from os.path import normpath
from pathlib import Path
from typing import Self

from sim.errors import ScenarioError

PROBLEMS_MAX = 10
LINE_CHARACTERS_MAX = 160
# A private key has 64 hexadecimal digits; one that was mistyped may have a few more or less.
_SECRET = re.compile(r"[0-9a-fA-F]{60,}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Source:
    """One text that values come from.

    Args:
        name: the path as the user wrote it, or the option's name.
        directory: what relative paths written in it are relative to.
        text_lines: its lines, without their ends.
        is_argument: True for an argument of the command line.
    """

    name: str
    directory: Path
    text_lines: tuple[str, ...]
    is_argument: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a source; line and column count from 1."""

    source: Source
    line: int = 1
    column: int = 1

    def shifted(self, columns: int) -> Place:
        """Return the place *columns* further right."""
        return replace(self, column=self.column + columns)


class Text(str):
    """A text of a scenario that knows where it was written, so that paths can be relative to that."""

    __slots__ = ("place",)
    place: Place

    def __new__(cls, value: str, place: Place) -> Self:
        """Return *value* with its place."""
        text = super().__new__(cls, value)
        text.place = place
        return text

    def __getnewargs__(self) -> tuple[str, Place]:  # type: ignore[override]  # typeshed: str takes one argument
        """Return what a copy is made of."""
        return str(self), self.place


class Whole(int):
    """A whole number of a scenario with its spelling, which `0x00ff` and environment variables need."""

    text: str

    def __new__(cls, value: int, text: str) -> Self:
        """Return *value* with its spelling."""
        number = super().__new__(cls, value)
        number.text = text
        return number

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]  # typeshed: int takes one argument
        """Return what a copy is made of."""
        return int(self), self.text


class Real(Decimal):
    """A decimal number of a scenario, exact, with its spelling."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Return the number that *text* spells."""
        number = super().__new__(cls, text)
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a scenario, and where."""

    place: Place
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, the line, and a caret under the place."""
        source, column = self.place.source, self.place.column
        lines = source.text_lines
        line = lines[self.place.line - 1] if 0 < self.place.line <= len(lines) else ""
        line, column = _window(masked(_UNPRINTABLE.sub("?", line)), column)
        margin = "".join(char if char == "\t" else " " for char in line[: column - 1]).ljust(column - 1)
        where = source.name if source.is_argument else f"{source.name}:{self.place.line}:{self.place.column}"
        return masked(f"{where}: {self.message}\n  {line}\n  {margin}^")


def refuse(problems: Iterable[Problem]) -> ScenarioError:
    """Return the error that states *problems*, ten at most."""
    listed = list(problems)
    shown = [str(problem) for problem in listed[:PROBLEMS_MAX]]
    if len(listed) > PROBLEMS_MAX:
        shown.append(f"and {len(listed) - PROBLEMS_MAX} more")
    return ScenarioError("\n".join(shown))


def masked(text: str) -> str:
    """Return *text* with everything as long as a private key hidden, so that no message shows one."""
    return _SECRET.sub(lambda match: "*" * len(match[0]), text)


def anchor(path: str) -> Path:
    """Return *path* in full; a relative one starts at the folder of the text it was written in."""
    directory = path.place.source.directory if isinstance(path, Text) else Path.cwd()
    return Path(normpath(directory / path))


def _window(line: str, column: int) -> tuple[str, int]:
    if len(line) <= LINE_CHARACTERS_MAX:
        return line, column
    start = max(0, column - 1 - LINE_CHARACTERS_MAX // 2)
    return line[start : start + LINE_CHARACTERS_MAX], column - start
