"""Virtual signals: what a process does on SIGTERM and SIGINT, without a kernel."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the loop builds on this module
    from sim.host.loop import SimLoop

Handler = Callable[[int, Any], Any] | int | signal.Handlers | None

_IGNORED_BY_DEFAULT = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}


class SignalDesk:
    """The bot process's signal dispositions.

    Args:
        on_default: told the signal whose default disposition ends the process.
    """

    def __init__(self, on_default: Callable[[int], None]) -> None:
        self.on_default = on_default
        self._handlers: dict[int, Handler] = {signal.SIGINT: signal.default_int_handler}
        self._loop_handlers: dict[int, tuple[SimLoop, asyncio.Handle]] = {}

    def signal(self, signalnum: int, handler: Handler, /) -> Handler:
        """Set a handler, as `signal.signal` does; return the one before."""
        number = signal.Signals(signalnum)
        if not callable(handler) and handler not in (signal.SIG_IGN, signal.SIG_DFL):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        if number in (signal.SIGKILL, signal.SIGSTOP):
            raise OSError(22, "Invalid argument")
        before = self.getsignal(number)
        self._loop_handlers.pop(number, None)
        self._handlers[number] = handler
        return before

    def getsignal(self, signalnum: int, /) -> Handler:
        """Return the handler in force, as `signal.getsignal` does."""
        number = signal.Signals(signalnum)
        if number in self._loop_handlers:
            return _handled_by_loop
        return self._handlers.get(number, signal.SIG_DFL)

    def add_loop_handler(self, loop: SimLoop, signalnum: int, handle: asyncio.Handle) -> None:
        """Deliver *signalnum* as a callback of *loop* from now on."""
        self._loop_handlers[signalnum] = (loop, handle)

    def remove_loop_handler(self, signalnum: int) -> bool:
        """Undo `add_loop_handler`; return whether there was one."""
        if self._loop_handlers.pop(signalnum, None) is None:
            return False
        self._handlers[signalnum] = signal.default_int_handler if signalnum == signal.SIGINT else signal.SIG_DFL
        return True

    def deliver(self, signalnum: int) -> None:
        """Do what the process would do on *signalnum*; runs on the main thread, between callbacks."""
        number = signal.Signals(signalnum)
        found = self._loop_handlers.get(number)
        if found is not None:
            loop, handle = found
            loop.arrive(handle._run)
            return
        handler = self._handlers.get(number, signal.SIG_DFL)
        if callable(handler) and handler is not signal.SIG_DFL and handler is not signal.SIG_IGN:
            handler(number, sys._getframe())
        elif handler is signal.SIG_DFL and number not in _IGNORED_BY_DEFAULT:
            self.on_default(number)


def _handled_by_loop(signum: int, frame: object) -> None:
    """What `getsignal` shows for a signal that a loop handles, as in stock asyncio."""


def install(desk: SignalDesk) -> None:
    """Take over `signal` of this process for the bot, for good."""
    real_kill = os.kill
    pid = os.getpid()

    def kill(target: int, signalnum: int, /) -> None:
        if target in (pid, 0):
            desk.deliver(signalnum)
        elif signalnum == 0:
            real_kill(target, 0)
        else:
            raise PermissionError(1, "Operation not permitted")

    def no_timer(*args: object) -> None:
        raise OSError(38, "interval timers are not simulated: use asyncio.timeout or loop.call_later")

    signal.signal = desk.signal  # type: ignore[assignment]
    signal.getsignal = desk.getsignal
    signal.raise_signal = desk.deliver
    signal.set_wakeup_fd = lambda fd, *, warn_on_full_buffer=True: -1
    signal.siginterrupt = lambda signalnum, flag: None
    signal.setitimer = no_timer
    signal.alarm = no_timer
    os.kill = kill
