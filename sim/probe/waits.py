"""Who waits for whom: tasks, threads and workers of executors in one graph, and the deadlocks in it.

Nothing is kept for it while a bot flies, but who waits for a lock. The rest is read where it stands when somebody
asks: the future a task waits for, the frames a blocked thread waits in, the queue of an executor.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as pools
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from sim.host.loop import SimLoop
from sim.host.threads import Baton, BatonThread, SimLock
from sim.probe.place import Place, Places, stack_of_task

MAIN = "the main thread"
Actor = asyncio.Task[Any] | BatonThread | str
"""Who waits: a task, a thread, or `MAIN`."""

_RESULTS = (Future.result.__code__, Future.exception.__code__)
_RUN = pools._WorkItem.run.__code__
STACK_FRAMES_MAX = 24


@dataclass(slots=True, eq=False)
class LockState:
    """What is known of one lock.

    Args:
        job: the job of an executor that took it, if one did.
    """

    name: str
    place: Place
    owner: Actor | None = None
    job: Future[Any] | None = None
    since_ns: int = 0
    taken_at: Place | None = None
    behind: dict[LockState, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """What somebody waits for.

    Args:
        on: who could end it.
        of_all: whether any of them alone could; else each of them is needed.
    """

    what: str
    on: tuple[Actor, ...]
    of_all: bool = False


@dataclass(frozen=True, slots=True)
class Party:
    """One who waits in a deadlock, and for what."""

    actor: Actor
    what: str
    place: Place
    stack: list[str]


class WaitGraph:
    """Finds out who can never go on.

    Args:
        loops: the bot's.
        places: names places.
    """

    def __init__(self, baton: Baton, loops: Iterable[SimLoop], places: Places) -> None:
        self._baton = baton
        self._loops = loops
        self._places = places
        self.for_locks: dict[Actor, tuple[LockState, Place]] = {}
        self.executors: WeakKeyDictionary[ThreadPoolExecutor, Place] = WeakKeyDictionary()

    # Asking -----------------------------------------------------------------------------------------------------

    def deadlock_of(self, actor: Actor) -> list[Party]:
        """Return those who wait for each other, if *actor* can never go on; else nobody."""
        found: dict[Actor, Wait] = {}
        return [self._party(each, wait) for each, wait in found.items()] if self._stuck(actor, {}, found) else []

    def threads(self) -> list[Actor]:
        """Return every thread of the bot: without one of them in it, a deadlock closes where a lock is asked for."""
        return [MAIN, *self._baton.by_ident.values()]

    def _stuck(self, actor: Actor, path: dict[Actor, Wait], found: dict[Actor, Wait]) -> bool:
        """Say whether *actor* waits for ever; put the circles that it waits behind into *found*.

        Args:
            path: who waits for whom from the first one to this one: coming back to any of them closes a circle.
        """
        if actor in path:
            passed = list(path)
            found.update((each, path[each]) for each in passed[passed.index(actor) :])
            return True
        wait = self.wait_of(actor)
        if wait is None or not wait.on:
            return False
        path[actor] = wait
        circles: dict[Actor, Wait] = {}
        answers = (self._stuck(each, path, circles) for each in wait.on)
        stuck = all(answers) if wait.of_all else any(answers)
        del path[actor]
        if stuck:
            found.update(circles)
        return stuck

    # Looking ----------------------------------------------------------------------------------------------------

    def wait_of(self, actor: Actor) -> Wait | None:
        """Return what *actor* waits for, if that is for others and has no time-out."""
        if actor in self.for_locks:
            state, _ = self.for_locks[actor]
            return _wait_for_lock(state)
        if isinstance(actor, asyncio.Task):
            return self._wait_of_task(actor) if self._baton.alive or self._baton.main_waiting else None
        return self._wait_of_thread(actor)

    def _wait_of_task(self, task: asyncio.Task[Any]) -> Wait | None:
        loop = task.get_loop()
        thread = self.thread_of(loop) if isinstance(loop, SimLoop) else None
        if thread is not None and self.wait_of(thread) is not None:
            return Wait("its loop", (thread,))
        if task.done() or _is_timed(task):
            return None
        future: Any = getattr(task, "_fut_waiter", None)
        if isinstance(future, asyncio.Task):
            return Wait(f"task {future.get_name()}", (future,))
        children = getattr(future, "_children", None)
        if children is not None:
            tasks = tuple(each for each in children if isinstance(each, asyncio.Task) and not each.done())
            return Wait("gathered tasks", tasks)
        for each in _cells(callback for callback, _ in getattr(future, "_callbacks", None) or ()):
            if isinstance(each, Future):
                return self._wait_for_future(each)
        return None

    def _wait_of_thread(self, thread: BatonThread | str) -> Wait | None:
        waiter = thread.waiting_for if isinstance(thread, BatonThread) else self._baton.main_waiting
        if waiter is None or waiter.done or waiter.timed or waiter.granted:
            return None
        if isinstance(waiter.what, BatonThread):
            return Wait("the end of a thread", (waiter.what,))
        if not isinstance(waiter.what, SimLock):
            return None
        state: LockState | None = waiter.what.seen
        if state is not None:
            return _wait_for_lock(state)
        frame = waiter.frame
        while frame is not None and frame.f_code is not _RUN:
            if frame.f_code in _RESULTS:
                return self._wait_for_future(frame.f_locals["self"])
            frame = frame.f_back
        return None

    def _wait_for_future(self, future: Future[Any]) -> Wait | None:
        """Return who is to complete *future*: a worker, all workers of its executor, a task, a loop."""
        for thread in self._baton.by_ident.values():
            if future in _jobs_of(self._frame_of(thread)):
                return Wait("a job of its executor", (thread,))
        for executor in self.executors:
            queued: Any = executor._work_queue
            if any(item is not None and item.future is future for item in tuple(queued._queue)):
                return Wait("a free worker of its executor", tuple(self.workers(executor)), of_all=True)
        for loop in self._loops:
            for task in asyncio.all_tasks(loop):
                if any(each is future for each in _cells(call for call, _ in task._callbacks or ())):
                    return Wait(f"task {task.get_name()}", (task,))
            thread_of_loop = self.thread_of(loop)
            waiting = _cells(handle._callback for handle in tuple(loop._ready))  # type: ignore[attr-defined]
            if thread_of_loop is not None and any(each is future for each in waiting):
                return Wait("a loop that does not turn", (thread_of_loop,))
        return None

    def _frame_of(self, thread: BatonThread) -> FrameType | None:
        """Return where *thread* waits, or where it is if it is the one that asks."""
        if thread is self._baton.current:
            return sys._getframe(1)
        return thread.waiting_for.frame if thread.waiting_for is not None else None

    def workers(self, executor: ThreadPoolExecutor) -> list[BatonThread]:
        """Return the threads of *executor* that live."""
        idents = [thread.ident for thread in executor._threads if thread.is_alive()]
        return [thread for ident, thread in self._baton.by_ident.items() if ident in idents]

    def left_of(self, executor: ThreadPoolExecutor) -> tuple[int, int] | None:
        """Return how many workers and unfinished jobs *executor* has, if it has workers and was not shut down."""
        workers = self.workers(executor)
        if executor._shutdown or not workers:
            return None
        idle: int = executor._idle_semaphore._value
        return len(workers), len(workers) - idle + executor._work_queue.qsize()

    def thread_of(self, loop: SimLoop) -> BatonThread | str | None:
        """Return the thread that runs *loop*, if one does."""
        ident: Any = loop._thread_id
        return MAIN if ident == self._baton.main_ident else self._baton.by_ident.get(ident)

    # Telling ----------------------------------------------------------------------------------------------------

    def _party(self, actor: Actor, wait: Wait) -> Party:
        for_lock = self.for_locks.get(actor)
        if isinstance(actor, asyncio.Task):
            place = for_lock[1] if for_lock is not None else self._places.of_task(actor)
            return Party(actor, wait.what, place, stack_of_task(actor) or [str(place.where)])
        if isinstance(actor, BatonThread):
            frame = self._frame_of(actor)
        else:
            frame = self._baton.main_waiting.frame if self._baton.main_waiting is not None else sys._getframe()
        place = for_lock[1] if for_lock is not None else self._places.of_frame(frame)
        return Party(actor, wait.what, place, self._stack(frame) or [str(place.where)])

    def _stack(self, frame: FrameType | None) -> list[str]:
        stack: list[str] = []
        while frame is not None and len(stack) < STACK_FRAMES_MAX:
            if not self._places.is_ours(frame.f_code.co_filename):
                stack.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
            frame = frame.f_back
        return stack[::-1]


def _wait_for_lock(state: LockState) -> Wait | None:
    """Return who is to release a lock: its owner, unless a job took it that is over; then anybody may."""
    if state.owner is None or (state.job is not None and state.job.done()):
        return None
    return Wait(state.name, (state.owner,))


def job_of(frame: FrameType | None) -> Future[Any] | None:
    """Return the future of the innermost job of an executor on the stack at *frame*."""
    return next(iter(_jobs_of(frame)), None)


def name_of(actor: Actor) -> str:
    """Return what to call *actor*."""
    if isinstance(actor, asyncio.Task):
        return actor.get_name()
    if isinstance(actor, BatonThread):
        return actor.owner.name if isinstance(actor.owner, threading.Thread) else "a thread"
    return MAIN


def _jobs_of(frame: FrameType | None) -> list[Future[Any]]:
    """Return the futures of the jobs that a thread which waits in *frame* is at."""
    jobs = []
    while frame is not None:
        if frame.f_code is _RUN:
            jobs.append(frame.f_locals["self"].future)
        frame = frame.f_back
    return jobs


def _cells(callbacks: Iterable[Callable[..., object]]) -> list[object]:
    """Return what the closures of *callbacks* hold; asyncio links futures of both kinds by closures."""
    return [
        cell.cell_contents
        for callback in callbacks
        for cell in getattr(callback, "__closure__", None) or ()
        if _full(cell)
    ]


def _full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it raises where there is nothing
    except ValueError:
        return False
    return True


def _is_timed(task: asyncio.Task[Any]) -> bool:
    """Say whether an `asyncio.timeout` is going to end what *task* waits for."""
    scheduled: Any = getattr(task.get_loop(), "_scheduled", ())
    for handle in scheduled:
        owner = getattr(handle._callback, "__self__", None)
        if isinstance(owner, asyncio.Timeout) and owner._task is task:  # type: ignore[attr-defined]
            return True
    return False
