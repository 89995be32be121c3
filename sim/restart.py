"""Crash and restart of the bot in flight: the lost program stays beneath, the next one runs on top of it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import NoReturn

from sim.host import machine as machines
from sim.host.clock import FAULT
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.process import Process
from sim.probe.locks import LockProbe
from sim.record import Recorder
from sim.units import MS


class Restarts:
    """The bot's process, for faults that crash it.

    A crash is an event of the environment, so it runs on the stack of whoever drives that: the bot's main program. It
    never returns there. So nothing of that program goes on, and the next start is a call further up the stack.

    Args:
        loops: the loops of the running program; those of lost ones go to `buried`.
        again: runs the program from its start and ends the flight.
    """

    def __init__(
        self, machine: Machine, recorder: Recorder, loops: list[SimLoop], again: Callable[[], NoReturn]
    ) -> None:
        self._machine = machine
        self._env = machine.env
        self._recorder = recorder
        self._loops = loops
        self._again = again
        self.process: Process | None = None
        self.locks: LockProbe | None = None
        self.buried: list[SimLoop] = []
        self.down = False

    def crash(self, restart_ns: int, silent: bool) -> bool:
        """Let the program crash as soon as this event is over; return False if it is down already."""
        if self.down:
            return False
        self.down = True
        self._env.at(self._env.now, self._crash, restart_ns, silent, priority=FAULT)
        return True

    def _crash(self, restart_ns: int, silent: bool) -> None:
        if machines.running is not self._machine:  # an application of the world's waits on this stack: it must go on
            self._env.after(MS, self._crash, restart_ns, silent, priority=FAULT)
            return
        assert self.process is not None, "a flight with crashes keeps its process"
        assert self.locks is not None, "and watches its locks"
        self._recorder.event("bot.down", "bot", silent=silent)
        self.process.lose(self._loops, silent)
        self.locks.forget_all()
        self.buried += self._loops
        self._loops.clear()
        self._env.after(restart_ns, self._start, priority=FAULT)
        while self.down:
            self._env.step()
        self.process.renew()
        Context().run(self._again)

    def _start(self) -> None:
        self._recorder.event("bot.up", "bot")
        self.down = False
