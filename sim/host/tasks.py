"""Tasks and futures that sets iterate over in the same order everywhere."""

from __future__ import annotations

import asyncio
from types import FrameType
from typing import Any

_WORD = 2**64 - 1


def spread(number: int, set_order: int) -> int:
    """Return the hash of the object with this *number*: itself, or for an explored order a mixture of both.

    Source:
        SplitMix64 (Steele, Lea, Flood, 2014), its finaliser: sets look at the low bits, and all bits reach them.
    """
    if not set_order:
        return number
    x = (number + set_order * 0x9E3779B97F4A7C15) & _WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return (x ^ x >> 31) >> 3


class SimTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose hash follows from its number on its loop, where stock asyncio's is an address.

    `asyncio.wait`, `TaskGroup` and `all_tasks` keep sets, so the order in which they cancel follows from hashes.
    """

    __slots__ = ("_hash", "_order")
    _hash: int
    _order: int

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            loop: Any = self.get_loop()
            order = self._order = loop.next_order()
            self._hash = spread(order, loop.machine.set_order)
            return self._hash


# Not one mixin for both: two C layouts cannot share a base with slots, and a call more would cost each task.
class SimFuture(asyncio.Future):  # type: ignore[type-arg]
    """A future with the hash rule of `SimTask`."""

    __slots__ = ("_hash",)
    _hash: int

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            loop: Any = self.get_loop()
            self._hash = spread(loop.next_order(), loop.machine.set_order)
            return self._hash


def coroutine_frames(coroutine: Any) -> list[FrameType]:
    """Return the frames a suspended coroutine waits in, outermost first."""
    frames = []
    while coroutine is not None:
        frame = (
            getattr(coroutine, "cr_frame", None)
            or getattr(coroutine, "gi_frame", None)
            or getattr(coroutine, "ag_frame", None)
        )
        if frame is None:
            break
        frames.append(frame)
        coroutine = (
            getattr(coroutine, "cr_await", None)
            or getattr(coroutine, "gi_yieldfrom", None)
            or getattr(coroutine, "ag_await", None)
        )
    return frames
