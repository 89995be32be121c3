"""Executed lines of the bot's own code, by task: how much work it did, in a number no machine changes."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from sim.record import Recorder

TASKS_MAX = 500
"""Different names that are counted apart; lines of further ones count as `OTHER`."""

OTHER = "other"
_GIVEN_BY_ASYNCIO = re.compile(r"Task-\d+")
_TOOL = 4
"""One of the tools that `sys.monitoring` leaves free for anybody."""


class _Count:
    """Lines under one name; its trace function stands in the frames that count here."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines = 0

    def trace(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        """Count a line."""
        if event == "line":
            self.lines += 1
        return self.trace


class WorkCounter:
    """Counts lines while the bot flies; virtual time and the digest do not notice.

    Python 3.11 has `sys.settrace` for it, later ones `sys.monitoring`. The two do not count quite alike, so counts are
    compared within one Python version. Work in C (a sort, a hash, a large multiplication) is one line, however long.

    Args:
        is_own: whether a file is the bot's own code.
    """

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._own: dict[str, bool] = {}
        self._counts: dict[str, _Count] = {}

    def start(self) -> None:
        """Count from now on, in this thread and in those that are started from it."""
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None:
            threading.settrace(self._trace)
            sys.settrace(self._trace)
            return
        monitoring.use_tool_id(_TOOL, "windtunnel work")
        monitoring.register_callback(_TOOL, monitoring.events.LINE, self._on_line)
        monitoring.set_events(_TOOL, monitoring.events.LINE)

    def finish(self, recorder: Recorder) -> None:
        """Stop, and write the totals into the record."""
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None:
            threading.settrace(None)
            sys.settrace(None)
        else:
            monitoring.set_events(_TOOL, 0)
        for name, lines in sorted(self.totals().items()) or [(OTHER, 0)]:
            recorder.note("metric", "work.lines", value=lines, type="counter", tags={"task": name})

    def totals(self) -> dict[str, int]:
        """Return the lines so far, by name."""
        return {name: count.lines for name, count in self._counts.items()}

    def _trace(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        return self._count().trace if self._counts_here(frame.f_code) else None

    def _on_line(self, code: CodeType, line: int) -> Any:
        if not self._counts_here(code):
            return sys.monitoring.DISABLE  # type: ignore[attr-defined]  # 3.12 and later
        self._count().lines += 1
        return None

    def _counts_here(self, code: CodeType) -> bool:
        own = self._own.get(code.co_filename)
        if own is None:
            own = self._own[code.co_filename] = self._is_own(code.co_filename)
        return own

    def _count(self) -> _Count:
        name = _whose()
        count = self._counts.get(name)
        if count is None:
            if len(self._counts) >= TASKS_MAX:
                name = OTHER
            count = self._counts.setdefault(name, _Count())
        return count


def _whose() -> str:
    """Return the name that work done now counts under: the running task's, or the thread's outside of tasks."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        task = None
    if task is None:
        return threading.current_thread().name
    name = task.get_name()
    if _GIVEN_BY_ASYNCIO.fullmatch(name):
        return getattr(task.get_coro(), "__qualname__", name)
    return name
