"""Costs of functions are charged in virtual time, and what follows waits for them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from sim.host.charge import Charges
from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.net import Network
from sim.host.serving import ServingLoop
from sim.rng import Stream, Streams
from sim.units import MS, US

SOURCE = b'''
import asyncio, functools

def plain(a, *, b=1):
    """Add."""
    return a + b

async def waits():
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return 3

def two():
    yield 1
    yield 2

@functools.cache
def cached(x):
    return x

class Thing:
    """A thing."""
    def method(self): return 1
    @classmethod
    def of_class(cls): return 2
    @staticmethod
    def alone(): "Only a docstring."

def outer():
    def inner():
        return 1
    return inner()

held = plain
'''
COST_NS = 5 * MS


@dataclass
class Always:
    """A cost that is always the same."""

    cost_ns: int = COST_NS

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        return self.cost_ns


@dataclass
class Keyed:
    """A cost that shows its key."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        return stream.below(10**6, *key)


class Bench:
    """A bot's machine with a module whose functions are listed."""

    def __init__(self, *names: str, cost: Any = None, seed: int = 1) -> None:
        self.env = NsEnvironment()
        self.streams = Streams(seed)
        self.machine = Machine(self.env, "bot", epoch_ns=0)
        self.charges = Charges({f"m:{name}": cost or Always() for name in names}, self.machine, self.streams)
        self.names: dict[str, Any] = {"__name__": "m"}
        exec(self.charges.compile(SOURCE, "/bot/m.py", "m"), self.names)

    def __getattr__(self, name: str) -> Any:
        return self.names[name]

    def calls(self) -> dict[str, int]:
        return {name.partition(":")[2]: meter.calls for name, meter in self.charges.meters.items()}


def test_each_kind_of_function_is_charged_once_a_call() -> None:
    """Plain, coroutine, generator, method, class method, static method and nested function: one call, one charge."""
    names = ["plain", "waits", "two", "Thing.method", "Thing.of_class", "Thing.alone", "outer.inner"]
    bench = Bench(*names)

    bench.plain(1)
    asyncio.run(bench.waits())
    list(bench.two())
    bench.Thing().method()
    bench.Thing.of_class()
    bench.Thing.alone()
    bench.outer()

    assert bench.calls() == dict.fromkeys(names, 1)
    assert bench.machine.debt_ns == len(names) * COST_NS


def test_a_function_stays_itself() -> None:
    """Signature, docstring, kind, first line and identity in other hands are as without a charge."""
    charged, free = Bench("plain", "waits", "Thing.alone"), Bench()

    assert inspect.signature(charged.plain) == inspect.signature(free.plain)
    assert charged.plain.__doc__ == "Add."
    assert charged.Thing.alone.__doc__ == "Only a docstring."
    assert charged.held is charged.plain
    assert inspect.iscoroutinefunction(charged.waits)
    assert _lines(charged.plain.__code__) == _lines(free.plain.__code__)
    assert charged.names.keys() == free.names.keys()


def _lines(code: CodeType) -> set[int | None]:
    return {line for _, _, line in code.co_lines()}


def test_a_call_that_a_cache_answers_is_free() -> None:
    """The charge is inside the decorated function, so only calls that compute are charged."""
    bench = Bench("cached")

    for _ in range(3):
        bench.cached(7)

    assert bench.calls() == {"cached": 1}


def test_a_draw_depends_on_function_and_ordinal_alone() -> None:
    """Calls of another function between move no cost; another seed does."""
    alone, mixed, other = (Bench("plain", "outer", cost=Keyed(), seed=seed) for seed in (1, 1, 2))

    for bench in (alone, mixed, other):
        bench.plain(1)
        if bench is mixed:
            bench.outer()
        bench.plain(1)

    first, second, third = (bench.charges.meters["m:plain"].charged_ns for bench in (alone, mixed, other))
    assert first == second != third


