"""Tasks and futures that sets iterate over in the same order everywhere."""

from __future__ import annotations

import asyncio
from types import FrameType
from typing import Any


class SimTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose hash is its number on its loop, where stock asyncio's is an address.

    `asyncio.wait`, `TaskGroup` and `all_tasks` keep sets, so the order in which they cancel follows from hashes.
    """

    __slots__ = ("_order",)
    _order: int

    def __hash__(self) -> int:
        try:
            return self._order
        except AttributeError:
            order: int = self.get_loop().next_order()  # type: ignore[attr-defined]
            self._order = order
            return order


class SimFuture(asyncio.Future):  # type: ignore[type-arg]
    """A future with the hash rule of `SimTask`."""

    __slots__ = ("_order",)
    _order: int

    def __hash__(self) -> int:
        try:
            return self._order
        except AttributeError:
            order: int = self.get_loop().next_order()  # type: ignore[attr-defined]
            self._order = order
            return order


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
