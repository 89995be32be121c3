"""Locks of the bot, of tasks and of threads: waits, holds, the order they are taken in, and deadlocks."""

from __future__ import annotations

import asyncio
import linecache
import re
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from sim.host.loop import SimLoop
from sim.host.threads import Baton, BatonThread, SimLock, SimRLock
from sim.probe.findings import Findings
from sim.probe.place import Place, Places
from sim.probe.waits import MAIN, Actor, LockState, Party, WaitGraph, job_of, name_of
from sim.record import Recorder

_current_task = asyncio.current_task


class LockProbe:
    """Watches `asyncio.Lock` on the bot's loops, and the `threading` locks that it or its libraries make.

    Locks that the standard library makes for itself (of queues, events, conditions and pools) are not watched: a worker
    that waits for work waits for no lock of the bot's.
    """

    def __init__(
        self, recorder: Recorder, findings: Findings, places: Places, baton: Baton, loops: Iterable[SimLoop]
    ) -> None:
        self._recorder = recorder
        self._findings = findings
        self._places = places
        self._baton = baton
        self._states: WeakKeyDictionary[asyncio.Lock, LockState] = WeakKeyDictionary()
        self._thread_locks: WeakKeyDictionary[SimLock, LockState] = WeakKeyDictionary()
        self._held: dict[Actor, list[LockState]] = {}
        self._names: dict[str, int] = {}
        self._stdlib: dict[str, bool] = {}
        self.graph = WaitGraph(baton, loops, places)
        self._installed = False

    # Watching ---------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Wrap both kinds of lock and the executors, for good; subclasses are watched too."""
        self._installed = True
        self._watch_task_locks()
        self._watch_thread_locks()
        self._watch_executors()

    def _watch_task_locks(self) -> None:
        real_init, real_acquire, real_release = asyncio.Lock.__init__, asyncio.Lock.acquire, asyncio.Lock.release
        probe = self

        def init(lock: asyncio.Lock, *args: Any, **kwargs: Any) -> None:
            real_init(lock, *args, **kwargs)
            probe._know(lock, sys._getframe(1))  # noqa: SLF001 - the caller

        async def acquire(lock: asyncio.Lock) -> bool:
            loop = asyncio.get_running_loop()
            if not (isinstance(loop, SimLoop) and loop.watched):
                return await real_acquire(lock)
            task = asyncio.current_task()
            assert task is not None
            since_ns = loop.machine.now_ns()
            frame = sys._getframe(1)  # noqa: SLF001 - who asks for the lock
            state = probe._states.get(lock) or probe._know(lock, frame)
            site = probe._ask(state, task, frame)
            try:
                await real_acquire(lock)
            finally:
                probe.graph.for_locks.pop(task, None)
            probe._taken(state, task, site, since_ns, loop.machine.now_ns())
            return True

        def release(lock: asyncio.Lock) -> None:
            real_release(lock)
            state = probe._states.get(lock)
            if state is not None and state.owner is not None:
                probe._released(state)

        init.__name__, acquire.__name__, release.__name__ = "__init__", "acquire", "release"
        asyncio.Lock.__init__ = init  # type: ignore[method-assign, assignment]
        asyncio.Lock.acquire = acquire  # type: ignore[method-assign, assignment]
        asyncio.Lock.release = release  # type: ignore[method-assign, assignment]

    def _watch_thread_locks(self) -> None:
        real_init, real_acquire, real_release = SimLock.__init__, SimLock.acquire, SimLock.release
        real_reentrant_init = SimRLock.__init__
        machine, probe, waits = self._baton.machine, self, self.graph.for_locks

        def init(lock: SimLock) -> None:
            real_init(lock)
            probe._know_of_threads(lock, sys._getframe(1))  # noqa: SLF001 - the caller

        def reentrant_init(lock: SimRLock) -> None:
            real_reentrant_init(lock)
            probe._know_of_threads(lock._lock, sys._getframe(1))  # noqa: SLF001 - the caller

        def acquire(lock: SimLock, blocking: bool = True, timeout: float = -1) -> bool:
            state: LockState | None = lock.seen
            if state is None:
                return real_acquire(lock, blocking, timeout)
            actor, since_ns = probe._actor(), machine.now_ns()
            frame = sys._getframe(1)  # noqa: SLF001 - who asks for the lock
            if not blocking or timeout != -1:
                site = probe._places.of_frame(frame)
                taken = real_acquire(lock, blocking, timeout)
            else:
                thread = probe._baton.current or MAIN
                site = probe._ask(state, actor, frame, thread)
                try:
                    taken = real_acquire(lock)
                finally:
                    waits.pop(actor, None)
                    waits.pop(thread, None)
            if taken:
                probe._taken(state, actor, site, since_ns, machine.now_ns())
                state.job = job_of(frame) if isinstance(actor, BatonThread) else None
            return taken

        def release(lock: SimLock) -> None:
            state: LockState | None = lock.seen
            if state is not None and state.owner is not None:
                probe._released(state)
            real_release(lock)

        SimLock.__init__ = init  # type: ignore[method-assign, assignment]
        SimLock.acquire = SimLock.acquire_lock = acquire  # type: ignore[method-assign, assignment]
        SimLock.release = SimLock.release_lock = release  # type: ignore[method-assign, assignment]
        SimRLock.__init__ = reentrant_init  # type: ignore[method-assign, assignment]

    def _watch_executors(self) -> None:
        real_init, probe = ThreadPoolExecutor.__init__, self

        def init(executor: ThreadPoolExecutor, *args: Any, **kwargs: Any) -> None:
            real_init(executor, *args, **kwargs)
            probe.graph.executors[executor] = probe._places.of_frame(sys._getframe(1))  # noqa: SLF001 - the caller

        init.__name__ = "__init__"
        ThreadPoolExecutor.__init__ = init  # type: ignore[method-assign, assignment]

    def _actor(self) -> Actor:
        """Return who runs now: a task, or the thread itself outside of tasks."""
        try:
            task = _current_task()
        except RuntimeError:  # no loop runs here
            task = None
        return task or self._baton.current or MAIN

    def forget_all(self) -> None:
        """The process has crashed: who held or waited does so no more."""
        self.graph.for_locks.clear()
        self.graph.executors.clear()
        self._thread_locks.clear()
        self._held.clear()

    # Asking -----------------------------------------------------------------------------------------------------

    def held(self) -> list[tuple[str, Place]]:
        """Return the `asyncio` locks that some task holds now, with where it took them."""
        thread_locks = set(self._thread_locks.values())
        return [
            (state.name, state.taken_at or state.place)
            for states in self._held.values()
            for state in states
            if state.owner and state not in thread_locks
        ]

    def held_by_nobody_alive(self) -> list[tuple[str, Place]]:
        """Return the `threading` locks that are held at the end by what has ended, with where they were taken."""
        return [
            (state.name, state.taken_at if state.taken_at and state.taken_at.origin == "bot" else state.place)
            for lock, state in self._thread_locks.items()
            if lock.locked() and not (isinstance(state.owner, BatonThread) and not state.owner.finished)
        ]

    def look(self) -> None:
        """Find the deadlocks that closed without anybody asking for a lock, by an await or by a call of `result`."""
        if self._installed:
            for thread in self.graph.threads():
                self._tell(self.graph.deadlock_of(thread))

    def look_at_the_stop(self) -> None:
        """Look, and name the locks that somebody waits for though their holder has ended; another may release them."""
        self.look()
        for state, site in list(self.graph.for_locks.values()):
            if isinstance(state.owner, BatonThread) and state.owner.finished:
                title = f"lock {state.name} is held by a thread that has ended, and is waited for at {site.where}"
                place = state.taken_at if state.taken_at and state.taken_at.origin == "bot" else state.place
                self._findings.add("leaked_lock", title, place, about=state.name)

    # What happens -----------------------------------------------------------------------------------------------

    def _know(self, lock: asyncio.Lock, frame: FrameType) -> LockState:
        state = self._states[lock] = self._named(frame)
        return state

    def _know_of_threads(self, lock: SimLock, frame: FrameType) -> None:
        path = frame.f_code.co_filename
        stdlib = self._stdlib.get(path)
        if stdlib is None:
            origin = self._places.of_code(frame.f_code).origin
            stdlib = self._stdlib[path] = origin == "harness" or origin.startswith("library python ")
        if not stdlib:
            lock.seen = self._thread_locks[lock] = self._named(frame)

    def _named(self, frame: FrameType) -> LockState:
        place = self._places.of_frame(frame)
        name = _name_of(frame) or place.where or "lock"
        count = self._names[name] = self._names.get(name, 0) + 1
        return LockState(name if count == 1 else f"{name}#{count}", place)

    def _ask(self, state: LockState, actor: Actor, frame: FrameType, thread: Actor | None = None) -> Place:
        """Somebody is about to wait for a lock, with *thread* too if it holds that up."""
        site = self._places.of_frame(frame)
        for outer in self._held.get(actor, ()):
            if outer is not state and state not in outer.behind:
                outer.behind[state] = site
                if outer in state.behind:
                    self._inversion(outer, state, actor, site)
        if state.owner is not None:
            self.graph.for_locks[actor] = (state, site)
            if thread is not None:
                self.graph.for_locks[thread] = (state, site)
            self._tell(self.graph.deadlock_of(actor))
        return site

    def _taken(self, state: LockState, actor: Actor, site: Place, since_ns: int, now_ns: int) -> None:
        state.owner, state.since_ns, state.taken_at = actor, now_ns, site
        self._held.setdefault(actor, []).append(state)
        self._recorder.sample("lock.wait", now_ns - since_ns, lock=state.name)

    def _released(self, state: LockState) -> None:
        owner = state.owner
        assert owner is not None
        held = self._held.get(owner, [])
        if state in held:
            held.remove(state)
        if not held:
            self._held.pop(owner, None)
        state.owner = None
        self._recorder.sample("lock.hold", self._baton.machine.now_ns() - state.since_ns, lock=state.name)

    # Telling ----------------------------------------------------------------------------------------------------

    def _tell(self, parties: list[Party]) -> None:
        if not parties:
            return
        first = min(parties, key=lambda party: party.place.scope)
        told = [
            {
                "thread" if not isinstance(party.actor, asyncio.Task) else "task": name_of(party.actor),
                "waits_for": party.what,
                "at": party.place.where,
                "holds": [each.name for each in self._held.get(party.actor, ())],
                "stack": party.stack,
            }
            for party in parties
        ]
        kinds = Counter("task" if isinstance(party.actor, asyncio.Task) else "thread" for party in parties)
        who = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in sorted(kinds.items()))
        names = ", ".join(sorted({party.what for party in parties}))
        alike = all(party.actor in self.graph.for_locks for party in parties)
        title = f"deadlock: {who} wait for each other{chr(39) + 's locks' if alike else ''} ({names})"
        about = "|".join(sorted(party.place.scope for party in parties))
        self._findings.add("deadlock", title, first.place, about=about, detail={"parties": told})

    def _inversion(self, outer: LockState, inner: LockState, actor: Actor, site: Place) -> None:
        other = inner.behind[outer]
        title = f"locks taken in both orders: {outer.name} then {inner.name}, and {inner.name} then {outer.name}"
        detail = {"task": name_of(actor), "here": site.where, "there": other.where}
        about = "|".join(sorted((site.scope, other.scope)))
        self._findings.add("lock_inversion", title, site, about=about, gating=False, detail=detail)


_ASSIGNED = re.compile(r"(\w+)\s*(?::[^=]*)?=\s*(?:\w+\.)*\w*Lock\(")


def _name_of(frame: FrameType) -> str | None:
    """Return what the program calls the lock made at *frame*: `nonce` for `self._nonce_lock = asyncio.Lock()`.

    Where that says no more than "lock", the `name` in the instance's own attributes is it.
    """
    found = _ASSIGNED.search(linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals))
    name = found.group(1).strip("_").removesuffix("lock").strip("_") if found else ""
    if name:
        return name
    own = getattr(frame.f_locals.get("self"), "__dict__", {}).get("name")
    return own if isinstance(own, str) and own.isidentifier() else None
