"""The house rules that no linter knows: sizes, names, docstrings, comments, doors between rooms."""

from __future__ import annotations

import ast
import re
import tokenize
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("sim", "bot", "reports")
TOP_LEVEL = {"sim", "bot", "scenarios", "reports", "tests", "docs"}
# Made by tools, ignored by git.
MADE = {"__pycache__", "build", "dist", "node_modules", "runs"}

MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 69
README_LINES_MAX = 120
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager"}

# The one place per process that turns the unexpected into an exit code or a crash finding: file -> how many.
LAST_RESORTS: dict[str, int] = {
    "sim/cli.py": 1,
    "sim/child.py": 1,
    "sim/host/processes.py": 1,
    "sim/host/program.py": 1,
}

# Required all the same; pyproject.toml says beside each why.
NOT_IMPORTED = {"eth-contract", "safe-pysha3", "web3"}
# Imported only where the bot brings it along, and asks for it.
BROUGHT_ALONG = {"coverage"}

MIND = ("strategy", "risk", "lifecycle", "view", "pricing")
MIND_FORBIDS = {"asyncio", "time", "random", "os", "logging"}

# Correctly rounded or exact on every processor; exp, log, pow and the like are not (sim/numeric.py has our own).
MATH_ALLOWED = {"ceil", "comb", "copysign", "factorial", "floor", "gcd", "inf", "isclose", "isfinite", "isinf", "isnan"}
MATH_ALLOWED |= {"isqrt", "lcm", "nan", "prod", "sqrt", "trunc"}
# What feeds the digest; metrics and plots may use what they like.
DIGESTED = ("chain", "node", "market", "fault", "host", "rng", "numeric", "world")


