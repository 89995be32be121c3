"""Stock asyncio on a fake clock: `BaseEventLoop` with a selector that adds the timeout to it."""

from __future__ import annotations

import asyncio
import collections
import gc
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim.host.machine import CostModel
from sim.units import S

BASE_NS = 10_000 * S


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the cyclic collector from running inside, and let what it then finds go without a word.

    Generated programs leave tasks that nobody waits for. asyncio holds those weakly, so the collector may end one in
    the midst of one loop's run and not of the other's; a flight collects at instants of its own.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
        logging.disable(logging.CRITICAL)
        try:
            with warnings.catch_warnings(action="ignore"):
                gc.collect()
        finally:
            sys.unraisablehook = hook
            logging.disable(logging.NOTSET)
            gc.enable()


class CountingQueue(collections.deque[Any]):
    """A ready queue that counts what is taken from it."""

    taken = 0

    def popleft(self) -> Any:
        self.taken += 1
        return super().popleft()


class StockLoop(asyncio.BaseEventLoop):
    """The interpreter's own loop on a machine as slow as *cost* says.

    The clock read that finds a timeout is charged when the wait is over, since nobody could notice it before.
    """

    def __init__(self, cost: CostModel) -> None:
        super().__init__()
        self._selector = self
        self._clock_resolution = 1e-9
        self._ready = CountingQueue()
        self.cost = cost
        self.now_ns = 0
        self.debt_ns = 0

    def time(self) -> float:
        self.debt_ns += self.cost.clock_read_ns
        return (BASE_NS + self.now_ns + self.debt_ns) / 1e9

    def select(self, timeout: float | None) -> tuple[()]:
        assert timeout is not None, "nothing is left to happen"
        if not self._ready and not self._stopping:
            read_ns = self.cost.clock_read_ns
            when_ns = round((self._scheduled[0]._when - self.time()) * 1e9) + self.now_ns + self.debt_ns
            self.now_ns = max(self.now_ns, when_ns)
            self.debt_ns = read_ns
        return ()

    def _process_events(self, event_list: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _run_once(self) -> None:
        before = self._ready.taken
        super()._run_once()
        handles = self._ready.taken - before
        self.now_ns += self.debt_ns + self.cost.iteration_ns + handles * self.cost.handle_ns
        self.debt_ns = 0
