"""CPU time per function: a call's own, without what it calls, what it waits for and what nobody measures."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.probe import cputime
from sim.probe.cputime import FILE, CpuProfile


class Clock:
    """A processor whose time is spent by hand; reading it takes nothing."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the thread's CPU time, which no test can foretell, replaced by one that it can."""
    made = Clock()
    monkeypatch.setattr(cputime, "_cpu_ns", made)
    return made


def compiled(profile: CpuProfile, source: str, **names: object) -> dict[str, Any]:
    """Return the names of a module with marks where its functions begin and end, as a flight compiles it."""
    tree = ast.parse(source)
    profile.instrument(tree, "app")

    class Marks(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            if not isinstance(node.value, str) or not node.value.startswith(cputime.MARK):
                return node
            name = f"mark{len(found)}"
            found[name] = profile.constant(node.value)
            return ast.copy_location(ast.Name(name, ast.Load()), node)

    found: dict[str, Any] = dict(names)
    exec(compile(Marks().visit(tree), "app.py", "exec"), found)
    return found


def numbers(profile: CpuProfile, folder: Path) -> dict[str, Any]:
    profile.finish(folder)
    written: dict[str, Any] = json.loads((folder / FILE).read_text())
    return written


def spender(clock: Clock) -> Callable[[int], None]:
    def spend(ns: int) -> None:
        clock.now_ns += ns

    return spend


def test_a_call_pays_for_itself_alone(clock: Clock, tmp_path: Path) -> None:
    """What an inner function of the bot takes is its own; each call is a number of its own."""
    profile = CpuProfile(lambda path: True)
    app = compiled(
        profile,
        "def outer(n):\n    spend(10)\n    inner(n)\n    spend(5)\n\ndef inner(n):\n    spend(n)\n",
        spend=spender(clock),
    )

    for n in (100, 200, 300):
        app["outer"](n)
        clock.now_ns += 7000  # outside of any function

    found = numbers(profile, tmp_path)
    assert (found["app:outer"]["calls"], found["app:outer"]["total_ns"]) == (3, 45)
    assert (found["app:inner"]["calls"], found["app:inner"]["total_ns"]) == (3, 600)
    assert found["app:inner"]["quantiles_ns"] == {"p10": 100, "p50": 200, "p90": 300, "p99": 300, "p100": 300}


def test_a_call_that_raises_or_recurses_ends_too(clock: Clock, tmp_path: Path) -> None:
    """An exception ends the call; a function that calls itself has a number for each call."""
    profile = CpuProfile(lambda path: True)
    app = compiled(
        profile,
        "def down(n):\n    spend(1)\n    if n:\n        down(n - 1)\n    else:\n        raise ValueError('end')\n",
        spend=spender(clock),
    )

    with pytest.raises(ValueError, match="end"):
        app["down"](4)
    spender(clock)(50)

    assert numbers(profile, tmp_path)["app:down"] == {
        "calls": 5,
        "steps": 0,
        "total_ns": 5,
        "quantiles_ns": {f"p{percent}": 1 for percent in (10, 50, 90, 99, 100)},
    }


def test_generators_and_strange_texts_are_left_alone(clock: Clock, tmp_path: Path) -> None:
    """A function that yields is not measured, a docstring stays one, and a text of the bot's stays itself."""
    profile = CpuProfile(lambda path: path.endswith("app.py"))
    app = compiled(
        profile, 'def counts():\n    yield 1\n\ndef said():\n    """Say."""\n    return "text"\n', spend=spender(clock)
    )

    assert list(app["counts"]()) == [1]
    assert (app["said"](), app["said"].__doc__) == ("text", "Say.")
    assert profile.constant("text") == "text"
    assert numbers(profile, tmp_path).keys() == {"app:said"}
    assert profile.covers("/bot/app.py")
    assert not profile.covers("/lib/other.py")
