"""Virtual signals: what a process does on SIGTERM and SIGINT, without a kernel."""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from sim.host import machine as machines
from sim.host.boundary import fence, refuse
from sim.host.takeover import REFUSED, replace_all_aliases, take_over

if TYPE_CHECKING:  # the loop builds on this module
    from sim.host.loop import SimLoop
    from sim.host.machine import Machine

Handler = Callable[[int, Any], Any] | int | signal.Handlers | None

_IGNORED_BY_DEFAULT = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}
_BLOCKING = ("pause", "sigwait", "sigwaitinfo", "sigtimedwait", "pthread_sigmask", "pidfd_send_signal")


class SignalDesk:
    """The bot process's signal dispositions.

    A loop's handlers work as asyncio's do: they hang on the wake-up descriptor, which every signal writes to that has a
    Python handler. So a `signal.signal` after `loop.add_signal_handler` adds to it: both are called.

    Args:
        machine: where the process runs.
        on_default: told the signal whose default disposition ends the process.
    """

    def __init__(self, machine: Machine, on_default: Callable[[int], None]) -> None:
        self.machine = machine
        self.on_default = on_default
        self._handlers: dict[int, Handler] = {signal.SIGINT: signal.default_int_handler}
        self._loop_handlers: dict[SimLoop, dict[int, asyncio.Handle]] = {}
        self._woken: SimLoop | None = None  # the loop whose descriptor is the process's wake-up descriptor

    def signal(self, signalnum: int, handler: Handler, /) -> Handler:
        """Set a handler, as `signal.signal` does; return the one before."""
        number = signal.Signals(signalnum)
        if not callable(handler) and handler not in (signal.SIG_IGN, signal.SIG_DFL):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("signal only works in main thread of the main interpreter")
        if number in (signal.SIGKILL, signal.SIGSTOP):
            raise OSError(22, "Invalid argument")
        before = self.getsignal(number)
        self._handlers[number] = handler
        return before

    def getsignal(self, signalnum: int, /) -> Handler:
        """Return the handler in force, as `signal.getsignal` does."""
        return self._handlers.get(signal.Signals(signalnum), signal.SIG_DFL)

    def add_loop_handler(self, loop: SimLoop, signalnum: int, handle: asyncio.Handle) -> None:
        """Deliver *signalnum* as a callback of *loop* from now on."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("set_wakeup_fd only works in main thread of the main interpreter")
        self.signal(signalnum, _handled_by_loop)
        self._loop_handlers.setdefault(loop, {})[signalnum] = handle
        self._woken = loop

    def remove_loop_handler(self, loop: SimLoop, signalnum: int) -> bool:
        """Undo `add_loop_handler`; return whether there was one."""
        mine = self._loop_handlers.get(loop, {})
        if mine.pop(signalnum, None) is None:
            return False
        self.signal(signalnum, signal.default_int_handler if signalnum == signal.SIGINT else signal.SIG_DFL)
        if not mine:
            del self._loop_handlers[loop]
            self._woken = None
        return True

    def forget(self, loop: SimLoop) -> None:
        """A loop was closed: remove its handlers."""
        for signalnum in list(self._loop_handlers.get(loop, ())):
            self.remove_loop_handler(loop, signalnum)

    def forget_all(self) -> object:
        """Return to the dispositions of a fresh process; return those in force till now, lest they end."""
        before = (self._handlers, self._loop_handlers, self._woken)
        self._handlers = {signal.SIGINT: signal.default_int_handler}
        self._loop_handlers, self._woken = {}, None
        return before

    def deliver(self, signalnum: int, /) -> None:
        """Do what the process would do on *signalnum*; Python handlers run on the main thread, between callbacks."""
        number = signal.Signals(signalnum)
        if threading.current_thread() is not threading.main_thread():
            env = machines.running.env
            env.at(machines.running.now_ns(), self.deliver, number)
            return
        handler = self._handlers.get(number, signal.SIG_DFL)
        if handler == signal.SIG_IGN:
            return
        if handler == signal.SIG_DFL:
            if number not in _IGNORED_BY_DEFAULT:
                self.on_default(number)
            return
        assert callable(handler)
        self.machine.stir()
        try:
            handler(number, sys._getframe())
        finally:
            self._wake_loop(number)

    def _wake_loop(self, number: int) -> None:
        """Do what a loop does on the byte that the wake-up descriptor got, whether or not the handler raised."""
        loop = self._woken
        if loop is not None:
            handle = self._loop_handlers[loop].get(number)
            if handle is not None:
                loop.arrive(handle._run)
            else:
                loop._write_to_self()


def _handled_by_loop(signum: int, frame: object) -> None:
    """What `getsignal` shows for a signal that a loop handles, as in stock asyncio."""


def install(desk: SignalDesk) -> None:
    """Take over `signal` of this process for the bot, for good."""
    real_kill = os.kill
    pid = os.getpid()

    def kill(target: int, signalnum: int, /) -> None:
        if target in (pid, 0):
            if signalnum:
                desk.deliver(signalnum)
        elif signalnum == 0:
            real_kill(target, 0)
        else:
            raise PermissionError(1, "Operation not permitted")

    def killpg(group: int, signalnum: int, /) -> None:
        kill(0 if group in (0, os.getpgrp()) else -group, signalnum)

    def pthread_kill(thread_id: int, signalnum: int, /) -> None:
        desk.deliver(signalnum)

    def interrupt_main(signum: int = signal.SIGINT, /) -> None:
        desk.deliver(signum)

    def no_timer(*args: object) -> NoReturn:
        raise OSError(38, "interval timers are not simulated: use asyncio.timeout or loop.call_later")

    delivers = "delivers a virtual signal to the bot's own process"
    rows: tuple[tuple[str, Callable[..., Any], str], ...] = (
        ("signal", desk.signal, "sets the disposition of a virtual signal"),
        ("getsignal", desk.getsignal, "returns the disposition of a virtual signal"),
        ("raise_signal", desk.deliver, delivers),
        ("pthread_kill", pthread_kill, delivers),
        ("set_wakeup_fd", lambda fd, *, warn_on_full_buffer=True: -1, "does nothing: loops are woken without a pipe"),
        ("siginterrupt", lambda signalnum, flag: None, "does nothing: no call of the system is interrupted"),
        ("setitimer", no_timer, "raises OSError: there are no interval timers"),
        ("alarm", no_timer, "raises OSError: there are no interval timers"),
        *((name, _refusing(name), REFUSED) for name in _BLOCKING),
    )
    others = (
        (_thread, "interrupt_main", interrupt_main, delivers),
        (os, "kill", kill, f"{delivers}; another process cannot be reached"),
        (os, "killpg", killpg, f"{delivers}; another process cannot be reached"),
    )
    replace_all_aliases(take_over((*((signal, *row) for row in rows), *others)))


def _refusing(name: str) -> Callable[..., NoReturn]:
    api = fence(f"signal.{name}", "use signal.signal, loop.add_signal_handler or threading.Event")

    def function(*args: object) -> NoReturn:
        refuse(api)

    function.__name__ = function.__qualname__ = name
    return function
