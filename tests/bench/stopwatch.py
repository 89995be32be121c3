"""Where a client's time goes, seen from inside its process: loaded by the pilot, in the flight or beside Anvil.

A stack of layers: entering one stops the watch of the one it was entered from, so that each counts its own time alone.
The clock is libc's, because a flight answers every clock of Python from virtual time.
"""

from __future__ import annotations

import ctypes
import gc
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import wraps
from time import CLOCK_MONOTONIC
from typing import Any


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


_libc = ctypes.CDLL(None)
_at = _Timespec()
_where = ctypes.byref(_at)


def now_ns() -> int:
    """Return the real monotonic clock."""
    _libc.clock_gettime(CLOCK_MONOTONIC, _where)
    ns: int = _at.s * 1_000_000_000 + _at.ns
    return ns


class Stopwatch:
    """Nanoseconds by layer; what happens in none of the layers is *rest*'s."""

    def __init__(self, rest: str) -> None:
        self._stack = [rest]
        self._since_ns = now_ns()
        self._spent_ns: dict[str, int] = {}

    def _charge(self) -> None:
        t_ns, layer = now_ns(), self._stack[-1]
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


def install(loop: AbstractEventLoop) -> Stopwatch:
    """Return a watch on the client's loop *loop* and, in a flight, on all that is in the process with it."""
    if type(loop).__name__ != "SimLoop":
        watch = Stopwatch("client")
        selector: Any = loop._selector  # type: ignore[attr-defined]
        selector.select = watch.timed("waiting", selector.select)
        return watch
    watch = Stopwatch("wire")
    gc.unfreeze()  # the flight froze the world, and the collector, which finds its objects here, sees no frozen ones
    found: dict[str, Any] = {"PyEvm": None, "SimLoop": [], "Baton": None}
    for each in gc.get_objects():
        name = type(each).__name__
        if name == "SimLoop":
            found[name].append(each)
        elif name in found:
            found[name] = each
    for each in found["SimLoop"]:
        each._run_once = watch.timed("client" if each is loop else "node", each._run_once)
    engine, baton = found["PyEvm"], found["Baton"]
    engine.call = watch.timed("EVM", engine.call)
    baton._resume = watch.timed("client", baton._resume)  # a thread of the client's runs
    return watch
