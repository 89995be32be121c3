"""Whose line a place names: the bot's before a library's, and never the harness's own."""

from __future__ import annotations

import asyncio
import json
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from aiohttp import ClientSession

from sim.host.clock import NsEnvironment
from sim.probe.place import Places, stack_of_task

BOT = """
import asyncio

def calls(function, *args):
    return function(*args)

class Desk:
    async def waits(self, awaitable):
        await awaitable
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(str(tmp_path / "bot"))


@pytest.fixture
def bot(tmp_path: Path) -> dict[str, Any]:
    """The names of a module of the bot's, `trade/desk.py`."""
    names: dict[str, Any] = {}
    exec(compile(BOT, str(tmp_path / "bot" / "trade" / "desk.py"), "exec"), names)
    return names


@pytest.mark.parametrize(
    ("code", "where", "origin"),
    [
        (ClientSession.close.__code__, "aiohttp/client.py:", "library aiohttp 3."),
        (asyncio.wait.__code__, "asyncio/tasks.py:", f"library python 3.{sys.version_info[1]}."),
        (NsEnvironment.step.__code__, "host/clock.py:", "harness"),
    ],
)
def test_code_belongs_to_whoever_wrote_it(places: Places, code: CodeType, where: str, origin: str) -> None:
    """A library by name and version, Python by its version, the harness; paths are short."""
    found = places.of_code(code)

    assert str(found.where).startswith(where)
    assert found.origin.startswith(origin)
    assert not places.is_bots(code.co_filename)


def test_the_bots_code_is_named_below_its_path(places: Places, bot: dict[str, Any]) -> None:
    """Line and file count from the bot's path; the scope keeps the function and drops the line."""
    code = bot["Desk"].waits.__code__

    found = places.of_code(code, code.co_firstlineno + 1)

    assert (found.where, found.scope, found.origin) == ("trade/desk.py:9", "trade/desk.py:Desk.waits", "bot")
    assert places.is_bots(code.co_filename)


def test_the_innermost_line_of_the_bot_is_the_place(places: Places, bot: dict[str, Any]) -> None:
    """A library that the bot called, and what that called, lie below its line; the line of the call is named."""
    below: dict[str, Any] = {"sys": sys}
    library = f"{sysconfig.get_path('purelib')}/aiohttp/hook.py"
    exec(compile("def look(_): return sys._getframe()", library, "exec"), below)

    frame = bot["calls"](lambda: json.loads("{}", object_hook=below["look"]))

    assert places.of_code(frame.f_code).origin.startswith("library aiohttp ")
    outer = frame
    while not outer.f_code.co_filename.endswith("desk.py"):
        outer = outer.f_back
    assert places.of_frame(frame).origin == "bot"
    assert places.of_frame(outer).where == "trade/desk.py:5"
    assert (places.of_frame(None).where, places.of_frame(None).origin) == (None, "harness")


def test_a_task_is_where_it_waits(places: Places, bot: dict[str, Any]) -> None:
    """The bot's innermost frame that waits, not the library's below it; before its first step, where it is written."""

    async def main() -> tuple[Any, Any, list[str]]:
        event = asyncio.Event()
        waiting = asyncio.ensure_future(bot["Desk"]().waits(event.wait()))
        await asyncio.sleep(0)
        fresh = asyncio.ensure_future(bot["Desk"]().waits(event.wait()))
        found = places.of_task(waiting), places.of_task(fresh), stack_of_task(waiting)
        event.set()
        await asyncio.gather(waiting, fresh)
        return found

    waiting, fresh, stack = asyncio.run(main())

    assert (waiting.where, waiting.origin) == ("trade/desk.py:9", "bot")
    assert fresh.scope == "trade/desk.py:Desk.waits"
    assert [line.rpartition(" ")[2] for line in stack] == ["waits", "wait"]
