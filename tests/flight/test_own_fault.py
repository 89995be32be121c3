"""A fault of Windtunnel's own is exit code 4, whatever the bot was doing and whatever it makes of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.flight.command import ROOT, ZOO, Call, windtunnel

CALL = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sim.cli import main; main()"

LEDGER = (
    "sim/ledger.py",
    "    def _block(self, block: Block) -> None:\n",
    '        assert block.number < 23_000_002, "planted"\n',
)
NODE = (
    "sim/node/desk.py",
    "    def _answer_one(self, message: Any, size: int, session: Session | None) -> str | None:\n",
    '        raise KeyError("planted")\n',
)
TRANSPORT = (
    "sim/host/transport.py",
    "    def _read_once(self) -> None:\n",
    '        assert self.side, "planted"\n',
)
"""Faults: a file, a line of it, and what is put below: in the world's event, in a server's task, in the bot's loop."""

SWALLOWS = """
import asyncio, os, time
import aiohttp

async def ask():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(1)) as session:
        message = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        async with session.post(os.environ["NODE_HTTP"], json=message) as answer:
            print(await answer.text())

for step in (ask, lambda: asyncio.sleep(14), ask):
    try:
        asyncio.run(step())
    except BaseException as error:
        print("swallowed", type(error))
try:
    time.sleep(14)
except BaseException as error:
    print("swallowed", type(error))
"""
"""A bot that makes nothing of any exception, in its loop or out of it."""


def fly_copy(folder: Path, fault: tuple[str, str, str], *words: str | Path) -> Call:
    """Fly from a copy of the source that has *fault*."""
    for room in ("sim", "reports"):
        shutil.copytree(ROOT / room, folder / "copy" / room, ignore=shutil.ignore_patterns("__pycache__"))
    name, above, planted = fault
    file = folder / "copy" / name
    source = file.read_text()
    assert above in source
    file.write_text(source.replace(above, above + planted, 1))
    program = (sys.executable, "-P", "-c", CALL, str(folder / "copy"))
    return windtunnel("run", *words, "--json", "--seed", "7", "--out", "run", cwd=folder, program=program)


@pytest.mark.parametrize("fault", [LEDGER, NODE, TRANSPORT], ids=["event", "server", "transport"])
def test_a_broken_world_is_not_the_bots_affair(tmp_path: Path, fault: tuple[str, str, str]) -> None:
    """A bot that swallows every exception hides no fault of ours: exit 4, the seed, the trace, and no folder."""
    (tmp_path / "swallows.py").write_text(SWALLOWS)

    call = fly_copy(tmp_path, fault, ZOO / "small.yaml", "--bot", "swallows.py")

    assert call.code == 4, call.err
    assert call.out == ""
    assert "planted" in call.err
    assert "seed 7" in call.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "swallows.py"]


def test_a_broken_world_is_not_the_bots_crash(tmp_path: Path) -> None:
    """A bot that only sleeps does not crash by what the world raised into its sleep."""
    call = fly_copy(tmp_path, LEDGER, ZOO / "quiet.yaml")

    assert call.code == 4, call.err
    assert "planted" in call.err


def test_the_swallower_flies_in_a_whole_world(tmp_path: Path) -> None:
    """Without a fault the same bot is answered, swallows nothing and passes."""
    (tmp_path / "swallows.py").write_text(SWALLOWS)

    call = windtunnel("run", ZOO / "small.yaml", "--bot", "swallows.py", "--out", "run", cwd=tmp_path)

    log = (tmp_path / "run" / "bot.log").read_text()
    assert call.code == 0, call.err
    assert log.count('"result"') == 2
    assert "swallowed" not in log