def modules(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py") if not MADE & set(path.parts))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> list[str]:
    return list(path.relative_to(ROOT).with_suffix("").parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def commented_lines(path: Path) -> set[int]:
    with path.open("rb") as source:
        return {token.start[0] for token in tokenize.tokenize(source.readline) if token.type == tokenize.COMMENT}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def late_imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """Yield imports inside functions and under TYPE_CHECKING, each with the statement a reason may stand beside."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((inner, inner) for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from ((inner, node) for inner in node.body if isinstance(inner, ast.Import | ast.ImportFrom))


def text_files() -> Iterator[Path]:
    inside = [path for top in (*TOP_LEVEL, ".ci") for path in (ROOT / top).rglob("*")]
    for path in [*inside, *ROOT.iterdir()]:
        relative = path.relative_to(ROOT)
        if path.is_file() and not MADE & set(relative.parts) and "artifacts" not in relative.parts:
            yield path


def test_modules_stay_small() -> None:
    """No module is longer than 500 lines, tests included."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in modules(*ROOMS, "tests")}

    too_long = {name: lines for name, lines in lengths.items() if lines > MODULE_LINES_MAX}

    assert not too_long


def test_functions_stay_small() -> None:
    """No function has 70 lines or more, its docstring included."""
    too_long = {
        f"{name_of(path)}:{node.lineno} {node.name}": length
        for path in modules(*ROOMS)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert not too_long


def test_names_say_what_is_inside() -> None:
    """No module or package is called utils, helpers, common, base, core or manager, alone or as a part of its name."""
    offenders = [
        name_of(path)
        for path in modules(*ROOMS, "tests")
        if FORBIDDEN_NAMES & {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
    ]

    assert not offenders


def test_every_module_says_in_one_line_what_it_is() -> None:
    """A module's docstring starts with one sentence on one line; more may follow after an empty line."""
    offenders = []
    for path in modules(*ROOMS):
        first, _, rest = (ast.get_docstring(tree_of(path)) or "").partition("\n")
        if not first.endswith((".", "?", "!")) or (rest and not rest.startswith("\n")):
            offenders.append(name_of(path))

    assert not offenders


def test_late_imports_give_a_reason() -> None:
    """An import inside a function or under TYPE_CHECKING has a comment beside or above it that says why."""
    offenders = []
    for path in modules(*ROOMS):
        commented = commented_lines(path)
        for node, place in late_imports(tree_of(path)):
            reasons = {node.lineno, node.lineno - 1, node.end_lineno, place.lineno, place.lineno - 1}
            if not reasons & commented:
                offenders.append(f"{name_of(path)}:{node.lineno}")

    assert not offenders


def test_imports_for_types_stay_in_their_room() -> None:
    """An import under TYPE_CHECKING, which the import contracts do not see, crosses no door between rooms."""
    offenders = [
        f"{name_of(path)}:{node.lineno} {name}"
        for path in modules(*ROOMS)
        for node, place in late_imports(tree_of(path))
        if isinstance(place, ast.If)
        for name in imported(node)
        if name.partition(".")[0] in ROOMS and name.split(".")[:2] != module_of(path)[:2]
    ]

    assert not offenders


def test_the_unexpected_is_caught_in_one_place_per_process() -> None:
    """`except Exception`, `except BaseException` and a bare `except` stand only where a process has its last resort."""
    caught: dict[str, int] = {}
    for path in modules(*ROOMS):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                names = (
                    {"BaseException"}
                    if node.type is None
                    else {inner.id for inner in ast.walk(node.type) if isinstance(inner, ast.Name)}
                )
                reraised = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                if names & {"Exception", "BaseException"} and not reraised:
                    caught[name_of(path)] = caught.get(name_of(path), 0) + 1

    assert caught == LAST_RESORTS


def test_nothing_is_left_for_later() -> None:
    """The rooms hold no TODO, no FIXME and nothing that only raises NotImplementedError."""
    later = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")

    offenders = [
        f"{name_of(path)}:{number}"
        for path in modules(*ROOMS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if later.search(line)
    ]

    assert not offenders


def test_every_room_has_a_page() -> None:
    """The rooms sim, bot and reports, and each room inside sim, have a README.md of at most 120 lines."""
    rooms = [ROOT / room for room in ROOMS] + sorted(page.parent for page in (ROOT / "sim").glob("*/__init__.py"))
    lengths = {
        name_of(room): len(page.read_text().splitlines()) if (page := room / "README.md").exists() else 0
        for room in rooms
    }

    offenders = {name: lines for name, lines in lengths.items() if not 0 < lines <= README_LINES_MAX}

    assert not offenders


def test_the_top_level_is_as_laid_out() -> None:
    """At the top stand sim, bot, scenarios, reports, tests and docs, and no other folder of ours."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - MADE

    assert folders == TOP_LEVEL


@pytest.mark.parametrize("module", MIND)
def test_the_mind_is_pure(module: str) -> None:
    """The bot's mind imports no asyncio, time, random, os or logging."""
    tree = tree_of(ROOT / "bot" / f"{module}.py")

    tops = {name.partition(".")[0] for node in ast.walk(tree) for name in imported(node)}

    assert not tops & MIND_FORBIDS


def test_digests_do_not_feed_on_libm() -> None:
    """What feeds the digest takes from `math` only what is exact or correctly rounded on every processor."""
    fed = [path for path in modules("sim") if path.relative_to(ROOT / "sim").with_suffix("").parts[0] in DIGESTED]
    offenders = []
    for path in fed:
        for node in ast.walk(tree_of(path)):
            used = set()
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "math":
                used = {node.attr}
            elif isinstance(node, ast.ImportFrom) and node.module == "math":
                used = {alias.name for alias in node.names}
            offenders += [f"{name_of(path)}:{getattr(node, 'lineno', 0)} math.{name}" for name in used - MATH_ALLOWED]

    assert not offenders


@pytest.mark.parametrize("rooms", [("sim", "reports"), ("bot",)])
def test_requirements_are_what_is_imported(rooms: tuple[str, ...]) -> None:
    """What rooms import from PyPI is required by name, and what is required is imported or says why it is not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["dependency-groups"]["bot"] if rooms == ("bot",) else project["project"]["dependencies"]
    declared = {distribution(re.split(r"[\[<>=!~; ]", line)[0]) for line in listed}
    owners = packages_distributions()

    imports = {
        distribution(owner)
        for path in modules(*rooms)
        for node in ast.walk(tree_of(path))
        for name in imported(node)
        if (top := name.partition(".")[0]) not in ROOMS
        for owner in owners.get(top, [])
    }

    assert imports - declared - BROUGHT_ALONG == set()
    assert declared - imports - NOT_IMPORTED == set()


def test_every_test_makes_a_claim() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in modules("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if path.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert not silent


def test_tests_use_no_mocks_and_do_not_sleep() -> None:
    """No test imports a mock library or calls time.sleep."""
    offenders = []
    for path in modules("tests"):
        if "zoo" in path.parts:  # bad bots may do what they like
            continue
        for node in ast.walk(tree_of(path)):
            mocks = [name for name in imported(node) if name.split(".")[-1] in {"mock", "pytest_mock"}]
            sleeps = isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep"
            if mocks or sleeps:
                offenders.append(f"{name_of(path)}:{getattr(node, 'lineno', 0)}")

    assert not offenders


def test_no_file_names_a_package_registry() -> None:
    """A clone installs from wherever its machine is set up to; no file of ours says where that is."""
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".", "yarnpkg" + ".com", "crates" + ".io"]
    hosts += ["debian" + ".org", "maven" + ".org", "proxy.golang" + ".org"]

    offenders = [
        f"{name_of(path)}: {host}" for path in text_files() for host in hosts if host.encode() in path.read_bytes()
    ]

    assert not offenders
