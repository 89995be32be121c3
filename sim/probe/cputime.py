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
_PYTHON_EVENTS = frozenset(("call", "return"))
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
            "quantiles_ns": {f"p{percent}": ordered[(last * percent + 50) // 100] for percent in QUANTILES},
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
        self.functions: dict[int, Function | None] = {}  # by the id of their code: the hash of code reads all of it
        self._codes: list[CodeType] = []
        self.python_event_ns = 0.0
        self.c_event_ns = 0.0
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
            function = Function(f"{module}:{name}", ops) if self._can_be_named(code) else None
        self.functions[id(code)] = function
        self._codes.append(code)
        return function

    def _can_be_named(self, code: CodeType) -> bool:
        """Say whether *code* is a function of the bot's files: no lambda, comprehension, class or module body."""
        is_function = bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")
        return is_function and not code.co_filename.startswith("<") and self._is_own(code.co_filename)

    def _calibrate(self) -> None:
        """Measure what events that are passed over cost, and what a call that does nothing seems to take."""

        def passed_over() -> None:
            pass

        def nothing() -> None:
            pass

        empty = Function("calibration:nothing")
        self.functions |= {id(passed_over.__code__): None, id(nothing.__code__): empty}
        take = _Thread(self).take
        self.python_event_ns = _cost_ns(passed_over, take)
        self.c_event_ns = _cost_ns("".isalpha, take)
        sys.setprofile(take)
        for _ in range(CALIBRATIONS):
            nothing()
        sys.setprofile(None)
        self.call_ns = int(median(empty.calls_ns))
        self.functions.clear()


def _cost_ns(call: Callable[[], object], take: Callable[..., None]) -> float:
    """Return what each of the two events of a call costs."""
    spent_ns = []
    for profiler in (None, take):
        sys.setprofile(profiler)
        began_ns = _cpu_ns()
        for _ in range(CALIBRATIONS):
            call()
        spent_ns.append(_cpu_ns() - began_ns)
        sys.setprofile(None)
    return max(0, spent_ns[1] - spent_ns[0]) / (2 * CALIBRATIONS)


class _Thread:
    """The calls that are under way in one thread."""

    def __init__(self, profile: CpuProfile) -> None:
        self._profile = profile
        self._functions = profile.functions
        self._stack: list[list[Any]] = []
        self._suspended: dict[int, int] = {}
        self._since_ns = 0
        self._python_events = 0
        self._c_events = 0

    def take(self, frame: FrameType, event: str, arg: object) -> None:
        """Take an event of `sys.setprofile`."""
        if event == "call":
            try:
                function = self._functions[id(frame.f_code)]
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
        if event in _PYTHON_EVENTS:
            self._python_events += 1
        else:
            self._c_events += 1

    def _pause(self) -> None:
        """Give the time since the last event to the function that ran."""
        if self._stack:
            profile = self._profile
            spent_ns = _cpu_ns() - self._since_ns - profile.call_ns
            seeing_ns = self._python_events * profile.python_event_ns + self._c_events * profile.c_event_ns
            self._stack[-1][2] += spent_ns - int(seeing_ns)
        self._python_events = self._c_events = 0

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
