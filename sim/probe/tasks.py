"""Tasks of the bot: how many there were, how long each lived, which are left."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from sim.host.loop import SimLoop
from sim.host.tasks import SimTask
from sim.record import Recorder


class TaskProbe:
    """Follows the tasks of the bot's loops; it adds no callback to them, so their order stays what it is."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._born_ns: WeakKeyDictionary[SimTask, int] = WeakKeyDictionary()
        self.created = 0
        self.cancelled = 0
        self.failed = 0

    def on_created(self, loop: SimLoop, task: SimTask) -> None:
        """A loop made a task."""
        self.created += 1
        self._born_ns[task] = loop.machine.now_ns()

    def on_done(self, loop: SimLoop, task: SimTask) -> None:
        """A loop saw that a task's last step was taken."""
        born_ns = self._born_ns.pop(task, None)
        if born_ns is None:
            return
        self._recorder.sample("task.run", loop.env.now - born_ns)
        if task.cancelled():
            self.cancelled += 1
        elif task._exception is not None:  # noqa: SLF001 - `exception()` would count as retrieving it
            self.failed += 1

    def pending(self, loop: SimLoop) -> list[asyncio.Task[Any]]:
        """Return the unfinished tasks of *loop*, oldest first."""
        return [task for task in self._born_ns if task.get_loop() is loop and not task.done()]

    def finish(self) -> None:
        """Write the totals."""
        for name, value in (("created", self.created), ("cancelled", self.cancelled), ("failed", self.failed)):
            self._recorder.note("metric", f"task.{name}", value=value, type="counter")
