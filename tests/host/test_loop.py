"""The loop on virtual time: running, stopping, tasks, time-outs, debug mode, and polls."""

# ruff: noqa: ARG001, ASYNC110 - polls are what is tested, and their bodies share a signature

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import FREE, CostModel, Machine
from sim.host.serving import ServingLoop
from sim.units import MS, S


def make(cost: CostModel = FREE, env: NsEnvironment | None = None) -> SimLoop:
    return SimLoop(Machine(env or NsEnvironment(), "bot", epoch_ns=0, cost=cost))


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    made = make()
    yield made
    made.close()


def test_an_hour_passes_at_once(loop: SimLoop) -> None:
    """Sleeping moves the environment's clock by exactly as much."""
    loop.run_until_complete(asyncio.sleep(3600))

    assert loop.env.now == 3600 * S


def test_stop_before_running_runs_one_turn(loop: SimLoop) -> None:
    """After stop(), run_forever runs what is ready and returns; later callbacks wait for the next run."""
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        loop.call_soon(ran.append, "second")

    loop.call_soon(first)
    loop.stop()
    loop.run_forever()
    after_one = list(ran)
    loop.call_soon(loop.stop)
    loop.run_forever()

    assert after_one == ["first"]
    assert ran == ["first", "second"]
    assert not loop.is_running()


def test_run_until_complete_tells_what_stock_tells(loop: SimLoop) -> None:
    """A loop stopped too early, run twice at once, or closed says so in asyncio's words."""

    async def stop() -> None:
        loop.stop()
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
        loop.run_until_complete(stop())

    async def nested() -> None:
        coroutine = asyncio.sleep(0)
        try:
            loop.run_until_complete(coroutine)
        finally:
            coroutine.close()

    with pytest.raises(RuntimeError, match="already running"):
        loop.run_until_complete(nested())
    loop.run_until_complete(asyncio.sleep(2))
    closed = make()
    closed.close()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        closed.run_until_complete(coroutine)
    coroutine.close()


def test_a_runner_drives_it() -> None:
    """asyncio.Runner runs, cancels what is left, shuts generators and the executor down, and closes the loop."""
    order: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            order.append("generator closed")

    generators: list[Any] = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            order.append("task cancelled")

    tasks: list[Any] = []

    async def main() -> str:
        generators.append(endless())
        await anext(generators[0])
        tasks.append(asyncio.ensure_future(forgotten()))
        await asyncio.sleep(1)
        return "done"

    before = signal.getsignal(signal.SIGINT)
    made = make()
    with asyncio.Runner(loop_factory=lambda: made) as runner:
        result = runner.run(main())

    assert result == "done"
    assert order == ["task cancelled", "generator closed"]
    assert made.is_closed()
    assert signal.getsignal(signal.SIGINT) is before


def test_generators_of_the_world_are_not_the_bots(loop: SimLoop) -> None:
    """An async generator that a serving loop began stays open when the bot's loop shuts its own down."""
    world = ServingLoop(Machine(loop.env, "world", epoch_ns=0))
    world.start_serving()
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for n in range(100):
                yield n
        finally:
            seen.append("closed")

    generator = numbers()

    async def serve() -> None:
        async for n in generator:
            seen.append(str(n))
            await asyncio.sleep(1)

    async def fly() -> None:
        await asyncio.sleep(1.5)
        await loop.shutdown_asyncgens()
        await asyncio.sleep(1)

    task = world.create_task(serve())
    loop.run_until_complete(fly())

    assert seen == ["0", "1", "2"]
    task.cancel()
    loop.run_until_complete(asyncio.sleep(1))
    world.run_until_complete(generator.aclose())
    world.close()


def test_timeouts_groups_and_wait_for(loop: SimLoop) -> None:
    """asyncio.timeout, wait_for and TaskGroup behave, at virtual instants."""

    async def main() -> list[float]:
        at = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.sleep(3)
        at.append(loop.time())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(9), 1)
        at.append(loop.time())
        with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is the statement
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(5))
                group.create_task(_fail_after(0.5))
        at.append(loop.time())
        return [round(each - 10_000, 6) for each in at]

    assert loop.run_until_complete(main()) == [2.0, 3.0, 3.5]


