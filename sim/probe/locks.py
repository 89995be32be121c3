"""Locks of the bot: waits, holds, the order they are taken in, and the cycles among those who wait."""

from __future__ import annotations

import asyncio
import linecache
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from sim.host.loop import SimLoop
from sim.host.threads import SimLock
from sim.probe.findings import Findings
from sim.probe.place import Place, Places, stack_of_task
from sim.record import Recorder


@dataclass(slots=True)
class _State:
    """What is known of one lock."""

    name: str
    place: Place
    owner: asyncio.Task[Any] | None = None
    since_ns: int = 0
    taken_at: Place | None = None
    behind: dict[_State, Place] = field(default_factory=dict)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class LockProbe:
    """Watches `asyncio.Lock` through its methods, on the bot's loops alone."""

    def __init__(self, recorder: Recorder, findings: Findings, places: Places) -> None:
        self._recorder = recorder
        self._findings = findings
        self._places = places
        self._states: WeakKeyDictionary[asyncio.Lock, _State] = WeakKeyDictionary()
        self._waits: dict[asyncio.Task[Any], tuple[_State, Place]] = {}
        self._held: dict[asyncio.Task[Any], list[_State]] = {}
        self._names: dict[str, int] = {}

    def install(self) -> None:
        """Wrap `asyncio.Lock`, for good; subclasses are watched too."""
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
            state, site = probe._ask(lock, task)
            try:
                await real_acquire(lock)
            except BaseException:
                probe._waits.pop(task, None)
                raise
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

    def forget_all(self) -> None:
        """The process has crashed: who held or waited does so no more."""
        self._waits.clear()
        self._held.clear()

    def held(self) -> list[tuple[str, Place]]:
        """Return the locks that some task holds now, with where it took them."""
        return [
            (state.name, state.taken_at or state.place)
            for states in self._held.values()
            for state in states
            if state.owner
        ]

    def _know(self, lock: asyncio.Lock, frame: FrameType) -> _State:
        place = self._places.of_frame(frame)
        name = _name_of(frame) or place.where or "lock"
        count = self._names[name] = self._names.get(name, 0) + 1
        state = self._states[lock] = _State(name if count == 1 else f"{name}#{count}", place)
        return state

    def _ask(self, lock: asyncio.Lock, task: asyncio.Task[Any]) -> tuple[_State, Place]:
        frame = sys._getframe(2)  # noqa: SLF001 - who asks for the lock
        state = self._states.get(lock) or self._know(lock, frame)
        site = self._places.of_frame(frame)
        for outer in self._held.get(task, ()):
            if outer is not state and state not in outer.behind:
                outer.behind[state] = site
                if outer in state.behind:
                    self._inversion(outer, state, task, site)
        if state.owner is not None:
            self._waits[task] = (state, site)
            self._look_for_cycle(task)
        return state, site

    def _taken(self, state: _State, task: asyncio.Task[Any], site: Place, since_ns: int, now_ns: int) -> None:
        self._waits.pop(task, None)
        state.owner, state.since_ns, state.taken_at = task, now_ns, site
        self._held.setdefault(task, []).append(state)
        self._recorder.sample("lock.wait", now_ns - since_ns, lock=state.name)

    def _released(self, state: _State) -> None:
        owner = state.owner
        assert owner is not None
        held = self._held.get(owner, [])
        if state in held:
            held.remove(state)
        if not held:
            self._held.pop(owner, None)
        state.owner = None
        loop = owner.get_loop()
        assert isinstance(loop, SimLoop)
        self._recorder.sample("lock.hold", loop.machine.now_ns() - state.since_ns, lock=state.name)

    def _look_for_cycle(self, first: asyncio.Task[Any]) -> None:
        chain: list[tuple[asyncio.Task[Any], _State, Place]] = []
        task: asyncio.Task[Any] | None = first
        while task is not None and task in self._waits:
            state, site = self._waits[task]
            chain.append((task, state, site))
            task = state.owner
            if task is first:
                self._deadlock(chain)
                return
            if any(task is each for each, _, _ in chain):
                return

    def _deadlock(self, chain: list[tuple[asyncio.Task[Any], _State, Place]]) -> None:
        names = sorted(state.name for _, state, _ in chain)
        first = min(chain, key=lambda link: link[2].scope)
        parties = [
            {
                "task": task.get_name(),
                "waits_for": state.name,
                "at": site.where,
                "holds": [each.name for each in self._held.get(task, ())],
                "stack": stack_of_task(task) or [str(site.where)],
            }
            for task, state, site in chain
        ]
        title = f"deadlock: {len(chain)} tasks wait for each other's locks ({', '.join(names)})"
        about = "|".join(sorted(site.scope for _, _, site in chain))
        self._findings.add("deadlock", title, first[2], about=about, detail={"parties": parties})

    def _inversion(self, outer: _State, inner: _State, task: asyncio.Task[Any], site: Place) -> None:
        other = inner.behind[outer]
        title = f"locks taken in both orders: {outer.name} then {inner.name}, and {inner.name} then {outer.name}"
        detail = {"task": task.get_name(), "here": site.where, "there": other.where}
        about = "|".join(sorted((site.scope, other.scope)))
        self._findings.add("lock_inversion", title, site, about=about, gating=False, detail=detail)


def watch_thread_locks(recorder: Recorder, now_ns: Callable[[], int]) -> None:
    """Sample the waits of `threading` locks that had to wait, for good."""
    real_acquire = SimLock.acquire

    def acquire(self: SimLock, blocking: bool = True, timeout: float = -1) -> bool:
        if self._holder is None or not blocking:
            return real_acquire(self, blocking, timeout)
        since_ns = now_ns()
        taken = real_acquire(self, blocking, timeout)
        if taken:
            recorder.sample("lock.wait", now_ns() - since_ns, lock="threading")
        return taken

    SimLock.acquire = acquire  # type: ignore[method-assign]


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
