"""Real CPU time of the bot's functions, call by call, on the machine that flies it: the raw numbers of a cost table."""

from __future__ import annotations

import _thread
import ast
import asyncio
import json
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from sim.functions import Function, functions
from sim.host.loop import SimLoop
from sim.host.threads import Baton

FILE = "profile.json"
QUANTILES = (10, 50, 90, 99, 100)
CALIBRATIONS = 2_000
MARK = "windtunnel.profile "
"""Stands in the compiled code where a meter goes; followed by the function's name."""

_cpu_ns = time.thread_time_ns  # taken before the flight's clocks are
_thread_ident = _thread.get_ident


@dataclass(slots=True)
class Measured:
    """What was measured of one function.

    Args:
        steps: of coroutines: how often a call was suspended, over all calls.
    """

    calls_ns: array[int] = field(default_factory=lambda: array("q"))
    total_ns: int = 0
    steps: int = 0

    def numbers(self) -> dict[str, Any]:
        """Return the numbers, in ns."""
        ordered = sorted(self.calls_ns)
        last = len(ordered) - 1
        return {
            "calls": len(ordered),
            "steps": self.steps,
            "total_ns": self.total_ns,
            "quantiles_ns": {f"p{percent}": ordered[(last * percent + 50) // 100] for percent in QUANTILES},
        }


@dataclass(slots=True)
class _Call:
    """A call that is under way."""

    meter: Meter
    own_ns: int = 0
    steps: int = 0


class _Running:
    """One thread: the calls under way in what it runs now, and since when the innermost has the processor."""

    __slots__ = ("calls", "since_ns")

    def __init__(self) -> None:
        self.calls: list[_Call] | None = []
        self.since_ns = _cpu_ns()


class Meter:
    """Reading `enter` begins a call of one function, reading `leave` ends it (attributes, as in `sim.host.charge`)."""

    __slots__ = ("_profile", "measured", "name")

    def __init__(self, profile: CpuProfile, name: str) -> None:
        self._profile = profile
        self.name = name
        self.measured = Measured()

    @property
    def enter(self) -> None:
        """Begin a call: the caller's clock stops, this one's runs."""
        running = self._profile.settle()
        if running.calls is not None:
            running.calls.append(_Call(self))
        running.since_ns = _cpu_ns()

    @property
    def leave(self) -> None:
        """End the call. One that is closed elsewhere, by the collector say, is not counted."""
        running = self._profile.settle()
        if running.calls and running.calls[-1].meter is self:
            call = running.calls.pop()
            own_ns = max(0, call.own_ns)
            self.measured.calls_ns.append(own_ns)
            self.measured.total_ns += own_ns
            self.measured.steps += call.steps
        running.since_ns = _cpu_ns()


class CpuProfile:
    """Measures each call of a function of the bot: its own time, without the bot's functions that it calls.

    The clock is read where a function begins and ends, compiled into its body, and where a task's step does, so
    libraries and C code run at full speed; their time counts for the function of the bot that called them. What
    suspends itself by `yield` counts for who asks it for a value. Waits, and the world meanwhile, count for nobody.

    Args:
        is_own: whether a file is the bot's own code.
    """

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._meters: dict[str, Meter] = {}
        self._threads: dict[int, _Running] = {}
        self._tasks: dict[int, list[_Call]] = {}
        self._reading_ns = 0

    # What `Charges` asks ----------------------------------------------------------------------------------------

    def covers(self, path: str) -> bool:
        """Say whether the functions of a file are measured."""
        return self._is_own(path)

    def instrument(self, tree: ast.Module, module: str) -> None:
        """Put marks where the functions of *module* begin and end."""
        for name, function in list(functions(tree)):
            if not any(_yields(function)):
                _put_marks(function, f"{MARK}{module}:{name}")

    def constant(self, mark: str) -> object:
        """Return what stands in the compiled code for *mark*: the meter, or the text itself if it is the bot's."""
        if not mark.startswith(MARK):
            return mark
        name = mark.removeprefix(MARK)
        return self._meters.setdefault(name, Meter(self, name))

    # While it flies ---------------------------------------------------------------------------------------------

    def start(self, baton: Baton) -> None:
        """Calibrate; then let clocks change where the loop or a thread changes what runs."""
        self._calibrate()
        handles: Any = asyncio.Handle
        run_handle, run_forever, block = handles._run, SimLoop.run_forever, baton.block  # noqa: SLF001

        def measured_run(handle: Any) -> None:
            owner = getattr(handle._callback, "__self__", None)  # noqa: SLF001
            calls = self._tasks.setdefault(id(owner), []) if isinstance(owner, asyncio.Task) else []
            outer = self._switch(calls)
            try:
                run_handle(handle)
            finally:
                self._switch(outer)
                for call in calls:
                    call.steps += 1
                if not calls and isinstance(owner, asyncio.Task):
                    self._tasks.pop(id(owner), None)

        def unmeasured(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any) -> Any:
                outer = self._switch(None)
                try:
                    return function(*args)
                finally:
                    self._switch(outer)

            return run

        handles._run = measured_run  # noqa: SLF001
        SimLoop.run_forever = unmeasured(run_forever)  # type: ignore[method-assign]
        baton.block = unmeasured(block)  # type: ignore[method-assign]

    def finish(self, folder: Path) -> None:
        """Write the numbers."""
        measured = {name: meter.measured for name, meter in self._meters.items() if meter.measured.calls_ns}
        (folder / FILE).write_text(json.dumps({name: each.numbers() for name, each in measured.items()}))

    def settle(self) -> _Running:
        """Give the time since the last reading to the innermost call of this thread."""
        now_ns = _cpu_ns()
        ident = _thread_ident()
        running = self._threads.get(ident)
        if running is None:
            running = self._threads[ident] = _Running()
        if running.calls:
            running.calls[-1].own_ns += now_ns - running.since_ns - self._reading_ns
        return running

    def _switch(self, calls: list[_Call] | None) -> list[_Call] | None:
        """Let this thread go on with other calls, None for what nobody is measured by; return those it had."""
        running = self.settle()
        outer, running.calls = running.calls, calls
        running.since_ns = _cpu_ns()
        return outer

    def _calibrate(self) -> None:
        """Measure what a call that does nothing seems to take."""
        empty = Meter(self, "nothing")
        for _ in range(CALIBRATIONS):
            _ = empty.enter, empty.leave
        self._reading_ns = int(median(empty.measured.calls_ns))


def _yields(node: ast.AST) -> Iterator[bool]:
    """Yield True for each `yield` of a function's own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Yield | ast.YieldFrom):
            yield True
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _yields(child)


def _put_marks(function: Function, mark: str) -> None:
    docstring = function.body[:1] if ast.get_docstring(function, clean=False) is not None else []
    body = function.body[len(docstring) :] or [ast.copy_location(ast.Pass(), function.body[0])]
    enter, leave = (ast.Expr(ast.Attribute(ast.Constant(mark), name, ast.Load())) for name in ("enter", "leave"))
    attempt = ast.Try(body=body, handlers=[], orelse=[], finalbody=[ast.copy_location(leave, body[-1])])
    marked = [ast.copy_location(enter, body[0]), ast.copy_location(attempt, body[0])]
    function.body = [*docstring, *(ast.fix_missing_locations(each) for each in marked)]
