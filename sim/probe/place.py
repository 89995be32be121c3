"""Where in the source something is, and whose source that is."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from sim.host.tasks import coroutine_frames

_HARNESS = str(Path(__file__).resolve().parent.parent)
_STDLIB = sysconfig.get_path("stdlib")
_SITE = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source.

    Args:
        where: `path:line`, relative to the bot's path where it lies below it; None if there is no source.
        scope: the file and the function, without the line: what stays the same when lines are added above.
        origin: `bot`, `library NAME VERSION` or `harness`.
    """

    where: str | None
    scope: str
    origin: str


class Places:
    """Names places for one bot.

    Args:
        bot_path: the folder its modules live in.
    """

    def __init__(self, bot_path: str) -> None:
        self._bot_path = bot_path.rstrip("/") + "/"

    def of_code(self, code: CodeType, line: int | None = None) -> Place:
        """Return the place of *line* in *code*, its first line unless given."""
        path = code.co_filename
        function = getattr(code, "co_qualname", code.co_name)
        shown, origin = self._shown(path)
        return Place(f"{shown}:{line or code.co_firstlineno}", f"{shown}:{function}", origin)

    def of_frame(self, frame: FrameType | None) -> Place:
        """Return the innermost place of the bot on the stack at *frame*, or of a library, or of whoever is there."""
        first: Place | None = None
        library: Place | None = None
        while frame is not None:
            if not self.is_ours(frame.f_code.co_filename):
                place = self.of_code(frame.f_code, frame.f_lineno)
                first = first or place
                if place.origin == "bot":
                    return place
                if place.origin.startswith("library"):
                    library = library or place
            frame = frame.f_back
        return library or first or Place(None, "", "harness")

    def of_caller(self, frame: FrameType | None) -> Place:
        """Return the innermost place on the stack at *frame* that is not Python's own: whose call it was.

        Where there is none, a thread was given the call itself, by the bot.
        """
        while frame is not None:
            place = self.of_code(frame.f_code, frame.f_lineno)
            if place.origin != "harness" and not place.origin.startswith("library python "):
                return place
            frame = frame.f_back
        return Place(None, "", "bot")

    def of_task(self, task: asyncio.Task[Any]) -> Place:
        """Return where *task* waits, in the bot's code if any of its frames is there; else where it was written."""
        frames = coroutine_frames(task.get_coro())
        places = [self.of_code(frame.f_code, frame.f_lineno) for frame in frames]
        own = [place for place in places if place.origin == "bot"]
        if own:
            return own[-1]
        if places:
            return places[0]
        code = getattr(task.get_coro(), "cr_code", None)
        return self.of_code(code) if code is not None else Place(None, task.get_name(), "bot")

    def frame_of_task(self, task: asyncio.Task[Any]) -> FrameType | None:
        """Return the frame of the bot that *task* waits in, or of whoever it waits in; None if it has ended."""
        frames = coroutine_frames(task.get_coro())
        own = [frame for frame in frames if self.is_bots(frame.f_code.co_filename)]
        return own[-1] if own else frames[-1] if frames else None

    def is_bots(self, path: str) -> bool:
        """Say whether *path* is the bot's own code: not the harness's, a library's or Python's."""
        return self._shown(path)[1] == "bot"

    def is_ours(self, path: str) -> bool:
        """Say whether *path* is the harness's own code."""
        return path.startswith(_HARNESS + "/") and not self._bot_path.startswith(_HARNESS)

    def _shown(self, path: str) -> tuple[str, str]:
        for site in _SITE:
            if path.startswith(site + "/"):
                relative = path[len(site) + 1 :]
                return relative, _library(relative.partition("/")[0].removesuffix(".py"))
        if path.startswith((_STDLIB + "/", "<frozen ")):
            relative = path.removeprefix(_STDLIB + "/")
            return relative, f"library python {sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
        if self.is_ours(path):
            return path[len(_HARNESS) + 1 :], "harness"
        if path.startswith(self._bot_path):
            return path[len(self._bot_path) :], "bot"
        return path, "bot"


@cache
def _library(package: str) -> str:
    """Return `library NAME VERSION` of the distribution that brings *package*."""
    try:
        return f"library {package} {version(package)}"
    except PackageNotFoundError:  # a distribution of another name: slower, so only now
        names = packages_distributions().get(package)
        return f"library {names[0]} {version(names[0])}" if names else f"library {package} unknown"


def stack_of_task(task: asyncio.Task[Any]) -> list[str]:
    """Return `file:line function` for each frame *task* waits in, outermost first."""
    return [
        f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
        for frame in coroutine_frames(task.get_coro())
    ]
