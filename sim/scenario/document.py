"""The merged text of a scenario: finds the place of each value, and says what is wrong there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sim.errors import ScenarioError
from sim.scenario.source import Place, Problem, refuse
from sim.scenario.tree import Branch, Row, Scalar, Tree

Path = tuple[str | int, ...]
KEY = "<key>"


@dataclass(frozen=True, slots=True)
class Document:
    """A tree, and the path of its file as the user wrote it."""

    name: str
    tree: Branch

    def place(self, path: Path) -> Place:
        """Return where the value at *path* stands, or the nearest value around it that was written.

        A last part `KEY` asks for the key instead of the value. Parts that were not written (a union's tag, a
        default) are passed over.
        """
        tree: Tree = self.tree
        place = tree.place
        for part in path:
            if isinstance(tree, Branch) and isinstance(part, str) and part in tree.entries:
                entry = tree.entries[part]
                tree, place, key_place = entry.tree, entry.tree.place, entry.key_place
                if path[-1] == KEY or not isinstance(tree, Scalar):
                    place = key_place
            elif isinstance(tree, Row) and isinstance(part, int) and part < len(tree.items):
                tree = tree.items[part]
                place = tree.place
        return place

    def leaf(self, path: Path) -> Scalar | None:
        """Return the leaf at exactly *path*, if it was written."""
        tree: Tree = self.tree
        for part in path:
            if isinstance(tree, Branch) and isinstance(part, str) and part in tree.entries:
                tree = tree.entries[part].tree
            elif isinstance(tree, Row) and isinstance(part, int) and part < len(tree.items):
                tree = tree.items[part]
            else:
                return None
        return tree if isinstance(tree, Scalar) else None

    def problem(self, path: Path, message: str, part: str = "") -> Problem:
        """Return a problem at *path*, with the caret under *part* of the text if that is found on its line."""
        place = self.place(path)
        if part:
            lines = place.source.text_lines
            line = lines[place.line - 1] if place.line <= len(lines) else ""
            found = line.find(part, place.column - 1)
            place = place.shifted(found - place.column + 1) if found >= 0 else place
        return Problem(place, f"{dotted(path)}: {message}" if path else message)

    def refusal(self, path: Path, message: str) -> ScenarioError:
        """Return an error at *path*."""
        return refuse([self.problem(path, message)])


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as `--set` takes it: `faults[0].depth`, `thresholds."lock.deadlocks"[0]`."""
    text = ""
    for part in path:
        if part == KEY:
            continue
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = all(char.isalnum() or char in "_-" for char in part)
        text += f"{'.' if text else ''}{part if bare else chr(34) + part + chr(34)}"
    return text
