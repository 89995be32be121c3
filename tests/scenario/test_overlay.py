"""What a scenario inherits by `extends`, and what `--bot` and `--set` change after that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import Scenario, load
from sim.scenario.overlay import apply_set
from sim.scenario.source import Place, Source
from sim.scenario.tree import Branch, plain
from sim.units import MINUTE, MS, S

Write = Callable[..., Path]
Loaded = Callable[..., Scenario]
Refused = Callable[..., str]

LEAST = "duration: 60s\nbot: {script: fly.py}\n"
BASE = """\
id: calm
duration: 60s
seed: 7
nodes: {a: {latency: 20ms}, b: {latency: 30ms}}
faults: [{id: x, kind: reorg, at: 1s}, {id: y, kind: reorg, at: 2s}]
bot: {script: fly.py, path: lib, args: [one], env: {A: "1", B: "2"}}
"""


def extended(write: Write, text: str, **options: Any) -> Scenario:
    write(BASE, "base/calm.yaml")
    write("", "base/fly.py")
    write("", "base/lib/inherited.py")
    write(f"extends: base/calm.yaml\n{text}", "storm.yaml")
    return load("storm.yaml", **options)


def test_maps_merge_lists_replace_null_deletes(write: Write) -> None:
    """A scenario changes what it names, and leaves the rest as it was."""
    scenario = extended(
        write,
        "duration: 2m\nnodes: {a: {latency: 5ms}, b: null, c: {}}\nfaults: [{id: z, kind: reorg, at: 3s}]\nseed:\n",
    )

    assert (scenario.duration, scenario.seed) == (2 * MINUTE, 1)
    assert {name: node.latency.plain(int) for name, node in scenario.nodes.items()} == {"a": 5 * MS, "c": 20 * MS}
    assert [fault.id for fault in scenario.faults] == ["z"]


def test_a_name_is_not_inherited(write: Write) -> None:
    """The id is the file's stem unless the file itself gives one."""
    assert extended(write, "").id == "storm"
    assert extended(write, "id: gale\n").id == "gale"


def test_paths_start_at_the_file_they_stand_in(write: Write, tmp_path: Path) -> None:
    """An inherited path is relative to the file that wrote it, not to the one that inherits."""
    inherited = extended(write, "").bot
    own = extended(write, "bot: {script: fly.py}\n").bot

    assert inherited is not None
    assert own is not None
    assert (inherited.script, inherited.path) == (tmp_path / "base/fly.py", tmp_path / "base/lib")
    assert own.script == tmp_path / "fly.py"


def test_a_layer_that_names_an_entry_drops_an_inherited_script(write: Write) -> None:
    """A bot is one of entry and script; the upper layer decides which."""
    assert extended(write, "bot: {entry: 'inherited:main'}\n").bot.script is None  # type: ignore[union-attr]
    assert extended(write, "", sets=["bot.entry=inherited:main"]).bot.script is None  # type: ignore[union-attr]


def test_an_inherited_mistake_is_told_in_its_own_file(write: Write) -> None:
    """The place is that of the file which wrote the value."""
    with pytest.raises(ScenarioError) as caught:
        extended(write, "nodes: {a: {latency: 1}}\nduration: 1s\n")

    assert str(caught.value).startswith("storm.yaml:2:22: nodes.a.latency: 1 has no unit")

    with pytest.raises(ScenarioError) as caught:
        extended(write, "duration: 2s\n")

    assert str(caught.value).startswith("base/calm.yaml:5:65: faults[1].at: 2s is not before the end")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: bse.yaml\n", "s.yaml:1:10: extends: bse.yaml: no such file; did you mean 'base.yaml'?"),
        ("extends: s.yaml\n", "s.yaml:1:10: extends: goes round in a circle: s.yaml -> s.yaml"),
        (
            "extends: circle.yaml\n",
            "circle.yaml:1:10: extends: goes round in a circle: s.yaml -> circle.yaml -> s.yaml",
        ),
        ("extends: [base.yaml]\n", "s.yaml:1:10: extends: expected the path of one scenario file"),
        ("extends: 5\n", "s.yaml:1:10: extends: expected the path of one scenario file"),
        ("extends: .\n", "extends: .: is a folder, not a scenario file"),
    ],
)
def test_what_cannot_be_extended_is_refused(write: Write, refused: Refused, text: str, message: str) -> None:
    """A missing file, a circle or a wrong value is told at `extends`."""
    write(LEAST, "base.yaml")
    write("extends: s.yaml\n", "circle.yaml")

    assert message in refused(text + LEAST)


