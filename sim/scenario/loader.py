"""Reads a scenario file: `extends`, `--bot`, `--set`, validation; every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import isdir, normpath
from pathlib import Path

from pydantic import ValidationError

from sim.errors import ScenarioError
from sim.scenario import checks
from sim.scenario.bot import ENV_PATTERN
from sim.scenario.chain import FUNCTION_PATTERN
from sim.scenario.complaint import complaints
from sim.scenario.costs import FUNCTION_NAME_PATTERN
from sim.scenario.document import Document
from sim.scenario.fields import ENTRY_PATTERN, HOST_PATTERN, NAME_PATTERN
from sim.scenario.model import Scenario
from sim.scenario.overlay import apply_bot, apply_set, merge
from sim.scenario.source import Place, Problem, Source, Text, refuse
from sim.scenario.tree import Branch, Entry, Scalar, Tree, compose, is_null, plain
from sim.scenario.values import suggestion

FILE_BYTES_MAX = 1 << 20
EXTENDS_MAX = 16

PATTERNS = {
    NAME_PATTERN: "a name; names are made of a-z, 0-9, _ and -",
    ENTRY_PATTERN: "an entry; write module:attribute, as in bot.app:main",
    HOST_PATTERN: "a host name, as in rpc.example.com, without a scheme, port or path",
    FUNCTION_NAME_PATTERN: "a function; write module:function or module:Class.method, as in bot.strategy:decide",
    ENV_PATTERN: "the name of a variable; those are made of letters, digits and _",
    FUNCTION_PATTERN: "a function; write its name or its signature, as in set or set(uint256)",
}


def load(
    path: str | Path,
    sets: Sequence[str] = (),
    bot: str | None = None,
    *,
    directory: Path | None = None,
    needs_bot: bool = True,
) -> Scenario:
    """Return the scenario in the file *path*.

    Args:
        sets: `--set` arguments, applied left to right after `extends` and *bot*.
        bot: the `--bot` argument.
        directory: the caller's directory; the present one unless given.
        needs_bot: whether a scenario without a bot is refused.

    Raises:
        ScenarioError: naming file, line and column (or the argument), what was found and the mend; up to ten problems.
    """
    directory = (directory or Path.cwd()).absolute()
    name = str(path)
    root = _read_all(name, directory)
    tree = root if bot is None else _as_branch(apply_bot(root, bot, directory))
    home = (directory / name).parent
    for argument in sets:
        tree = _as_branch(apply_set(tree, argument, home))
    document = Document(name, _with_defaults(tree, Path(name).stem, directory))
    scenario = _validate(document)
    problems = list(checks.problems(scenario, document))
    if needs_bot and scenario.bot is None:
        problems.append(document.problem((), "no bot; add bot.entry or bot.script, or give --bot"))
    if problems:
        raise refuse(sorted(problems, key=_order))
    return scenario


def _order(problem: Problem) -> tuple[bool, str, int, int]:
    place = problem.place
    return place.source.is_argument, place.source.name, place.line, place.column


def _validate(document: Document) -> Scenario:
    data = plain(document.tree)
    models: dict[int, type] = {}
    try:
        scenario = Scenario.model_validate(data, context={"models": models})
    except ValidationError as error:
        raise refuse(complaints(error, document, data, models, PATTERNS)) from None
    scenario._document = document  # noqa: SLF001  # the only one who knows it
    return scenario


def _with_defaults(tree: Branch, stem: str, directory: Path) -> Branch:
    """Return *tree* with the two defaults that do not follow from the text: the id and the bot's path."""
    entries = dict(tree.entries)
    place = tree.place
    if "id" not in entries or is_null(entries["id"].tree):
        entries["id"] = Entry(place, Scalar(place, Text(stem, place)))
    bot = entries["bot"].tree if "bot" in entries else None
    if isinstance(bot, Branch) and ("path" not in bot.entries or is_null(bot.entries["path"].tree)):
        path = Entry(bot.place, Scalar(bot.place, Text(str(directory), bot.place)))
        entries["bot"] = Entry(entries["bot"].key_place, Branch(bot.place, {**bot.entries, "path": path}))
    return Branch(place, entries)


def _read_all(name: str, directory: Path) -> Branch:
    """Return the tree of a file over those that it extends."""
    layers: list[Branch] = []
    seen: list[Path] = []
    asked: Scalar | None = None
    while True:
        file = directory / name
        if file.resolve() in seen:
            assert asked is not None
            circle = " -> ".join(each.name for each in [*seen[seen.index(file.resolve()) :], file.resolve()])
            raise refuse([Problem(asked.place, f"extends: goes round in a circle: {circle}")])
        seen.append(file.resolve())
        tree = _read(name, file, asked)
        layers.append(tree)
        extends = tree.entries.pop("extends", None)
        if len(layers) > 1:
            tree.entries.pop("id", None)  # a name is not inherited
        if extends is None or is_null(extends.tree):
            break
        leaf = extends.tree
        if not isinstance(leaf, Scalar) or not isinstance(leaf.value, Text):
            raise refuse([Problem(leaf.place, "extends: expected the path of one scenario file")])
        if len(layers) > EXTENDS_MAX:
            raise refuse([Problem(leaf.place, f"extends: a chain of more than {EXTENDS_MAX} files")])
        asked = leaf
        name = normpath(Path(name).parent / leaf.value)
    merged = layers.pop()
    while layers:
        merged = _as_branch(merge(merged, layers.pop()))
    return merged


def _read(name: str, file: Path, asked: Scalar | None) -> Branch:
    try:
        raw = file.read_bytes() if file.stat().st_size <= FILE_BYTES_MAX else None
    except OSError as error:
        raise _unreadable(name, file, asked, error) from None
    if raw is None:
        raise ScenarioError(f"{name}: larger than {FILE_BYTES_MAX} bytes, which no scenario needs")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ScenarioError(
            f"{name}:{line}:{column}: not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as UTF-8"
        ) from None
    lines = tuple(line.removesuffix("\r") for line in text.split("\n"))
    source = Source(name, file.parent.absolute(), lines)
    tree = compose(text, source)
    if tree is None or is_null(tree):
        raise refuse([Problem(Place(source), "the file holds nothing; a scenario needs at least duration and bot")])
    return _as_branch(tree)


def _unreadable(name: str, file: Path, asked: Scalar | None, error: OSError) -> ScenarioError:
    if isinstance(error, FileNotFoundError):
        near = [each.name for each in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
        message = f"no such file{suggestion(file.name, near)}"
    elif isinstance(error, IsADirectoryError) or isdir(file):  # noqa: PTH112 (it answers where the folder may not be entered)
        message = "is a folder, not a scenario file"
    else:
        message = f"cannot be read: {error.strerror}"
    if asked is not None:
        return refuse([Problem(asked.place, f"extends: {name}: {message}")])
    return ScenarioError(f"{name}: {message}")


def _as_branch(tree: Tree) -> Branch:
    if isinstance(tree, Branch):
        return tree
    raise refuse([Problem(tree.place, "a scenario is a map of keys such as duration, nodes and bot")])
