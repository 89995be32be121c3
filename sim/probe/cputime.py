"""Real CPU time of the bot's functions, call by call, on the machine that flies it: the raw numbers of a cost table."""

from __future__ import annotations

import inspect
import json
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from opcode import opmap
from pathlib import Path
from statistics import median
from types import CodeType, FrameType
from typing import Any

from sim.functions import MAIN

FILE = "profile.json"
QUANTILES = (10, 50, 90, 99, 100)
CALIBRATIONS = 5_000

_cpu_ns = time.thread_time_ns  # taken before the flight's clocks are
_SUSPENDS = frozenset(opmap[name] for name in ("YIELD_VALUE", "RETURN_GENERATOR"))
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


@dataclass(slots=True)
class Function:
    """What was measured of one function.

    Args:
        name: `module:function`, empty for code of the harness, whose time is nobody's.
        ops: its bytecode, for one that may be suspended: the last instruction tells a yield from a return.
        steps: of coroutines and generators: how often a call was resumed, over all calls.
    """

    name: str
    ops: bytes = b""
    total_ns: int = 0
    steps: int = 0
    calls_ns: array[int] = field(default_factory=lambda: array("q"))

    def add(self, own_ns: int) -> None:
        """Take a call that is over."""
        self.calls_ns.append(own_ns)
        self.total_ns += own_ns

    def measured(self) -> dict[str, Any]:
        """Return the numbers, in ns."""
        ordered = sorted(self.calls_ns)
        last = len(ordered) - 1
        return {
            "calls": len(ordered),
            "steps": self.steps,
            "total_ns": self.total_ns,
            "quantiles_ns": {f"p{percent}": ordered[last * percent // 100] for percent in QUANTILES},
        }


class CpuProfile:
    """Measures every call of a function of the bot: its own time, without the bot's functions that it calls.

    Time in libraries and in C counts for the function of the bot that called them. Time of the harness counts for
    nobody: the world runs in the same process. A coroutine's time is that of its steps, not of its waits. What the
    measuring itself costs is calibrated and taken off. Virtual time does not notice any of it.

    Args:
        is_own: whether a file is the bot's own code.
        is_harness: whether a file is the harness's.
    """

    def __init__(self, is_own: Callable[[str], bool], is_harness: Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._is_harness = is_harness
        self.functions: dict[CodeType, Function | None] = {}
        self.event_ns = 0.0
        self.call_ns = 0

    def start(self) -> None:
        """Calibrate, then measure in this thread and in those that are started from it."""
        self._calibrate()
        threading.setprofile(self._begin_thread)
        sys.setprofile(_Thread(self).take)

    def finish(self, folder: Path) -> None:
        """Stop, and write the numbers."""
        threading.setprofile(None)
        sys.setprofile(None)
        found = [each for each in self.functions.values() if each is not None and each.name and each.calls_ns]
        (folder / FILE).write_text(json.dumps({each.name: each.measured() for each in found}))

    def _begin_thread(self, frame: FrameType, event: str, arg: object) -> None:
        take = _Thread(self).take
        sys.setprofile(take)
        take(frame, event, arg)

    def function_of(self, frame: FrameType) -> Function | None:
        """Return where the time of *frame* goes: to a function of the bot, to nobody (the harness) or its caller."""
        code = frame.f_code
        if self._is_harness(code.co_filename):
            function: Function | None = Function("")
        else:
            name = code.co_qualname.replace(".<locals>", "")
            module = frame.f_globals.get("__name__", MAIN)
            ops = code.co_code if code.co_flags & _GENERATOR else b""
            function = Function(f"{module}:{name}", ops) if self._is_own(code.co_filename) and "<" not in name else None
        self.functions[code] = function
        return function

    def _calibrate(self) -> None:
        """Measure what an event that is passed over costs, and what a call that does nothing seems to take."""

        def nothing() -> None:
            pass

        thread = _Thread(self)
        function = self.functions[nothing.__code__] = Function("calibration:nothing")
        calls = range(CALIBRATIONS)
        began_ns = _cpu_ns()
        for _ in calls:
            len("")
        bare_ns = _cpu_ns() - began_ns
        sys.setprofile(thread.take)
        began_ns = _cpu_ns()
        for _ in calls:
            len("")
        seen_ns = _cpu_ns() - began_ns
        for _ in calls:
            nothing()
        sys.setprofile(None)
        self.event_ns = max(0, seen_ns - bare_ns) / (2 * CALIBRATIONS)
        self.call_ns = int(median(function.calls_ns))
        self.functions.clear()


class _Thread:
    """The calls that are under way in one thread."""

    def __init__(self, profile: CpuProfile) -> None:
        self._profile = profile
        self._functions = profile.functions
        self._stack: list[list[Any]] = []
        self._suspended: dict[int, int] = {}
        self._since_ns = 0
        self._passed_over = 0

    def take(self, frame: FrameType, event: str, arg: object) -> None:
        """Take an event of `sys.setprofile`."""
        if event == "call":
            try:
                function = self._functions[frame.f_code]
            except KeyError:
                function = self._profile.function_of(frame)
            if function is not None:
                self._pause()
                self._stack.append([frame, function, 0])
                self._since_ns = _cpu_ns()
                return
        elif event == "return" and self._stack and self._stack[-1][0] is frame:
            self._pause()
            _, function, own_ns = self._stack.pop()
            if function.name:
                self._return(function, frame, max(0, own_ns))
            self._since_ns = _cpu_ns()
            return
        self._passed_over += 1

    def _pause(self) -> None:
        """Give the time since the last event to the function that ran."""
        if self._stack:
            profile = self._profile
            spent_ns = _cpu_ns() - self._since_ns - int(self._passed_over * profile.event_ns) - profile.call_ns
            self._stack[-1][2] += spent_ns
        self._passed_over = 0

    def _return(self, function: Function, frame: FrameType, own_ns: int) -> None:
        if not function.ops:
            function.add(own_ns)
            return
        key = id(frame)
        op = function.ops[max(frame.f_lasti, 0)]
        if op in _SUSPENDS:
            before_ns = 0 if op == opmap["RETURN_GENERATOR"] else self._suspended.get(key, 0)
            self._suspended[key] = before_ns + own_ns
            function.steps += 1
        else:
            function.add(self._suspended.pop(key, 0) + own_ns)
