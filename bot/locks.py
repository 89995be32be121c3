"""Named locks with timeouts and one global order, checked at run time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from bot.errors import LockOrderError, LockTimeout
from bot.metrics import Metrics

# The global order: a task that holds a lock may only ask for one further down.
ORDER = ("nonce", "endpoint")


class LockOrder:
    """Which task holds which locks."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[asyncio.Task[object], list[str]] = WeakKeyDictionary()

    def held(self, task: asyncio.Task[object]) -> list[str]:
        """Return the names the task holds, in the order it took them."""
        return self._held.setdefault(task, [])


class NamedLock:
    """An `asyncio.Lock` with a name, a place in the global order and a limit on waiting."""

    def __init__(self, name: str, order: LockOrder, metrics: Metrics, timeout_s: float) -> None:
        assert name in ORDER, f"lock {name!r} has no place in {ORDER}"
        self.name = name
        self._order = order
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the lock for the body.

        Raises:
            LockOrderError: The task already holds this lock or one that comes after it.
            LockTimeout: It was not free in time.
        """
        task = asyncio.current_task()
        assert task is not None
        held = self._order.held(task)
        if any(ORDER.index(name) >= ORDER.index(self.name) for name in held):
            raise LockOrderError(f"{self.name!r} asked for while holding {held}; the order is {ORDER}")
        asked_s = time.monotonic()
        await self._acquire()
        taken_s = time.monotonic()
        self._metrics.lock_wait_s.labels(self.name).observe(taken_s - asked_s)
        held.append(self.name)
        try:
            yield
        finally:
            held.remove(self.name)
            self._lock.release()
            self._metrics.lock_hold_s.labels(self.name).observe(time.monotonic() - taken_s)

    async def _acquire(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._lock.acquire()
        except TimeoutError as error:
            self._metrics.lock_timeouts.labels(self.name).inc()
            raise LockTimeout(f"lock {self.name!r} was not free within {self._timeout_s} s") from error
