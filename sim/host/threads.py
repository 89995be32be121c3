"""Baton threads: real threads of which exactly one runs, handed over at locks, sleeps and joins.

The thread that drives the environment (the main thread) holds the baton. A thread of the bot runs when its event comes
up and gives the baton back when it blocks on a lock, sleeps or ends. `threading`, `queue` and `concurrent.futures`
stay the interpreter's own code: only the primitive lock and the thread start beneath them are replaced.
"""

from __future__ import annotations

import _thread
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from sim.host import processor
from sim.host.clock import LOOP, NsEnvironment
from sim.host.machine import Machine
from sim.host.takeover import take_over
from sim.units import US

_real_allocate = _thread.allocate_lock
_real_start = _thread.start_new_thread
_real_ident = _thread.get_ident
_real_start_joinable: Callable[..., Any] | None = getattr(_thread, "start_joinable_thread", None)

START_COST_NS = 50 * US
"""Virtual time between starting a thread and its first line."""

SWITCH_COST_NS = 5 * US
"""Virtual time between the release of a lock and the first line of the thread that waited for it."""


AHEAD_NS_MAX = 20 * US
"""Work that a thread may do before others without their noticing; with more it waits before it takes a lock."""


class Waiter:
    """One thread's wait for one thing."""

    __slots__ = ("done", "frame", "granted", "overtaken", "since_ns", "thread", "timed", "timed_out", "what")

    def __init__(self, thread: BatonThread | None, what: object, timed: bool) -> None:
        self.thread = thread
        self.what = what
        self.timed = timed
        self.frame: FrameType | None = None  # who waits, while it does
        self.since_ns = 0
        self.done = False
        self.overtaken = False
        self.granted = False  # what it waits for is its own already, it only has not run yet
        self.timed_out = False


class BatonThread:
    """A real thread of the bot and the gate it waits at for the baton."""

    __slots__ = ("abandoned", "finished", "gate", "ident", "joiners", "owner", "waiting_for")

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.gate = _real_allocate()
        self.gate.acquire()
        self.ident = 0
        self.finished = self.abandoned = False
        self.joiners: list[Waiter] = []
        self.waiting_for: Waiter | None = None


