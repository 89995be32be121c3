"""Trees laid over one another: a scenario over the one it extends, `--bot` and `--set` over both."""

from __future__ import annotations

import re
from pathlib import Path

from sim.scenario.source import Place, Problem, Source, Text, refuse
from sim.scenario.tree import Branch, Entry, Row, Scalar, Tree, compose, is_null

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED_KEY = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_INDEX = re.compile(r"\[(\d{1,6})\]")
_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

# Naming one of these in a layer drops the other that a lower layer named: a bot is exactly one of them.
RIVAL_KEYS = {"entry": "script", "script": "entry"}

Step = tuple[str | int, Place]


def merge(lower: Tree, upper: Tree, path: tuple[str, ...] = ()) -> Tree:
    """Return *upper* over *lower*: maps merge, null deletes, everything else replaces."""
    if not isinstance(lower, Branch) or not isinstance(upper, Branch):
        return upper
    entries = dict(lower.entries)
    for key, entry in upper.entries.items():
        if is_null(entry.tree):
            entries.pop(key, None)
            continue
        if path == ("bot",) and key in RIVAL_KEYS and RIVAL_KEYS[key] not in upper.entries:
            entries.pop(RIVAL_KEYS[key], None)
        below = entries.get(key)
        entries[key] = Entry(entry.key_place, merge(below.tree, entry.tree, (*path, key)) if below else entry.tree)
    return Branch(upper.place, entries)


def apply_set(tree: Tree, argument: str, directory: Path) -> Tree:
    """Return *tree* with one `--set PATH=VALUE` applied.

    Raises:
        ScenarioError: quoting the argument with a caret.
    """
    source = Source("--set", directory, tuple(argument.split("\n")), is_argument=True)
    steps, equals = _steps(argument, source)
    value = compose(argument[equals + 1 :], source, Place(source, column=equals + 2))
    value = value or Scalar(Place(source, column=equals + 2), None)
    return _put(tree, steps, value)


def apply_bot(tree: Tree, argument: str, directory: Path) -> Tree:
    """Return *tree* with its bot replaced by *argument*, an entry `module:attribute` or the path of a script.

    Entry, script, args and files are replaced, costs of its functions are dropped, env is kept. `path` becomes the
    caller's directory, unless that has no such module and the scenario's own path has it.
    """
    source = Source("--bot", directory, (argument,), is_argument=True)
    place = Place(source)
    is_entry = _ENTRY.fullmatch(argument) is not None and not (directory / argument).exists()
    if not is_entry and not argument.endswith(".py") and not (directory / argument).exists():
        raise refuse([Problem(place, "expected an entry such as bot.app:main or a script such as my/bot.py")])
    if not is_entry and not (directory / argument).is_file():
        raise refuse([Problem(place, f"no script {directory / argument}")])
    assert isinstance(tree, Branch)
    below = tree.entries.get("bot")
    kept = dict(below.tree.entries) if below and isinstance(below.tree, Branch) else {}
    for key in ("entry", "script", "args", "files", "cpu"):
        kept.pop(key, None)
    if not (is_entry and not _holds(directory, argument) and _holds(_path_of(kept), argument)):
        kept.pop("path", None)
    key = "entry" if is_entry else "script"
    kept[key] = Entry(place, Scalar(place, Text(argument, place)))
    bot = Branch(below.tree.place if below else place, kept)
    return Branch(tree.place, {**tree.entries, "bot": Entry(below.key_place if below else place, bot)})


def _path_of(bot: dict[str, Entry]) -> Path | None:
    tree = bot["path"].tree if "path" in bot else None
    if isinstance(tree, Scalar) and isinstance(tree.value, Text):
        return tree.place.source.directory / tree.value
    return None


def _holds(directory: Path | None, entry: str) -> bool:
    top = entry.partition(":")[0].partition(".")[0]
    return directory is not None and ((directory / top).is_dir() or (directory / f"{top}.py").is_file())


def _steps(argument: str, source: Source) -> tuple[list[Step], int]:
    """Return the keys and indexes of the path, and where its `=` stands."""
    steps: list[Step] = []
    position, key_is_due = 0, True
    while True:
        place = Place(source, column=position + 1)
        if key_is_due:
            match = _QUOTED_KEY.match(argument, position) or _BARE_KEY.match(argument, position)
            if match is None:
                raise refuse([Problem(place, _no_key(argument, position))])
            quoted = match.re is _QUOTED_KEY
            steps.append((re.sub(r"\\(.)", r"\1", match[1]) if quoted else match[0], place))
            key_is_due = False
        elif (index := _INDEX.match(argument, position)) is not None:
            match = index
            steps.append((int(index[1]), place))
        elif argument.startswith(".", position):
            position, key_is_due = position + 1, True
            continue
        elif argument.startswith("=", position):
            return steps, position
        else:
            raise refuse([Problem(place, _no_key(argument, position))])
        position = match.end()


def _no_key(argument: str, position: int) -> str:
    found = argument[position : position + 1]
    if not found:
        return "'=' is missing; write PATH=VALUE, as in duration=60s"
    if found == '"':
        return "this quote is not closed"
    if found == "[":
        return "an index is a number in brackets, as in faults[0].depth=3"
    if found == "=":
        return "a key is missing before '='; write PATH=VALUE, as in duration=60s"
    return f"'{found}' in a key needs double quotes around that key, as in thresholds.\"lock.deadlocks\"=[...]"


def _put(tree: Tree | None, steps: list[Step], value: Tree, done: tuple[str, ...] = ()) -> Tree:
    """Return a copy of *tree* with *value* at the end of *steps*."""
    if not steps:
        return value
    step, place = steps[0]
    name = "".join(done) or "the scenario"
    if isinstance(step, int):
        return _put_item(tree, step, place, steps[1:], value, done)
    if tree is not None and not isinstance(tree, Branch) and not is_null(tree):
        what = "a list; write [n] after it" if isinstance(tree, Row) else "a single value and has no keys"
        raise refuse([Problem(place, f"{name} is {what}")])
    entries = dict(tree.entries) if isinstance(tree, Branch) else {}
    below = entries.get(step)
    if len(steps) == 1 and is_null(value):
        entries.pop(step, None)
        return Branch(tree.place if isinstance(tree, Branch) else place, entries)
    if done == ("bot",) and len(steps) == 1 and step in RIVAL_KEYS:
        entries.pop(RIVAL_KEYS[step], None)
    dotted = f".{step}" if done else step
    entries[step] = Entry(place, _put(below.tree if below else None, steps[1:], value, (*done, dotted)))
    return Branch(tree.place if isinstance(tree, Branch) else place, entries)


def _put_item(
    tree: Tree | None, index: int, place: Place, steps: list[Step], value: Tree, done: tuple[str, ...]
) -> Tree:
    name = "".join(done)
    if tree is not None and not isinstance(tree, Row) and not is_null(tree):
        what = "a map; write .key after it" if isinstance(tree, Branch) else "a single value, not a list"
        raise refuse([Problem(place, f"{name} is {what}")])
    items = list(tree.items) if isinstance(tree, Row) else []
    if index > len(items):
        last = f"its last index is {len(items) - 1}" if items else "it is empty"
        raise refuse([Problem(place, f"{name} has no index {index}; {last}, and [{len(items)}] would append")])
    below = items[index] if index < len(items) else None
    items[index : index + 1] = [_put(below, steps, value, (*done, f"[{index}]"))]
    return Row(tree.place if isinstance(tree, Row) else place, items)
