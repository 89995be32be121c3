"""What one callback costs on `SimLoop` and on stock asyncio, and what the trace hash adds."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from time import thread_time
from types import MappingProxyType
from typing import Final

from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import CostModel, Machine
from sim.units import S
from tests.bench.table import Effort, Table, Target, versus

STEPS: Final = 200_000
WIDTH: Final = 200
TIMERS: Final = 50
SLOT_NS: Final = 12 * S

OFF: Final = Target("<=", 1.1)
ON: Final[Mapping[str, Target]] = MappingProxyType({"ring": Target("<=", 1.3), "wide": Target("<=", 2.0)})


class Program:
    """Callbacks that keep a loop busy until *steps* of them have run.

    Args:
        over: called when they have.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, steps: int, over: Callable[[], object]) -> None:
        self.loop = loop
        self.left = steps
        self.over = over

    def ring(self) -> None:
        """One callback a turn. Two take turns, because equal turns without an effect are a spin, which is skipped."""
        loop = self.loop

        def ping() -> None:
            self.left -= 1
            if self.left > 0:
                loop.call_soon(pong)
            else:
                self.over()

        def pong() -> None:
            self.left -= 1
            if self.left > 0:
                loop.call_soon(ping)
            else:
                self.over()

        loop.call_soon(ping)

    def wide(self) -> None:
        """Two hundred callbacks a turn."""
        loop = self.loop

        def again() -> None:
            self.left -= 1
            if self.left > 0:
                loop.call_soon(again)
            else:
                self.over()

        for _ in range(WIDTH):
            loop.call_soon(again)

    def timers(self) -> None:
        """Fifty timers in the heap that are due when they are set, so that neither loop waits."""
        loop = self.loop

        def again() -> None:
            self.left -= 1
            if self.left > 0:
                loop.call_at(loop.time(), again)
            else:
                self.over()

        for _ in range(TIMERS):
            loop.call_at(loop.time(), again)

    def tasks(self) -> None:
        """Two hundred tasks that yield, as most of a bot's callbacks are steps of tasks."""
        loop = self.loop

        async def again() -> None:
            while self.left > 0:
                self.left -= 1
                await asyncio.sleep(0)
            self.over()

        self.running = [loop.create_task(again()) for _ in range(WIDTH)]


PROGRAMS: Final[Mapping[str, Callable[[Program], None]]] = MappingProxyType(
    {"ring": Program.ring, "wide": Program.wide, "timers": Program.timers, "tasks": Program.tasks}
)


def sim_loop(tracing: bool) -> SimLoop:
    """Return a loop as a flight has it: costs are charged, the pulse is watched, and a slot comes up now and then."""
    env = NsEnvironment()
    env.pulse = memoryview(bytearray(16)).cast("Q")

    def slot() -> None:
        env.after(SLOT_NS, slot)

    slot()
    loop = SimLoop(Machine(env, "bot", epoch_ns=0, cost=CostModel()))
    loop.tracing = tracing
    return loop


def step_us(loop: asyncio.AbstractEventLoop, start: Callable[[Program], None], steps: int) -> float:
    """Return the processor time of one callback, in microseconds: neither loop ever waits."""
    program = Program(loop, steps, loop.stop)
    start(program)
    began_s = thread_time()
    loop.run_forever()
    took_s = thread_time() - began_s
    pending = asyncio.all_tasks(loop)
    if pending:
        loop.run_until_complete(asyncio.gather(*pending))
    loop.close()
    return took_s / steps * 1e6


def measure(effort: Effort) -> list[Table]:
    """Cost of one callback on SimLoop, against stock asyncio's selector loop."""
    steps = effort.count(STEPS)
    rows: list[tuple[str, ...]] = []
    gc.collect()
    gc.disable()
    try:
        for name, start in PROGRAMS.items():
            stock, off, on = [], [], []
            for _ in range(effort.rounds):
                stock.append(step_us(asyncio.SelectorEventLoop(), start, steps))
                off.append(step_us(sim_loop(tracing=False), start, steps))
                on.append(step_us(sim_loop(tracing=True), start, steps))
            is_aim = name in ON
            rows.append(versus(f"{name}, trace hash off", off, stock, 2, OFF if is_aim else None))
            rows.append(versus(f"{name}, trace hash on", on, stock, 2, ON.get(name)))
    finally:
        gc.enable()
    return [Table("Loop: one callback, µs", ("callbacks", "SimLoop", "stock asyncio", "ratio", "target"), tuple(rows))]