class Baton:
    """The one right to run, and who has it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.baton = self
        self.env: NsEnvironment = machine.env
        self.main_ident = _real_ident()
        self.main_gate = _real_allocate()
        self.main_gate.acquire()
        self.main_waiting: Waiter | None = None
        self.current: BatonThread | None = None
        self.by_ident: dict[int, BatonThread] = {}
        self.started = 0
        self.switches = 0
        self.alive = 0
        self.on_first: Callable[[], object] = lambda: None  # called when the first thread is about to start
        self.on_count: Callable[[int], object] = lambda alive: None  # told how many threads there are

    # Threads ----------------------------------------------------------------------------------------------------

    def start(
        self,
        function: Callable[..., object],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        launch: Callable[..., Any] = _real_start,
    ) -> Any:
        """Start a thread as `_thread.start_new_thread` does; it first runs when its event comes up."""
        if not self.started:
            processor.stay_on_one()
            self.on_first()
        thread = BatonThread(getattr(function, "__self__", None))
        ready = _real_allocate()
        ready.acquire()

        def body() -> None:
            thread.ident = _real_ident()
            self.by_ident[thread.ident] = thread
            ready.release()
            thread.gate.acquire()
            try:
                function(*args, **(kwargs or {}))
            finally:
                self._finish(thread)

        result = launch(body, ())
        ready.acquire()
        self.started += 1
        self._count(1)
        self.env.at(self.machine.now_ns() + START_COST_NS, self._resume, thread, priority=LOOP)
        return result

    def start_joinable(self, function: Callable[[], object], handle: Any = None, daemon: bool = True) -> Any:
        """Start a thread as `_thread.start_joinable_thread` (3.13 and later) does."""
        start = _real_start_joinable
        assert start is not None
        return self.start(function, launch=lambda body, _: start(body, handle=handle, daemon=daemon))

    def _count(self, change: int) -> None:
        self.alive += change
        self.on_count(self.alive)

    def _finish(self, thread: BatonThread) -> None:
        thread.finished = True
        self._count(-1)
        self.by_ident.pop(thread.ident, None)
        for waiter in thread.joiners:
            self.wake(waiter)
        self.machine.settle_ns()
        self.current = None
        self.main_gate.release()

    def _resume(self, thread: BatonThread) -> None:
        """Hand the baton to *thread* and get it back; runs on the driving thread."""
        if thread.abandoned:
            return
        if self.machine.resting:
            self.machine.stir()
        outer = self.current
        self.switches += 1
        self.current = thread
        thread.gate.release()
        self.main_gate.acquire()
        self.current = outer
        if thread.finished and isinstance(thread.owner, threading.Thread):
            _REAL_JOIN(thread.owner)

    def abandon(self) -> list[BatonThread]:
        """Leave every thread where it waits, for good: the process has crashed. Return them, lest they end."""
        left = list(self.by_ident.values())
        for thread in left:
            thread.abandoned = True
        self.by_ident.clear()
        self.main_waiting = None
        self._count(-self.alive)
        return left

    # Waiting ----------------------------------------------------------------------------------------------------

    def block(self, what: object, timeout_ns: int | None, enlist: Callable[[Waiter], object]) -> bool:
        """Wait until `wake` is called on the waiter that *enlist* is given; return False if the time ran out."""
        thread = self.current
        waiter = Waiter(thread, what, timeout_ns is not None)
        waiter.frame = sys._getframe(1)
        enlist(waiter)
        since_ns = waiter.since_ns = self.machine.settle_ns()
        timer = None
        if timeout_ns is not None:
            timer = self.env.at(since_ns + timeout_ns, self._expire, waiter, priority=LOOP)
        try:
            if thread is None:
                outer, self.main_waiting = self.main_waiting, waiter
                try:
                    env = self.env
                    while not waiter.done:
                        env.step()
                finally:
                    self.main_waiting = outer
            else:
                thread.waiting_for = waiter
                self.main_gate.release()
                thread.gate.acquire()
                thread.waiting_for = None
        finally:  # a signal handler may raise in the main thread's wait
            waiter.done = True
            waiter.frame = None
            if timer is not None:
                timer.cancel()
        return not waiter.timed_out

    def sleep(self, duration_ns: int) -> None:
        """Let *duration_ns* pass for the calling thread."""
        self.block("time.sleep", max(duration_ns, 0), lambda waiter: None)

    def catch_up(self) -> None:
        """Let the calling thread's work so far pass in virtual time, before it does something that others see."""
        if self.machine.debt_ns > AHEAD_NS_MAX and self.current is not None:
            self.block("its own work", 0, lambda waiter: None)

    def wake(self, waiter: Waiter) -> None:
        """End a wait; the waiting thread runs after `SWITCH_COST_NS`."""
        if not waiter.done:
            t_ns = max(self.machine.now_ns(), waiter.since_ns) + SWITCH_COST_NS
            self.env.at(t_ns, self.hand_over, waiter, priority=LOOP)

    def _expire(self, waiter: Waiter) -> None:
        if not waiter.done and not waiter.granted:
            waiter.timed_out = True
            self.hand_over(waiter)

    def hand_over(self, waiter: Waiter) -> None:
        """End a wait now: its thread runs until it waits again. For events of the environment."""
        if waiter.done:
            return
        waiter.done = True
        if waiter.thread is not None:
            self._resume(waiter.thread)

    def join(self, thread: BatonThread, timeout_ns: int | None) -> bool:
        """Wait for *thread* to end; return False if the time ran out."""
        if thread.finished:
            return True
        return self.block(thread, timeout_ns, thread.joiners.append)