async def _fail_after(delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    raise ValueError(delay_s)


def test_sets_of_tasks_iterate_in_the_order_of_creation(loop: SimLoop) -> None:
    """Sets of tasks and futures have one order, whatever their addresses and other loops of the process."""

    async def main() -> list[str]:
        keep = [object() for _ in range(50)]
        tasks = {asyncio.create_task(asyncio.sleep(1), name=str(n)) for n in range(20)}
        del keep
        done, _ = await asyncio.wait(tasks)
        return [task.get_name() for task in done]

    other = make()
    other.run_until_complete(asyncio.sleep(0))
    other.close()
    first = loop.run_until_complete(main())
    again = make()
    second = again.run_until_complete(main())
    again.close()

    assert first == second


if sys.version_info >= (3, 12):  # eager tasks are new there: earlier there is nothing to test

    def test_eager_tasks_are_ours_too(loop: SimLoop) -> None:
        """The eager task factory runs tasks at once and makes tasks with our hash; it reads back as it was set."""
        loop.set_task_factory(asyncio.eager_task_factory)
        ran: list[int] = []

        async def job(n: int) -> None:
            ran.append(n)
            await asyncio.sleep(n)

        async def main() -> list[str]:
            tasks = [asyncio.create_task(job(n)) for n in range(3)]
            assert ran == [0, 1, 2]
            await asyncio.gather(*tasks)
            return [type(task).__name__ for task in tasks]

        assert loop.run_until_complete(main()) == ["SimTask"] * 3
        assert loop.get_task_factory() is asyncio.eager_task_factory
        loop.set_task_factory(None)
        assert loop.get_task_factory() is None


def test_debug_mode_reports_slow_callbacks_in_virtual_time(caplog: pytest.LogCaptureFixture) -> None:
    """In debug mode a callback that takes 0.3 s of virtual time is logged as slow, a quick one is not."""
    loop = make(CostModel())
    loop.set_debug(True)

    def work() -> None:
        loop.machine.debt_ns += 300 * MS

    async def main() -> None:
        await asyncio.sleep(0.001)
        loop.call_soon(work)
        await asyncio.sleep(1)

    with caplog.at_level(logging.WARNING, "asyncio"):
        loop.run_until_complete(main())
    loop.close()

    assert len(caplog.records) == 1
    assert "took 0.300 seconds" in caplog.text


def test_errors_nobody_handles_go_to_the_handler(loop: SimLoop) -> None:
    """A callback's exception goes to the handler and the loop goes on; KeyboardInterrupt leaves run_forever."""
    told: list[str] = []
    loop.set_exception_handler(lambda _, context: told.append(type(context["exception"]).__name__))

    def fail() -> None:
        raise ValueError

    def interrupt() -> None:
        raise KeyboardInterrupt

    loop.call_soon(fail)
    loop.call_later(1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(5))
    at_ns = loop.env.now
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(1))

    assert told == ["ValueError"]
    assert (at_ns, loop.env.now) == (1 * S, 2 * S)


def poll(cost: CostModel, body: Any, *, event_ns: int | None = None) -> tuple[SimLoop, Any]:
    """Run *body(loop, reply)* with a reply that arrives after 40 ms; return the loop and the result."""
    loop = make(cost)
    reply: list[int] = []
    loop.env.at(40 * MS, loop.arrive, reply.append, 1)
    if event_ns is not None:
        loop.env.at(event_ns, int)
    result = loop.run_until_complete(body(loop, reply))
    loop.close()
    return loop, result


async def _wait_by_sleeping_0(loop: SimLoop, reply: list[int]) -> None:
    while not reply:
        await asyncio.sleep(0)


def test_a_poll_by_sleep_0_takes_tens_of_turns() -> None:
    """Waiting 40 ms by sleep(0) takes under 40 turns, ends within a turn of the reply, and counts what it avoided."""
    loop, _ = poll(CostModel(), _wait_by_sleeping_0)

    assert loop.turns < 20
    assert 40 * MS <= loop.env.now < 40 * MS + 100_000
    assert loop.spin_turns_avoided > 1000


