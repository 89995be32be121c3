"""Whether a person attends a flight at a terminal, and what `breakpoint()` in the bot comes to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any

from sim.host.loop import SimLoop
from sim.host.threads import Baton
from sim.probe.findings import Findings
from sim.probe.place import Places

_stock_breakpoint = sys.breakpointhook


class Attendance:
    """The debugger, where there is a terminal; else a note for each breakpoint that is passed over."""

    def __init__(self, findings: Findings, places: Places) -> None:
        self._findings = findings
        self._places = places
        self._debugger: Any = None
        self.loop_class: type[SimLoop] = SimLoop

    def open(
        self, terminal: int, baton: Baton, pulse: memoryview, *,
        asked: bool, until: int | str | None, accepted: Collection[str], on_quit: Callable[[], object],
    ) -> None:  # fmt: skip
        """Let a person in; the arguments are `Debugger`'s."""
        from sim.probe.debugger import AttendedLoop, Debugger  # noqa: PLC0415  (pdb loads slowly)

        self._debugger = debugger = Debugger(
            terminal, baton.machine, self._places, pulse, asked=asked, until=until, accepted=accepted, on_quit=on_quit
        )
        self._findings.on_add = debugger.on_finding
        if debugger.watch_time(baton):
            AttendedLoop.debugger = debugger
            self.loop_class = AttendedLoop

    def on_breakpoint(self, *args: Any, **kwargs: Any) -> Any:
        """`breakpoint()`: what the bot's PYTHONBREAKPOINT names, else pdb on the terminal; without one, a note."""
        if os.environ.get("PYTHONBREAKPOINT"):
            return _stock_breakpoint(*args, **kwargs)
        return self._stop(sys._getframe(1))

    def on_set_trace(self, *, header: str | None = None) -> None:
        """`pdb.set_trace()`: the same, whatever PYTHONBREAKPOINT says."""
        self._stop(sys._getframe(1))

    def _stop(self, frame: FrameType) -> None:
        if self._debugger is not None:
            self._debugger.stop_in(frame)
            return
        title = "breakpoint() was passed over: it stops where one flight at a time runs at a terminal"
        self._findings.add("boundary", title, self._places.of_frame(frame), about="breakpoint", gating=False)