def test_a_flight_without_a_table_makes_no_stream() -> None:
    """The stream is part of the digest's counts, so it exists only where something is listed."""
    assert Bench().streams.counts() == {}
    assert Bench("plain").streams.counts() == {"bot.cpu": 0}


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Bench]:
    """A module `charged_module` on the path, whose `plain` is listed."""
    (tmp_path / "charged_module.py").write_bytes(SOURCE)
    bench = Bench()
    bench.charges = Charges({"charged_module:plain": Always()}, bench.machine, bench.streams)
    finder = bench.charges.finder()
    sys.meta_path.insert(0, finder)
    sys.path.insert(0, str(tmp_path))
    yield bench
    sys.path.remove(str(tmp_path))
    sys.meta_path.remove(finder)
    sys.modules.pop("charged_module", None)


def test_an_imported_module_is_charged_and_leaves_no_trace_on_disk(imported: Bench, tmp_path: Path) -> None:
    """`import` compiles the module with its charges; no bytecode with charges, or without, is written."""
    import charged_module  # type: ignore[import-not-found]

    charged_module.plain(1)

    assert imported.machine.debt_ns == COST_NS
    assert charged_module.__file__ == str(tmp_path / "charged_module.py")
    assert not (tmp_path / "__pycache__").exists()


class Wired(Bench):
    """A bench whose bot is connected to a server that notes when what arrives."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.network = Network(self.env, self.streams, None)
        self.network.add_site("server")
        self.loop = SimLoop(self.machine, self.network)
        self.server = ServingLoop(Machine(self.env, "server", epoch_ns=0), self.network)
        self.server.start_serving()
        self.arrived: list[tuple[int, bytes]] = []
        self.serving = self.server.create_task(self.server.create_server(lambda: Listener(self), "server", 7))

    def fly(self, main: Any) -> Any:
        try:
            return self.loop.run_until_complete(main)
        finally:
            self.loop.close()
            self.server.close()


class Listener(asyncio.Protocol):
    def __init__(self, bench: Wired) -> None:
        self.bench = bench

    def data_received(self, data: bytes) -> None:
        self.bench.arrived.append((self.bench.env.now, data))


def test_sends_after_the_charge_leave_later_and_those_before_it_do_not() -> None:
    """In one callback: what is written before a call goes out at once, what is written after it when it has ended."""
    bench = Wired("plain")

    async def main() -> None:
        transport, _ = await bench.loop.create_connection(asyncio.Protocol, "server", 7)
        transport.write(b"before")
        bench.plain(1)
        transport.write(b"after")
        await asyncio.sleep(1)
        transport.abort()

    bench.fly(main())

    (first_ns, before), (second_ns, after) = bench.arrived
    assert (before, after) == (b"before", b"after")
    assert second_ns - first_ns == COST_NS


def test_other_callbacks_and_timers_wait() -> None:
    """A callback of the same turn, one that was due meanwhile, and a timer set afterwards all see the time pass."""
    bench = Wired("plain")
    seen: dict[str, float] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        def note(name: str) -> None:
            seen[name] = round(loop.time() - began_s, 9)

        loop.call_later(0.001, note, "was due after 1 ms")
        loop.call_soon(bench.plain, 1)
        loop.call_soon(note, "next in the turn")
        loop.call_soon(lambda: loop.call_later(0.001, note, "set afterwards"))
        await asyncio.sleep(1)

    bench.fly(main())

    assert seen == {"next in the turn": 0.005, "was due after 1 ms": 0.005, "set afterwards": 0.006}


def test_a_wait_that_ends_early_does_not_end_the_work_before_it() -> None:
    """A thread that worked 5 ms and then waits for something that is there after 1 ms goes on after 5 ms."""
    from sim.host.threads import SWITCH_COST_NS, Baton, Waiter

    bench = Bench("plain")
    baton = Baton(bench.machine)
    waiters: list[Waiter] = []
    bench.env.at(1 * MS, lambda: baton.wake(waiters[0]))

    bench.plain(1)
    baton.block("something", None, waiters.append)

    assert bench.env.now == COST_NS + SWITCH_COST_NS
    assert bench.machine.debt_ns == 0


def test_partial_functions_and_their_like_are_charged_through() -> None:
    """A `functools.partial` of a listed function is charged: it calls the function itself."""
    bench = Bench("plain", cost=Always(7 * US))

    functools.partial(bench.plain, 1)()

    assert bench.machine.debt_ns == 7 * US