def test_a_poll_never_passes_a_timer_or_an_arrival() -> None:
    """A stretched turn ends at the loop's next timer and at what arrives; events of the world happen amid it."""
    instants: list[int] = []

    async def body(loop: SimLoop, reply: list[int]) -> None:
        loop.call_later(0.02, lambda: instants.append(loop.env.now))
        loop.env.at(30 * MS, lambda: instants.append(loop.env.now))
        await _wait_by_sleeping_0(loop, reply)

    poll(CostModel(), body)

    assert instants[0] < 20 * MS + 50_000
    assert instants[1] == 30 * MS


def test_a_poll_looks_again_when_other_code_of_its_process_runs() -> None:
    """A poll of what a thread, another loop or a signal handler sets notices within a turn, though nothing arrives."""
    flags: list[int] = []

    async def body(loop: SimLoop, reply: list[int]) -> int:
        def set_flag() -> None:
            loop.machine.stir()
            flags.append(1)

        loop.env.at(35 * MS, set_flag)
        while not flags:
            await asyncio.sleep(0)
        return loop.env.now

    _, seen_ns = poll(CostModel(), body)

    assert 35 * MS <= seen_ns < 35 * MS + 100_000


def test_work_that_empties_a_queue_between_sleeps_of_0_is_not_a_poll() -> None:
    """A backlog worked off by the item, with a yield after each, costs its turns and no more."""

    class Worker:
        def __init__(self) -> None:
            self.backlog = list(range(500))

        async def work(self) -> None:
            while self.backlog:
                self.backlog.pop()
                await asyncio.sleep(0)

    async def body(loop: SimLoop, reply: list[int]) -> None:
        await Worker().work()

    loop, _ = poll(CostModel(), body, event_ns=100 * S)

    assert loop.env.now < 20 * MS
    assert loop.spin_turns_avoided == 0


def test_a_poll_without_anything_to_come_does_not_end_the_loop() -> None:
    """A poll with an empty queue of events goes on until its own condition ends it."""

    async def body(loop: SimLoop, reply: list[int]) -> int:
        await asyncio.sleep(0.05)
        deadline = loop.time() + 1
        while loop.time() < deadline:
            await asyncio.sleep(0)
        return loop.env.now

    _, now_ns = poll(CostModel(), body)

    assert 1050 * MS <= now_ns < 1052 * MS


def test_a_poll_that_reads_a_clock_is_a_millisecond_late_at_most() -> None:
    """Spinning for a precise instant ends within 1 ms of it, in about as many turns as milliseconds."""

    async def body(loop: SimLoop, reply: list[int]) -> float:
        deadline = loop.time() + 0.5
        while loop.time() < deadline:
            await asyncio.sleep(0)
        return loop.time() - deadline

    loop, late_s = poll(CostModel(), body, event_ns=10 * S)

    assert 0 <= late_s < 0.0011
    assert loop.turns < 600


def test_work_split_by_sleep_0_is_not_a_poll() -> None:
    """A loop over items that yields between them costs its turns and no more, however long nothing arrives."""

    async def body(loop: SimLoop, reply: list[int]) -> int:
        total = 0
        for item in range(1000):
            total += item
            await asyncio.sleep(0)
        return total

    loop, total = poll(CostModel(), body, event_ns=100 * S)

    assert total == 499_500
    assert loop.env.now < 30 * MS
    assert loop.spin_turns_avoided == 0


def test_two_tasks_that_hand_work_over_are_not_a_poll() -> None:
    """Producer and consumer around a queue make progress each turn and are never stretched."""

    async def body(loop: SimLoop, reply: list[int]) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def produce() -> None:
            for n in range(500):
                await queue.put(n)

        async def consume() -> None:
            for _ in range(500):
                await queue.get()

        await asyncio.gather(produce(), consume())

    loop, _ = poll(CostModel(), body, event_ns=100 * S)

    assert loop.env.now < 60 * MS
    assert loop.spin_turns_avoided == 0


def test_polls_are_alike_in_every_run() -> None:
    """Turns, instants and the trace of a poll are equal between runs."""
    runs = [poll(CostModel(), _wait_by_sleeping_0)[0] for _ in range(2)]

    assert len({(loop.turns, loop.env.now, loop.trace) for loop in runs}) == 1
