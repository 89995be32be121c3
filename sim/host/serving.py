"""The loop of the world's servers: it turns whenever the environment does."""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections.abc import Callable
from contextvars import Context
from typing import Any

from sim.host.loop import SimLoop


class ServingLoop(SimLoop):
    """A loop of the world: from `start_serving` on it runs whenever the environment does, and nobody runs it.

    World code may call it from outside its turns, so whatever is scheduled wakes it.
    """

    of_world = True

    def start_serving(self) -> None:
        """Begin. Its turns are not hashed: what they do to the bot is bytes on the wire, which are."""
        self.tracing = False
        self._running = True
        self._rearm()

    def _call_soon(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> events.Handle:
        handle: events.Handle = super()._call_soon(callback, args, context)  # type: ignore[misc]
        self._wake()
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule *callback* at *when* on this loop's clock, as stock asyncio does."""
        timer = super().call_at(when, callback, *args, context=context)
        if not self._pumping:
            self._rearm()
        return timer

    def _turn_until_idle(self) -> None:
        """Keep async generators of the world apart from the bot's, whose loop may be running on this thread."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
        try:
            super()._turn_until_idle()
        finally:
            sys.set_asyncgen_hooks(*hooks)
