"""Other simulators' loops beside ours: what one callback costs, and how fast each passes virtual time.

They are installed only by `make peers`, and most need Python 3.12; where one is missing its row says so.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from time import perf_counter, thread_time
from types import MappingProxyType
from typing import Any, Final

from tests.bench.loop import PROGRAMS, Program, sim_loop
from tests.bench.table import Effort, Table, Target

STEPS: Final = 40_000
TASKS: Final = 100
VIRTUAL_S: Final = 500
COMPRESSION: Final = Target(">=", 2000)
HALF: Final = Target("<=", 0.5)
KINDS: Final = ("ring", "wide", "timers")

Main = Callable[[], Coroutine[Any, Any, None]]


def _on_stock(main: Main) -> None:
    asyncio.run(main())


class _Jumping(asyncio.BaseEventLoop):
    """Stock asyncio's own turn on a clock that jumps: the least that any loop built on it can cost."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._now_s = 0.0

    def time(self) -> float:
        return self._now_s

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout:
            self._now_s += timeout
        return ()

    def _process_events(self, event_list: object) -> None:
        pass


def _on_jumping(main: Main) -> None:
    with asyncio.Runner(loop_factory=_Jumping) as runner:
        runner.run(main())


def _on_ours(main: Main) -> None:
    with asyncio.Runner(loop_factory=lambda: sim_loop(tracing=True)) as runner:
        runner.run(main())


def _on_looptime(main: Main) -> None:
    with asyncio.Runner(loop_factory=import_module("looptime").new_event_loop) as runner:
        runner.run(main())


def _on_simloop(main: Main) -> None:
    loop = import_module("simloop").SimLoop(1)
    loop.run_until_complete(main())
    loop.close()


def _on_simloom(main: Main) -> None:
    import_module("simloom").run(main, seed=1)


def _on_seedloop(main: Main) -> None:
    async def scenario(_world: object) -> None:
        await main()

    import_module("seedloop").check(scenario, seeds=1)


OURS: Final = "SimLoop, trace hash on"
STOCK: Final = "stock asyncio"
JUMPING: Final = "stock asyncio, its clock jumping"
LOOPS: Final[Mapping[str, Callable[[Main], None]]] = MappingProxyType(
    {
        OURS: _on_ours,
        STOCK: _on_stock,
        JUMPING: _on_jumping,
        "looptime": _on_looptime,
        "simloop": _on_simloop,
        "simloom": _on_simloom,
        "seedloop": _on_seedloop,
    }
)


def step_us(fly: Callable[[Main], None], kind: str, steps: int) -> float:
    """Return the processor time of one callback of a program, in microseconds."""
    took_us: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        program = Program(loop, steps, lambda: over.done() or over.set_result(None))
        began_s = thread_time()
        PROGRAMS[kind](program)
        await over
        took_us.append((thread_time() - began_s) / steps * 1e6)

    fly(main)
    return took_us[0]


def compression(fly: Callable[[Main], None], virtual_s: int) -> float:
    """Return the virtual seconds that pass in a wall second while a hundred tasks sleep for one to two seconds each."""
    passed: list[float] = []

    async def sleeper(pause_s: float, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(round((until_s - loop.time()) / pause_s)):
            await asyncio.sleep(pause_s)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s, wall_s = loop.time(), perf_counter()
        await asyncio.gather(*(sleeper(1 + each / TASKS, began_s + virtual_s) for each in range(TASKS)))
        passed.append((loop.time() - began_s) / (perf_counter() - wall_s))

    fly(main)
    return passed[0]


def _named(loop: str) -> tuple[str, bool]:
    """Return a loop's name with its version, and whether it is here."""
    if loop in {OURS, STOCK, JUMPING}:
        return loop, True
    try:
        return f"{loop} {version(loop)}", True
    except PackageNotFoundError:
        return f"{loop} (not installed: `make peers`)", False


def measure(effort: Effort) -> list[Table]:
    """Cost of one callback, and virtual time a wall second, on SimLoop and on other simulators' loops."""
    steps, virtual_s = effort.count(STEPS), effort.count(VIRTUAL_S)
    here = [loop for loop in LOOPS if _named(loop)[1]]
    cost_us: dict[tuple[str, str], list[float]] = {(loop, kind): [] for loop in here for kind in KINDS}
    speed: dict[str, list[float]] = {loop: [] for loop in here if loop != STOCK}
    gc.collect()
    gc.disable()
    try:
        for _ in range(effort.rounds):
            for (loop, kind), found in cost_us.items():
                found.append(step_us(LOOPS[loop], kind, steps))
                gc.collect()
            for loop, found in speed.items():
                found.append(compression(LOOPS[loop], virtual_s))
                gc.collect()
    finally:
        gc.enable()
    costs = {key: median(found) for key, found in cost_us.items()}
    return [_cost_table(costs), _speed_table(speed)]


def _cost_table(costs: Mapping[tuple[str, str], float]) -> Table:
    rows = []
    for loop in LOOPS:
        name, is_here = _named(loop)
        cells = [f"{costs[loop, kind]:.2f}" if is_here else "" for kind in KINDS]
        target = ""
        if loop == "simloop" and is_here:
            ratios = [costs[OURS, kind] / costs[loop, kind] for kind in ("ring", "wide")]
            target = f"ours {ratios[0]:.2f} and {ratios[1]:.2f} of it; {HALF.says(max(ratios))}"
        rows.append((name, *cells, target))
    return Table("Peers: one callback, µs", ("loop", *KINDS, "target"), tuple(rows))


def _speed_table(speed: Mapping[str, list[float]]) -> Table:
    rows = []
    for loop in LOOPS:
        name, is_here = _named(loop)
        if loop == STOCK:
            rows.append((name, "1", ""))
        elif not is_here:
            rows.append((name, "", ""))
        else:
            found = median(speed[loop])
            rows.append((name, f"{found:,.0f}", COMPRESSION.says(found) if loop == OURS else ""))
    return Table(
        "Peers: virtual seconds a wall second, 100 tasks with ticks of 1 to 2 s",
        ("loop", "s / s", "target"),
        tuple(rows),
    )
