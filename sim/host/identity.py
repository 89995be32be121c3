"""Order where the interpreter's own is that of addresses: sets of coroutines, of threads, of asynchronous generators.

An object without a hash of its own is hashed by its address, and addresses depend on the length of a path or the size
of the environment even where the kernel does not randomise them. Tasks and futures hash by sequence
(`sim/host/tasks.py`); what else asyncio and `concurrent.futures` iterate in address order is put in order here.
Insertion order is one of the orders that the stock interpreter may show.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Any
from weakref import ref

from sim.host.takeover import note, take_over

_numbers = count(1)


def install() -> None:
    """Take over, in this process and for good."""
    asyncio.tasks.set = unique  # type: ignore[attr-defined]  # shadows the builtin for `as_completed` and `wait`
    note(asyncio.tasks, "set", unique, "keeps the order of coroutines in `as_completed` and `wait`", __name__)
    take_over([(threading.Thread, "__hash__", _number_of, "is a number by order of creation")])


def unique(items: Iterable[Any] = ()) -> Collection[Any]:
    """Return `set(items)`; where coroutines are among them, something that iterates in the order they came in."""
    found = dict.fromkeys(items)
    return found if any(asyncio.iscoroutine(item) for item in found) else set(found)


def _number_of(thread: threading.Thread) -> int:
    """Return the place of *thread* in the order of creation: an executor joins its threads in the order of a set."""
    number = thread.__dict__.get("_number")
    if number is None:
        number = thread.__dict__["_number"] = next(_numbers)
    return int(number)


class OrderedGenerators:
    """What a loop keeps its asynchronous generators in: a weak set that iterates in the order of their first step."""

    def __init__(self) -> None:
        self._refs: dict[int, ref[Any]] = {}

    def add(self, generator: Any) -> None:
        """Keep a weak reference."""
        key = id(generator)
        self._refs[key] = ref(generator, lambda dead: self._forget(key, dead))

    def discard(self, generator: Any) -> None:
        """Forget it."""
        self._refs.pop(id(generator), None)

    def clear(self) -> None:
        """Forget all."""
        self._refs.clear()

    def _forget(self, key: int, dead: ref[Any]) -> None:
        if self._refs.get(key) is dead:
            del self._refs[key]

    def __len__(self) -> int:
        return sum(generator is not None for generator in self._alive())

    def __iter__(self) -> Iterator[Any]:
        return iter([generator for generator in self._alive() if generator is not None])

    def _alive(self) -> list[Any]:
        return [each() for each in self._refs.values()]
