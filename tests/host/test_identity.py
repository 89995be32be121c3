"""Sets that stock Python iterates in the order of addresses."""

import asyncio
import gc
import subprocess
import sys
from itertools import permutations

from sim.host.clock import NsEnvironment
from sim.host.identity import OrderedGenerators, in_order
from sim.host.loop import SimLoop
from sim.host.machine import FREE, Machine

POOL = """
import sys
ballast = ["x" * n for n in range(int(sys.argv[1]))]
del ballast[::3]
from sim.host import identity
identity.install()
import threading
threads = [threading.Thread(name=str(n)) for n in range(40)]
print([thread.name for thread in set(threads)], [thread.name for thread in set(reversed(threads))])
"""


async def numbers():
    yield 1
    yield 2


def test_coroutines_keep_their_order() -> None:
    """A set of coroutines, for `as_completed`, is in the order they came in, once each; other sets are sets."""
    coroutines = [asyncio.sleep(n) for n in range(50)]

    found = list(in_order([*coroutines, *coroutines]))

    assert found == coroutines
    assert in_order([3, 1, 3]) == {1, 3}
    for each in coroutines:
        each.close()


def test_threads_iterate_alike_wherever_they_lie() -> None:
    """The order of a set of threads is the same in processes with different heaps."""
    printed = {
        subprocess.run([sys.executable, "-c", POOL, str(ballast)], capture_output=True, text=True, check=True).stdout
        for ballast in (0, 1000, 54_321)
    }

    assert len(printed) == 1


def test_generators_are_kept_weakly_in_order() -> None:
    """Generators come out in the order of their first step; one that is gone or discarded does not."""
    kept, generators = OrderedGenerators(), [numbers() for _ in range(30)]
    for generator in generators:
        kept.add(generator)

    kept.discard(generators[3])
    del generators[7], generator
    gc.collect()

    assert list(kept) == [each for index, each in enumerate(generators) if index != 3]
    assert len(kept) == 28
    kept.clear()
    assert list(kept) == []


def orders(set_order: int, count: int) -> tuple[list[int], list[int]]:
    """Return in which order sets of *count* tasks, and of as many futures, are gone through."""
    machine = Machine(NsEnvironment(), "bot", epoch_ns=0, cost=FREE)
    machine.set_order = set_order
    loop = SimLoop(machine)

    async def main() -> tuple[list[int], list[int]]:
        tasks = [asyncio.ensure_future(asyncio.sleep(1)) for _ in range(count)]
        futures = [loop.create_future() for _ in range(count)]
        _, pending = await asyncio.wait(tasks, timeout=0)
        found = [tasks.index(each) for each in pending], [futures.index(each) for each in set(futures)]
        await asyncio.wait(tasks)
        return found

    result = loop.run_until_complete(main())
    loop.close()
    return result


def test_every_order_of_a_set_of_tasks_is_explored() -> None:
    """Order 0 is that of creation; among 60 others each of the six orders of three tasks occurs, futures' too."""
    explored = [orders(number, 3) for number in range(1, 61)]

    assert orders(0, 3) == ([0, 1, 2], [0, 1, 2])
    for kind in (0, 1):
        assert {tuple(each[kind]) for each in explored} == set(permutations(range(3)))
    assert orders(7, 3) == explored[6]


def test_coroutines_and_generators_are_explored_too() -> None:
    """Their orders are permutations of the one they came in, one for each number."""
    coroutines = [asyncio.sleep(n) for n in range(6)]
    kept, generators = OrderedGenerators(7), [numbers() for _ in range(6)]
    for generator in generators:
        kept.add(generator)

    found = [coroutines.index(each) for each in in_order(coroutines, 7)]

    assert found == [generators.index(each) for each in kept] != list(range(6))
    assert sorted(found) == list(range(6))
    for each in coroutines:
        each.close()