def test_set_goes_left_to_right_after_extends(write: Write) -> None:
    """Later arguments see what earlier ones did; null deletes; a new index right after the last appends."""
    scenario = extended(
        write,
        "",
        sets=[
            "duration=90s",
            "nodes.c={latency: 1ms}",
            "nodes.c.latency=2ms",
            "nodes.b=null",
            "faults[0].depth=3",
            "faults[2]={id: z, kind: reorg, at: 3s}",
            'thresholds."lock.deadlocks"=["count==0"]',
            'hosts."eth.example.com".node=a',
            "bot.env.A=no",
        ],
    )

    assert scenario.duration == 90 * S
    assert {name: node.latency.plain(int) for name, node in scenario.nodes.items()} == {"a": 20 * MS, "c": 2 * MS}
    assert [(fault.id, getattr(fault, "depth", 0)) for fault in scenario.faults] == [("x", 3), ("y", 1), ("z", 1)]
    assert scenario.thresholds["lock.deadlocks"][0].expr == "count==0"
    assert scenario.hosts["eth.example.com"].node == "a"
    assert dict(scenario.bot.env) == {"A": "no", "B": "2"}  # type: ignore[union-attr]


SET_MISTAKES = [
    ("duraton=5s", 1, "duraton: unknown key 'duraton'; did you mean 'duration'?"),
    ("duration=5", 10, "duration: 5 has no unit; write a duration as in 60s"),
    ("nodes.a.latency={dist: uniform, low: 1ms, hi: 2ms}", 43, "unknown key 'hi' of uniform; did you mean 'high'?"),
    ("nodes.a.latency={low: 1ms, low: 2ms}", 28, "duplicate key 'low'"),
    ("faults[1].depth=3", 7, "faults has no index 1; it is empty, and [0] would append"),
    ("faults.x=3", 8, "faults is a list; write [n] after it"),
    ("bot[0]=3", 4, "bot is a map; write .key after it"),
    ("duration.x=3", 10, "duration is a single value and has no keys"),
    ("duration[0]=3", 9, "duration is a single value, not a list"),
    ("thresholds.lock.deadlocks=['count==0']", 12, "thresholds.lock: expected a list, found a map"),
    ("hosts.a/b=1", 8, "'/' in a key needs double quotes around that key"),
    ('hosts."a=1', 7, "this quote is not closed"),
    ("faults[x]=1", 7, "an index is a number in brackets"),
    ("duration", 9, "'=' is missing; write PATH=VALUE"),
    ("", 1, "'=' is missing"),
    ("=3", 1, "a key is missing before '='"),
    ("bot.=3", 5, "a key is missing before '='"),
    ("bot.args=[1, 2", 10, "a bracket or brace is not closed"),
    ("bot.env.A=${nodes.x.ws}", 11, "${nodes.x.ws} names nothing: the scenario has no nodes"),
    ("bot=3", 5, "bot: expected a map, found 3"),
    ("extends=x.yaml", 1, "unknown key 'extends'"),
]


@pytest.mark.parametrize(("argument", "column", "message"), SET_MISTAKES, ids=[row[0] for row in SET_MISTAKES])
def test_a_wrong_set_quotes_the_argument_with_a_caret(
    refused: Refused, argument: str, column: int, message: str
) -> None:
    """The file's validation applies; the message shows the argument and points into it."""
    text = LEAST + ("faults: [{id: x, kind: reorg, at: 1s}]\n" if argument == "faults.x=3" else "")

    first, quoted, caret = refused(text, sets=(argument,)).splitlines()

    assert first.startswith("--set: ")
    assert message in first
    assert quoted == f"  {argument}"
    assert caret.index("^") - 2 == column - 1


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS.filter(lambda key: key != "<<"), inner, max_size=3)
    ),
    max_leaves=6,
)


