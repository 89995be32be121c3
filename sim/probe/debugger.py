"""A person at the debugger: pdb on the supervisor's terminal, while virtual time stands still."""

from __future__ import annotations

import os
import pdb  # noqa: T100 (here it is the point)
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from time import sleep as _wall_sleep
from types import CodeType, FrameType, TracebackType
from typing import Any

from sim.host import machine as machines
from sim.host.clock import HELD, SEEN, STOPS
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.threads import Baton
from sim.probe.place import Places
from sim.units import format_ns

_ACKNOWLEDGED_S = 2.0
_LOOK_S = 0.005

_no_readline = {"readline": None}
"""pdb asks for it although it reads the terminal's own lines; it would print to what it takes for the terminal."""


class Debugger(pdb.Pdb):
    """Pdb for the bot in flight; whoever steps sees the bot and its libraries, not the world beneath them.

    What is read at the prompt costs no virtual time, so a session that changes nothing leaves the digest as it was.

    Args:
        terminal: a descriptor of the terminal, open for both directions.
        pulse: the counters that the supervisor reads.
        until: an instant in ns or a finding's id where to stop; None stops at the first finding that gates.
        accepted: ids of findings that are known, so that nobody stops for them.
        on_quit: ends the flight.
    """

    def __init__(
        self,
        terminal: int,
        machine: Machine,
        places: Places,
        pulse: memoryview,
        *,
        asked: bool,
        until: int | str | None,
        accepted: Collection[str],
        on_quit: Callable[[], object],
    ) -> None:
        hidden = {name: sys.modules.get(name) for name in _no_readline}
        sys.modules.update(_no_readline)  # type: ignore[arg-type]
        try:
            super().__init__(
                stdin=os.fdopen(os.dup(terminal), "r"), stdout=os.fdopen(terminal, "w"), nosigint=True, readrc=False
            )
        finally:
            for name, module in hidden.items():
                del sys.modules[name]
                if module is not None:
                    sys.modules[name] = module
        self._machine = machine
        self._places = places
        self._pulse = pulse
        self._asked = asked
        self._at_ns = until if isinstance(until, int) else None
        self._finding = until if isinstance(until, str) else None
        self._accepted = accepted
        self._on_quit = on_quit
        self._waiting = False

    # When it stops ----------------------------------------------------------------------------------------------

    def watch_time(self, baton: Baton) -> bool:
        """See to it that `look` is asked whenever a thread of the bot goes on; return whether loops must ask, too."""
        if self._at_ns is None:
            return False
        block = baton.block

        def watched(*args: Any) -> bool:
            in_time = block(*args)
            self.look()
            return in_time

        baton.block = watched  # type: ignore[assignment, method-assign]
        return True

    def look(self) -> None:
        """Stop at the bot's next line if the instant has come."""
        if self._at_ns is not None and self._machine.now_ns() >= self._at_ns:
            self._at_ns = None
            self._waiting = True
            self.set_trace(sys._getframe(1))
            self.set_step()

    def on_finding(
        self, finding_id: str, title: str, gating: bool, at: FrameType | TracebackType | None = None
    ) -> None:
        """Stop at a finding if it is one to stop at.

        Args:
            at: where it is about, a task's frame or an error's traceback; the bot's line that runs unless given.
        """
        first = self._asked and self._finding is None and gating and finding_id not in self._accepted
        if finding_id != self._finding and not (first and self._at_ns is None and not self._pulse[STOPS]):
            return
        self._say(f"finding {finding_id}: {title}")
        if isinstance(at, TracebackType):
            self.reset()
            self.interaction(None, at)
            return
        frame = at or self._bots_frame(sys._getframe(1))
        self.set_trace(frame)
        sys.settrace(None)  # until the person has said how to go on
        self.interaction(frame, None)
        if self.breaks or self.stopframe is not self.botframe:
            sys.settrace(self.trace_dispatch)

    def stop_in(self, frame: FrameType) -> None:
        """Stop at the next line of *frame*: `breakpoint()` stands there."""
        self.set_trace(frame)

    def _bots_frame(self, frame: FrameType | None) -> FrameType:
        innermost = None
        while frame is not None:
            if self._places.is_bots(frame.f_code.co_filename):
                return frame
            if innermost is None and not self._places.is_ours(frame.f_code.co_filename):
                innermost = frame
            frame = frame.f_back
        assert innermost is not None, "the interpreter's own first frame is nobody's"
        return innermost

    # What bdb and pdb ask ---------------------------------------------------------------------------------------

    def stop_here(self, frame: FrameType) -> bool:
        """Say whether a person stops in *frame*: never in the world's work, nor in the harness."""
        if machines.running is not self._machine:
            return False
        path = frame.f_code.co_filename
        if self._waiting:
            return not path.startswith("<") and self._places.is_bots(path)
        return not self._places.is_ours(path) and bool(super().stop_here(frame))

    def user_call(self, frame: FrameType, argument_list: Any) -> None:
        """Stop where a function begins, unless the first line is waited for."""
        if not self._waiting:
            super().user_call(frame, argument_list)

    def user_return(self, frame: FrameType, return_value: Any) -> None:
        """Stop where a function ends, likewise."""
        if not self._waiting:
            super().user_return(frame, return_value)

    def user_exception(self, frame: FrameType, exc_info: Any) -> None:
        """Stop where something is raised, likewise."""
        if not self._waiting:
            super().user_exception(frame, exc_info)

    def user_line(self, frame: FrameType) -> None:
        """Stop at a line."""
        if self._waiting:
            self._waiting = False
            self._say("the instant has come")
        super().user_line(frame)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> tuple[list[tuple[FrameType, int]], int]:
        """Return the stack without the harness's frames."""
        stack, index = super().get_stack(f, t)
        shown = [each for each in stack if not self._is_hidden(each[0].f_code)]
        if not shown:
            return stack, index
        return shown, shown.index(stack[index]) if stack[index] in shown else len(shown) - 1

    def _is_hidden(self, code: CodeType) -> bool:
        started_us = code.co_filename == "<string>" and code.co_name == "<module>"
        return started_us or self._places.is_ours(code.co_filename)

    def interaction(self, frame: FrameType | None, *args: Any) -> None:
        """Talk to the person; virtual time stands still."""
        with self._held():
            super().interaction(frame, *args)

    def do_quit(self, arg: str) -> bool | None:
        """End the flight where it stands, as Ctrl-C would; its record is kept."""
        self._pulse[HELD] = 0
        self._on_quit()
        return True

    do_q = do_exit = do_EOF = do_quit  # noqa: N815 (pdb looks for that name)

    def do_run(self, arg: str) -> None:
        """A flight cannot begin again from inside."""
        self.message("q ends the flight; the same seed flies the same way again")

    do_restart = do_run

    # The terminal -----------------------------------------------------------------------------------------------

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the flight: no limit of wall time counts, no progress is drawn, what is read costs no virtual time."""
        machine, pulse = machines.running, self._pulse
        debt_ns = machine.debt_ns
        pulse[STOPS] += 1
        pulse[HELD] = 1
        for _ in range(int(_ACKNOWLEDGED_S / _LOOK_S)):
            if pulse[SEEN]:
                break
            _wall_sleep(_LOOK_S)
        try:
            yield
        finally:
            pulse[HELD] = 0
            machine.debt_ns = debt_ns

    def _say(self, text: str) -> None:
        self.message(f"[{format_ns(self._machine.now_ns())}] {text}")


class AttendedLoop(SimLoop):
    """A loop that asks before each of its turns whether a person wants to see it."""

    debugger: Debugger

    def select(self, timeout: float | None) -> tuple[()]:
        """Do what every loop does, then ask."""
        events = super().select(timeout)
        self.debugger.look()
        return events
