"""A bot's cost table names functions that are there, and every mistake in it is told with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.functions import functions
from sim.rng import Streams
from sim.scenario import Scenario, load, resolved, world_hash

Write = Callable[..., Path]
Refused = Callable[..., str]

CODE = """
def decide(): pass
class Trader:
    async def run(self): pass
if True:
    def guarded():
        def inner(): pass
"""
SCENARIO = "duration: 60s\nbot:\n  entry: mine.app:main\n  cpu: {%s}\n"


@pytest.fixture
def package(write: Write) -> Write:
    """Write a package `mine` with a module `app` beside the scenario."""
    write("", "mine/__init__.py")
    write(CODE, "mine/app.py")
    return write


def loaded(write: Write, costs: str) -> Scenario:
    write(SCENARIO % costs)
    return load("s.yaml")


def test_functions_are_named_by_module_and_dotted_path(package: Write) -> None:
    """Functions, methods, nested ones and those under `if` can be listed, with a duration or a distribution."""
    run = "{quantiles: {p50: 1ms, p99: 9ms}}"
    costs = f'"mine.app:decide": 2ms, "mine.app:Trader.run": {run}, "mine.app:guarded.inner": 1us'

    bot = loaded(package, costs).bot

    assert bot is not None
    assert [*bot.cpu] == ["mine.app:decide", "mine.app:Trader.run", "mine.app:guarded.inner"]
    assert bot.cpu["mine.app:decide"].draw(Streams(1).stream("x"), 1) == 2_000_000


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ('"mine.app:decid": 2ms', "4:9: bot.cpu.\"mine.app:decid\": app.py of module 'mine.app' defines no function"),
        ('"mine.app:decid": 2ms', "'decid'; did you mean 'decide'?"),
        ('"mine.app:Trader.stop": 2ms', "defines no function 'Trader.stop'; did you mean 'Trader.run'?"),
        ('"mine.ap:decide": 2ms', "no Python source of a module 'mine.ap' in "),
        ('"mine.ap:decide": 2ms', "; did you mean 'mine.app'?"),
        ('"__main__:decide": 2ms', "'__main__' is the script, and this bot has an entry; name the module"),
        ('"decide": 2ms', "'decide' is not a function; write module:function or module:Class.method"),
        ('"mine.app:decide": 2', "2 has no unit; write a duration as in 60s"),
        ('"mine.app:decide": {quantiles: {p50: 1ms}}', "needs two quantiles above 0"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("package")
def test_mistakes_are_told(refused: Refused, costs: str, message: str) -> None:
    """Place, what is wrong, and what was probably meant; the module is read, not imported."""
    assert message in refused(SCENARIO % costs)


def test_a_table_may_stand_in_a_file(package: Write) -> None:
    """`cpu: costs.yaml` is the table in that file; the resolved scenario shows it."""
    package('"mine.app:decide": 2ms  # measured\n', "costs.yaml")
    package((SCENARIO % "").replace("{}", "costs.yaml"))

    scenario = load("s.yaml")

    assert "mine.app:decide: 2ms" in resolved(scenario)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[a]\n", "holds no table"), ("a: 1\na: 2\n", "duplicate key 'a'"), (None, "cannot read")],
)
def test_a_file_without_a_table_is_refused(package: Write, refused: Refused, text: str | None, message: str) -> None:
    """A missing file, a list and broken YAML are told at `bot.cpu`."""
    if text is not None:
        package(text, "costs.yaml")

    said = refused((SCENARIO % "").replace("{}", "costs.yaml"))

    assert said.startswith("s.yaml:4:")
    assert message in said


def test_another_bot_drops_the_table(package: Write) -> None:
    """`--bot` flies another program, whose functions the table does not name."""
    package(SCENARIO % '"mine.app:decide": 2ms')

    bot = load("s.yaml", bot="fly.py").bot

    assert bot is not None
    assert bot.cpu == {}


def test_costs_are_part_of_the_world(package: Write) -> None:
    """Runs under different costs are not comparable; a scenario without costs keeps its hash."""
    bare, priced = loaded(package, ""), loaded(package, '"mine.app:decide": 2ms')

    assert world_hash(bare) != world_hash(priced)


def test_a_name_that_is_defined_twice_is_found_twice() -> None:
    """Both definitions under `if` and `else` are the function, whichever the program takes."""
    import ast

    tree = ast.parse("if x:\n    def f(): pass\nelse:\n    def f(): pass\n")

    assert [name for name, _ in functions(tree)] == ["f", "f"]