def spelt(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.lists(KEYS, min_size=1, max_size=4), VALUES, KEYS)
def test_set_changes_its_path_and_nothing_else(keys: list[str], value: object, other: str) -> None:
    """Any key in double quotes and any YAML value arrive as they were written; what stood elsewhere stays."""
    source = Source("s.yaml", Path.cwd(), ("",))
    empty = Branch(Place(source))
    before = apply_set(empty, f"{spelt(other)}.kept=1", Path.cwd())

    after = plain(apply_set(before, f"{'.'.join(map(spelt, keys))}={json.dumps(value)}", Path.cwd()))

    found: Any = after
    for key in keys:
        found = found[key]
    assert found == value
    assert keys[0] == other or after[other] == {"kept": 1}


@given(st.text(max_size=30))
def test_any_set_is_applied_or_refused(argument: str) -> None:
    """However an argument is spelt, the answer is a tree with one key, or a refusal that names `--set`."""
    source = Source("s.yaml", Path.cwd(), ("",))

    tree, message = {}, ""
    try:
        tree = plain(apply_set(Branch(Place(source)), argument, Path.cwd()))
    except ScenarioError as refused:
        message = str(refused)

    assert "--set" in message or (len(tree) == 1 and "=" in argument)


def test_bot_replaces_the_program_and_keeps_its_surroundings(write: Write, tmp_path: Path) -> None:
    """Entry, script, args and files go, env and stop stay; the path is the caller's directory again."""
    write("", "other.py")
    scenario = extended(write, "bot: {stop: {grace: 3s}, files: {a: fly.py}}\n", bot="other.py")

    assert scenario.bot is not None
    assert (scenario.bot.script, scenario.bot.entry) == (tmp_path / "other.py", None)
    assert (scenario.bot.args, dict(scenario.bot.files), scenario.bot.path) == ((), {}, tmp_path)
    assert dict(scenario.bot.env) == {"A": "1", "B": "2"}
    assert scenario.bot.stop.grace == 3 * S


def test_bot_takes_an_entry_from_here_or_from_the_scenarios_path(write: Write, tmp_path: Path) -> None:
    """The caller's directory comes first; a module that only the scenario's path has is found there."""
    here = extended(write, "", bot="fly:main").bot
    there = extended(write, "", bot="inherited:main").bot

    assert here is not None
    assert there is not None
    assert (here.entry, here.path) == ("fly:main", tmp_path)
    assert (there.entry, there.path) == ("inherited:main", tmp_path / "base/lib")


def test_bot_comes_before_set(write: Write) -> None:
    """`--set` has the last word."""
    scenario = extended(write, "", bot="fly:main", sets=["bot.args=[x]", "bot.entry=fly:other"])

    assert scenario.bot is not None
    assert (scenario.bot.entry, scenario.bot.args) == ("fly:other", ("x",))


def test_bot_gives_a_scenario_without_one_its_bot(write: Write) -> None:
    """A world alone flies with `--bot`."""
    write("duration: 1s\n")

    assert load("s.yaml", bot="fly.py").bot is not None


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nope.py", "--bot: no script "),
        ("what", "--bot: expected an entry such as bot.app:main or a script such as my/bot.py"),
        ("flyy:main", "--bot: bot.entry: no module 'flyy' in "),
    ],
)
def test_a_wrong_bot_quotes_the_argument(refused: Refused, argument: str, message: str) -> None:
    """The message shows the argument with a caret."""
    lines = refused(LEAST, bot=argument).splitlines()

    assert lines[0].startswith(message)
    assert lines[1:] == [f"  {argument}", "  ^"]


def test_a_given_place_is_the_threshold_s_own(loaded: Loaded) -> None:
    """Annotations of a pull request need the line of each threshold."""
    scenario = loaded(
        'thresholds:\n  a.b: ["count==0", {expr: "max<1s", abort_on_fail: true}]\n  c.d:\n    - count>0\n'
    )

    got = [(each.metric, each.expr, each.abort_on_fail, each.file, each.line) for each in scenario.threshold_list()]

    assert got == [
        ("a.b", "count==0", False, "s.yaml", 4),
        ("a.b", "max<1s", True, "s.yaml", 4),
        ("c.d", "count>0", False, "s.yaml", 6),
    ]
    assert str(scenario.refusal(("thresholds", "a.b", 1, "expr"), "no")).startswith(
        's.yaml:4:28: thresholds."a.b"[1].expr: no'
    )
