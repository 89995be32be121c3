"""Random asyncio programs, and the order in which a loop runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

SLOTS = 12
"""Timers fall on this many instants, so that ties are common."""

SLOT_S = 0.001
STORM = 130
"""Timers of one storm: more than the hundred from which on asyncio compacts its heap."""

KINDS = ("soon", "at", "later", "cancel", "task") * 2 + ("kill", "future", "resolve", "callback", "threadsafe", "storm")
LAST_KINDS = ("cancel", "resolve", "kill", "future")

Action = tuple[Any, ...]


class Writer:
    """Writes one program: a list of actions, nested where one schedules others."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._labels = 0
        self._yields = 0

    def program(self) -> list[Action]:
        """Return what the program does at its start."""
        return self._body(0, 4, 14)

    def _label(self) -> int:
        self._labels += 1
        return self._labels

    def _body(self, depth: int, least: int = 0, most: int = 3) -> list[Action]:
        return [self._action(depth) for _ in range(self._random.randint(least, most))]

    def _action(self, depth: int) -> Action:
        random = self._random
        deeper = self._body(depth + 1) if depth < 4 else []
        kind = random.choice(KINDS if depth < 4 else LAST_KINDS)
        match kind:
            case "soon" | "threadsafe":
                return (kind, self._label(), deeper)
            case "at":
                return (kind, self._label(), random.randrange(SLOTS), deeper)
            case "later":
                return (kind, self._label(), random.choice([0, 0, 10, 20, 1000, 2000, 2500]), deeper)
            case "callback":
                return (kind, self._label(), random.randrange(9), deeper)
            case "task":
                self._yields = 6
                return (kind, self._label(), self._steps(depth))
            case "storm":
                kept = [random.randrange(SLOTS) for _ in range(STORM)] if random.random() < 0.1 else []
                return (kind, [(self._label(), slot) for slot in kept], random.randint(50, 100))
        return (kind, random.randrange(9))

    def _steps(self, depth: int, most: int = 4) -> list[Action]:
        return [self._step(depth) for _ in range(self._random.randint(0, most))]

    def _step(self, depth: int) -> Action:
        random = self._random
        kind = random.choice(
            ["yield", "sleep", "await", "do", "put", "get", "set", "wait", "gather", "timeout", "lock"]
        )
        if depth >= 4 and kind in {"gather", "timeout", "lock"}:
            kind = "sleep"
        if kind == "yield":  # many equal turns in a row are a spin, which takes longer turns
            self._yields -= 1
            kind = "yield" if self._yields >= 0 else "set"
        label = self._label()
        match kind:
            case "sleep":
                return (kind, label, random.choice([0.0005, 0.001, 0.002, 0.0025]))
            case "await":
                return (kind, label, random.randrange(9))
            case "do":
                return (kind, label, self._body(depth + 1))
            case "gather":
                return (kind, label, [self._steps(depth + 1, 2) for _ in range(random.randint(1, 3))])
            case "timeout":
                return (kind, label, random.choice([0.0, 0.001, 0.003]), self._steps(depth + 1))
            case "lock":
                return (kind, label, self._steps(depth + 1, 2))
        return (kind, label)


class Reading:
    """One program on one loop; `log` is the order of what ran, with the loop's time."""

    def __init__(self, loop: asyncio.BaseEventLoop, program: list[Action]) -> None:
        self.loop = loop
        self.program = program
        self.log: list[tuple[int, str, float]] = []
        self.handles: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.futures: list[asyncio.Future[None]] = []
        self.start = 0.0

    def run(self) -> list[tuple[int, str, float]]:
        """Run it, then cancel what is left; return the log."""
        loop = self.loop
        self.start = loop.time()
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.event = asyncio.Event()
        self.lock = asyncio.Lock()
        loop.call_soon(self._do_all, self.program)
        loop.call_at(self.start + SLOTS * SLOT_S, loop.stop)
        loop.run_forever()
        loop.run_until_complete(self._end())
        loop.close()
        return self.log

    async def _end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _note(self, label: int, what: str) -> None:
        self.log.append((label, what, self.loop.time()))

    def _callback(self, label: int, body: list[Action]) -> Callable[..., None]:
        def run(*_: object) -> None:
            self._note(label, "ran")
            self._do_all(body)

        return run

    def _do_all(self, body: list[Action]) -> None:
        for action in body:
            self._do(action)

    def _do(self, action: Action) -> None:
        loop = self.loop
        match action:
            case ("soon", label, body):
                self.handles.append(loop.call_soon(self._callback(label, body)))
            case ("threadsafe", label, body):
                self.handles.append(loop.call_soon_threadsafe(self._callback(label, body)))
            case ("at", label, slot, body):
                self.handles.append(loop.call_at(self.start + slot * SLOT_S, self._callback(label, body)))
            case ("later", label, delay_us, body):
                self.handles.append(loop.call_later(delay_us / 1e6, self._callback(label, body)))
            case ("storm", timers, cancelled_percent):
                made = [loop.call_at(self.start + slot * SLOT_S, self._callback(label, [])) for label, slot in timers]
                for handle in made[: len(made) * cancelled_percent // 100]:
                    handle.cancel()
            case ("future", _):
                self.futures.append(loop.create_future())
            case ("task", label, steps):
                self.tasks.append(loop.create_task(self._task(label, steps)))
            case (_, *_):
                self._touch(action)

    def _touch(self, action: Action) -> None:
        match action:
            case ("cancel", pick) if self.handles:
                self.handles[pick % len(self.handles)].cancel()
            case ("kill", pick) if self.tasks:
                self.tasks[pick % len(self.tasks)].cancel()
            case ("resolve", pick) if self.futures:
                future = self.futures[pick % len(self.futures)]
                if not future.done():
                    future.set_result(None)
            case ("callback", label, pick, body) if self.futures:
                self.futures[pick % len(self.futures)].add_done_callback(self._callback(label, body))

    async def _task(self, label: int, steps: list[Action]) -> None:
        try:
            for step in steps:
                self._note(step[1], step[0])
                await self._step(step)
        except asyncio.CancelledError:
            self._note(label, "cancelled")
            raise
        except TimeoutError:
            self._note(label, "timed out")
        finally:
            self._note(label, "ended")

    async def _step(self, step: Action) -> None:
        match step:
            case ("yield", _):
                await asyncio.sleep(0)
            case ("sleep", _, delay_s):
                await asyncio.sleep(delay_s)
            case ("await", _, pick) if self.futures:
                await asyncio.shield(self.futures[pick % len(self.futures)])
            case ("do", _, body):
                self._do_all(body)
            case ("put", label):
                self.queue.put_nowait(label)
            case ("get", _):
                await self.queue.get()
            case ("set", _):
                self.event.set()
                self.event.clear()
            case ("wait", _):
                await self.event.wait()
            case (_, *_):
                await self._nested_step(step)

    async def _nested_step(self, step: Action) -> None:
        match step:
            case ("gather", label, parts):
                await asyncio.gather(*[self._task(label, steps) for steps in parts])
            case ("timeout", label, delay_s, steps):
                async with asyncio.timeout(delay_s):
                    await self._task(label, steps)
            case ("lock", label, steps):
                async with self.lock:
                    self._note(label, "locked")
                    for inner in steps:
                        await self._step(inner)
