"""The edge of the simulation: the printed table is the code's own, whole, and each line of it holds in a flight."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flight.command import ROOT, ZOO, Run, windtunnel
from tests.host.flown import fly

STOCK = {
    "queue.SimpleQueue": "queue",
    "selectors.EpollSelector": "selectors",
    "selectors.DefaultSelector": "selectors",
    "uuid._generate_time_safe": "None",
    "uuid._UuidCreate": "None",
    "uuid._node": str(0x020000000001),
}
"""What is taken over by something of the interpreter's own, and what a flight shows there."""


def printed(*words: str) -> str:
    """Return what `python -m sim.host.table` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "sim.host.table", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    """The names of the table."""
    names: dict[str, Any] = json.loads(printed("--json"))
    return names


@pytest.fixture(scope="module")
def flown(table: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A flight of a bot that tries every name of the table."""
    folder = tmp_path_factory.mktemp("edges")
    names = json.dumps([table["refused"], list(table["taken over"])])
    call = windtunnel("run", ZOO / "edges.yaml", "--set", f"bot.args={json.dumps([names])}", "--out", "run", cwd=folder)
    assert call.code == 1, call.err
    return Run(folder / "run")


def test_the_page_is_what_the_code_says() -> None:
    """docs/boundary.md is `make boundary`'s output, to the letter."""
    assert Path(ROOT / "docs" / "boundary.md").read_text() == printed()


def test_each_refusal_is_one_in_a_flight(table: dict[str, Any], flown: Run) -> None:
    """Each refused name raises BoundaryError by that name at the bot's call, and is a finding at the bot's line."""
    said = json.loads(flown.printed[-1])["refused"]

    findings = {finding["detail"]["api"]: finding["where"] for finding in flown.findings("boundary")}
    assert said == {api: f"BoundaryError: {api}" for api in table["refused"]}
    assert findings.keys() == said.keys()
    assert all(where.startswith("edges.py:") for where in findings.values())


def test_each_replacement_is_ours_in_a_flight(table: dict[str, Any], flown: Run) -> None:
    """Each name taken over leads a bot to code of ours, and the flight took over what the table says, no more."""
    said = json.loads(flown.printed[-1])

    theirs = {
        api: where
        for api, where in said["taken"].items()
        if "/sim/" not in where and not where.startswith("sim.") and STOCK.get(api) != where and where != "absent"
    }
    assert not theirs
    assert said["taken over by the flight"] == sorted(table["taken over"])


def test_the_table_forgets_no_name() -> None:
    """Each function of `time`, `signal`, `select` and `socket`, each method of sockets and loops, is in the table."""
    said = fly("""
        import asyncio, select, signal, socket, time
        from sim.host import table, takeover
        from sim.host.sockets import SimSocket
        for name, module in (("time", time), ("signal", signal), ("select", select), ("socket", socket)):
            kept = table.AS_IT_IS[name][1].split()
            said[name] = [
                each for each, value in vars(module).items()
                if callable(value) and not isinstance(value, type) and not each.startswith("_")
                and f"{name}.{each}" not in takeover.replacements and each not in kept
                and f"_{name}.{each} (the real one)" not in boundary.refusals
            ]
        kept = table.AS_IT_IS["socket.socket"][1].split()
        stock = {each for kind in SimSocket.__mro__[1:-1] for each, value in vars(kind).items() if callable(value)}
        said["methods of sockets"] = [
            each for each in stock if not each.startswith("_") and each not in vars(SimSocket) and each not in kept
        ]
        in_table = {name for name, _, _ in table.loop_methods()} | boundary.refusals.keys()
        said["methods of loops"] = [
            each for each in vars(asyncio.AbstractEventLoop)
            if not each.startswith("_") and f"loop.{each}" not in in_table and each not in table.stock_loop_methods()
        ]
    """)

    assert not {where: names for where, names in said.items() if names}


def test_processes_and_real_sockets_are_refused() -> None:
    """What the bot's own library calls lead to: run, fork, spawn by multiprocessing; each refusal is told."""
    said = fly("""
        import multiprocessing, subprocess
        def error(f, *args):
            try: f(*args)
            except Exception as e: return type(e).__name__
        spawned = multiprocessing.get_context("spawn").Process(target=print)
        forked = multiprocessing.get_context("fork").Process(target=print)
        said["errors"] = [
            error(subprocess.run, ["true"]), error(os.popen, "true"), error(spawned.start), error(forked.start),
            error(os.spawnv, os.P_NOWAIT, "/bin/true", ["true"]),
        ]
        said["told"] = refused
    """)

    assert said["errors"] == ["BoundaryError"] * 5
    assert {"subprocess.Popen", "os.fork"} < set(said["told"])


def test_a_boundary_error_is_no_network_error() -> None:
    """A retry loop around OSError does not swallow it, and it names a mend."""
    said = fly("""
        async def main():
            try: await asyncio.create_subprocess_exec("true")
            except OSError: said["caught"] = "OSError"
            except RuntimeError as e: said["caught"] = str(e)
        asyncio.run(main())
    """)

    assert said["caught"].startswith("loop.subprocess_exec is not simulated")
