"""What the bot sees in `sys.modules`: what it imported itself, and none of what the world had loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

WORLD = """
import json, logging, sys
known = frozenset(sys.modules)
site, own = sys.argv[1:]
sys.path[:0] = [{root!r}, site]
from sim.host.modules import HiddenModules
import library, library.inner, other
logging.getLogger("library.inner")
loaded = library
said, called = {{}}, []
hidden = HiddenModules(known, {{"late": lambda module: called.append(module.__name__),
                               "library": lambda module: called.append(module.__name__)}})
hidden.hide()
sys.path.remove({root!r})
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run a script behind the curtain, in a process of its own beside a folder of libraries and one of the bot's."""
    site, own = tmp_path / "site", tmp_path / "own"
    for path, text in (
        ("site/library/__init__.py", "from other import helper\nSTATE = []"),
        ("site/library/inner.py", "X = 1"),
        ("site/other.py", "def helper(): return 7"),
        ("site/late.py", "X = 2"),
        ("own/sim/__init__.py", "MINE = True"),
        ("own/other.py", "MINE = True"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    def run_(script: str) -> dict[str, Any]:
        source = WORLD.format(root=str(ROOT)) + dedent(script) + "\nprint(json.dumps(said))"
        done = subprocess.run(
            [sys.executable, "-c", source, str(site), str(own)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run_


def test_nothing_of_the_world_is_in_sight(run: Any) -> None:
    """Neither the world's libraries, their loggers nor the harness itself; the standard library stays."""
    said = run("""
        tops = ("library", "other", "sim", "reports")
        said["seen"] = [name for name in sys.modules if name.partition(".")[0] in tops]
        said["loggers"] = [name for name in logging.root.manager.loggerDict if name.startswith("library")]
        said["standard"] = "json" in sys.modules
    """)

    assert said == {"seen": [], "loggers": [], "standard": True}


def test_an_import_finds_the_module_that_is_loaded(run: Any) -> None:
    """The bot gets the very module, once, with its submodules, loggers and what it imports; a spec that fits it."""
    said = run("""
        import library
        said["same"] = library is loaded
        said["with it"] = sorted(name for name in sys.modules if name.partition(".")[0] in ("library", "other"))
        said["loggers"] = sorted(name for name in logging.root.manager.loggerDict if name.startswith("library"))
        said["spec"] = [library.__spec__.name, library.__spec__.origin == library.__file__]
        from library import inner
        said["inner"] = inner.X
    """)

    assert said == {
        "same": True,
        "with it": ["library", "library.inner", "other"],
        "loggers": ["library", "library.inner"],
        "spec": ["library", True],
        "inner": 1,
    }


def test_the_bots_own_packages_come_first(run: Any) -> None:
    """A package of the bot's named `sim`, or as a library of the world's is, is the one that it gets."""
    said = run("""
        sys.path.insert(0, own)
        import other, sim
        said["mine"] = [other.MINE, sim.MINE]
        import library
        said["theirs"] = [library is loaded, library.helper(), sys.modules["other"] is other]
    """)

    assert said == {"mine": [True, True], "theirs": [True, 7, True]}


def test_hooks_meet_what_is_loaded_and_what_comes_later(run: Any) -> None:
    """A module that is there is taken over at once, another when it is imported; once each."""
    said = run("""
        said["at once"] = list(called)
        import late, library
        said["later"] = list(called)
        said["late"] = late.X
    """)

    assert said == {"at once": ["library"], "later": ["library", "late"], "late": 2}


def test_the_harness_gets_its_modules_back(run: Any) -> None:
    """After the bot, what was hidden is there again, as it was."""
    said = run("""
        hidden.restore()
        said["back"] = [sys.modules["library"] is loaded, "sim.host.modules" in sys.modules, hidden in sys.meta_path]
    """)

    assert said == {"back": [True, True, False]}
