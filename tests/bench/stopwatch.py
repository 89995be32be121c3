"""Where a client's time goes, seen from inside its process: in the flight or beside Anvil.

A stack of layers: entering one stops the watch of the one it was entered from, so that each counts its own time alone.
A flight answers every clock from virtual time, so this module is loaded before it begins (`watched.py`).
"""

from __future__ import annotations

import gc
from asyncio import BaseEventLoop
from collections.abc import Callable
from functools import wraps
from time import perf_counter_ns
from typing import Any


class Stopwatch:
    """Nanoseconds by layer; what happens in none of the layers is *rest*'s."""

    _now_ns = staticmethod(perf_counter_ns)  # held here, because the flight replaces the module's name

    def __init__(self, rest: str) -> None:
        self._stack = [rest]
        self._since_ns = self._now_ns()
        self._spent_ns: dict[str, int] = {}

    def _charge(self) -> None:
        t_ns, layer = self._now_ns(), self._stack[-1]
        self._spent_ns[layer] = self._spent_ns.get(layer, 0) + t_ns - self._since_ns
        self._since_ns = t_ns

    def timed(self, layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return *function*, charging its time to *layer*."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            self._charge()
            self._stack.append(layer)
            try:
                return function(*args, **kwargs)
            finally:
                self._charge()
                self._stack.pop()

        return inside

    def reset(self) -> None:
        """Start anew."""
        self._charge()
        self._spent_ns.clear()

    def spent_s(self) -> dict[str, float]:
        """Return the seconds of each layer since `reset`."""
        self._charge()
        return {layer: ns / 1e9 for layer, ns in self._spent_ns.items()}


def install(loop: Any) -> Stopwatch:
    """Return a watch on the client's loop *loop* and, in a flight, on all that is in the process with it."""
    if type(loop).__name__ != "SimLoop":
        watch = Stopwatch("client")
        selector = loop._selector
        selector.select = watch.timed("waiting", selector.select)
        return watch
    watch = Stopwatch("wire")
    gc.unfreeze()  # the flight froze the world, and the collector, which finds its objects here, sees no frozen ones
    for each in gc.get_objects():
        if isinstance(each, BaseEventLoop):
            layer = "client" if each is loop else "node"
            each._run_once = watch.timed(layer, each._run_once)  # type: ignore[attr-defined]
        elif type(each).__name__ == "PyEvm":
            each.call = watch.timed("EVM", each.call)
        elif type(each).__name__ == "Baton":
            each._resume = watch.timed("client", each._resume)  # a thread of the client's runs
    return watch
