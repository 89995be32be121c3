"""Order where the interpreter's own is that of addresses: sets of coroutines, of threads, of asynchronous generators.

An object without a hash of its own is hashed by its address, and addresses depend on the length of a path or the size
of the environment even where the kernel does not randomise them. Tasks and futures hash by sequence
(`sim/host/tasks.py`); what else asyncio and `concurrent.futures` iterate in address order is put in order here.
Insertion order is one of the orders that the stock interpreter may show; `bot.set_order` chooses among the others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Any
from weakref import ref

from sim.host.takeover import note, take_over
from sim.host.tasks import spread

_numbers = count(1)


def install(set_order: int = 0) -> None:
    """Take over, in this process and for good.

    Args:
        set_order: which order; 0 is that of insertion.
    """

    def number_of(thread: threading.Thread) -> int:
        return spread(_number_of(thread), set_order)

    def unique(items: Iterable[Any] = ()) -> Collection[Any]:
        return in_order(items, set_order)

    asyncio.tasks.set = unique  # type: ignore[attr-defined]  # shadows the builtin for `as_completed` and `wait`
    note(asyncio.tasks, "set", unique, "keeps the order of coroutines in `as_completed` and `wait`", __name__)
    take_over([(threading.Thread, "__hash__", number_of, "is a number by order of creation")])


def in_order(items: Iterable[Any] = (), set_order: int = 0) -> Collection[Any]:
    """Return `set(items)`; where coroutines are among them, something that iterates in the order they came in.

    Args:
        set_order: which order instead, if not 0.
    """
    found = dict.fromkeys(items)
    if not any(asyncio.iscoroutine(item) for item in found):
        return set(found)
    return dict.fromkeys(_permuted(list(found), set_order))


def _permuted(items: list[Any], set_order: int) -> list[Any]:
    """Return *items* in the explored order, or as they are."""
    return [items[n] for n in sorted(range(len(items)), key=lambda n: spread(n + 1, set_order))]


def _number_of(thread: threading.Thread) -> int:
    """Return the place of *thread* in the order of creation: an executor joins its threads in the order of a set."""
    number = thread.__dict__.get("_number")
    if number is None:
        number = thread.__dict__["_number"] = next(_numbers)
    return int(number)


class OrderedGenerators:
    """What a loop keeps its asynchronous generators in: a weak set that iterates in the order of their first step.

    Args:
        set_order: which order instead, if not 0.
    """

    def __init__(self, set_order: int = 0) -> None:
        self._refs: dict[int, ref[Any]] = {}
        self._set_order = set_order

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
        return iter(_permuted([generator for generator in self._alive() if generator is not None], self._set_order))

    def _alive(self) -> list[Any]:
        return [each() for each in self._refs.values()]