class SimLock:
    """`threading.Lock` on the baton: a wait hands over to whoever can run.

    A release wakes who has waited longest. Until that thread runs the lock is free, as in CPython, and another may take
    it; who was overtaken once is given the lock by the next release, so that nobody waits for ever.
    """

    baton: Baton
    seen: Any = None  # what a probe knows of it

    def __init__(self) -> None:
        self._holder: int | None = None
        self._waiters: deque[Waiter] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, waiting for it if *blocking*, at most *timeout* seconds unless that is -1."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout != -1 and timeout < 0:
            raise ValueError("timeout value must be a non-negative number")
        self.baton.catch_up()
        if self._holder is None:
            self._holder = _real_ident()
            return True
        return blocking and self._wait(None if timeout == -1 else self.baton.machine.now_ns() + round(timeout * 1e9))

    def _wait(self, deadline_ns: int | None) -> bool:
        mine: list[Waiter] = []

        def enlist(waiter: Waiter) -> None:
            waiter.overtaken = bool(mine)
            mine.append(waiter)
            if waiter.overtaken:
                self._waiters.appendleft(waiter)
            else:
                self._waiters.append(waiter)

        while True:
            left_ns = None if deadline_ns is None else max(deadline_ns - self.baton.machine.now_ns(), 0)
            try:
                in_time = self.baton.block(self, left_ns, enlist)
            except BaseException:
                mine[-1].done = True
                if mine[-1].granted:
                    self.release()
                elif self._holder is None:
                    self._wake_next()
                raise
            if mine[-1].granted:
                return True
            if self._holder is None:
                self._holder = _real_ident()
                return True
            if not in_time:
                return False

    def release(self) -> None:
        """Give the lock up, from any thread."""
        if self._holder is None:
            raise RuntimeError("release unlocked lock")
        self._holder = None
        self._wake_next()

    def _wake_next(self) -> None:
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done:
                if waiter.overtaken:
                    self._holder = self.baton.main_ident if waiter.thread is None else waiter.thread.ident
                    waiter.granted = True
                self.baton.wake(waiter)
                break

    def locked(self) -> bool:
        """Say whether someone holds it."""
        return self._holder is not None

    def _at_fork_reinit(self) -> None:
        self._holder = None
        self._waiters.clear()

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} _thread.lock object at {id(self):#x}>"


class SimRLock:
    """`threading.RLock` on the baton."""

    def __init__(self) -> None:
        self._lock = SimLock()
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, once more if the calling thread has it."""
        if self._lock._holder == _real_ident():
            self._depth += 1
            return True
        if self._lock.acquire(blocking, timeout):
            self._depth = 1
            return True
        return False

    def release(self) -> None:
        """Give it up once."""
        if self._lock._holder != _real_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self._depth -= 1
        if not self._depth:
            self._lock.release()

    def _is_owned(self) -> bool:
        return self._lock._holder == _real_ident()

    def _release_save(self) -> tuple[int, int | None]:
        if not self._depth:
            raise RuntimeError("cannot release un-acquired lock")
        state = (self._depth, self._lock._holder)
        self._depth = 0
        self._lock.release()
        return state

    def _acquire_restore(self, state: tuple[int, int | None]) -> None:
        self._lock.acquire()
        self._depth = state[0]

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._depth = 0

    def _recursion_count(self) -> int:
        return self._depth if self._is_owned() else 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


_REAL_JOIN = threading.Thread.join


def install(baton: Baton) -> None:
    """Replace the primitives beneath `threading`, `queue` and `concurrent.futures` in this process, for good."""
    SimLock.baton = baton

    def join(self: threading.Thread, timeout: float | None = None) -> None:
        if not self._initialized:  # type: ignore[attr-defined]
            raise RuntimeError("Thread.__init__() not called")
        thread = baton.by_ident.get(self.ident or 0)
        if self is threading.current_thread():
            raise RuntimeError("cannot join current thread")
        if thread is None or thread.owner is not self:
            _REAL_JOIN(self, timeout)
            return
        baton.join(thread, None if timeout is None else max(round(timeout * 1e9), 0))

    lock = "hands the baton over where it waits, in virtual time"
    start = "starts a real thread that runs when the baton comes to it"
    take_over(
        (
            (threading, "Lock", SimLock, lock),
            (threading, "_allocate_lock", SimLock, lock),
            (threading, "RLock", SimRLock, lock),
            (threading, "_CRLock", SimRLock, lock),
            (threading, "_start_new_thread", baton.start, start),
            (threading, "_start_joinable_thread", baton.start_joinable, start),
            (_thread, "start_new_thread", baton.start, start),
            (_thread, "allocate_lock", SimLock, lock),
            (_thread, "LockType", SimLock, lock),
            (_thread, "RLock", SimRLock, lock),
            (queue, "SimpleQueue", queue._PySimpleQueue, "is the interpreter's own in Python, on these locks"),  # type: ignore[attr-defined]
            (threading.Thread, "join", join, "waits in virtual time"),
        )
    )
