"""Sets that stock Python iterates in the order of addresses."""

import asyncio
import gc
import subprocess
import sys

from sim.host.identity import OrderedGenerators, unique

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

    found = list(unique([*coroutines, *coroutines]))

    assert found == coroutines
    assert unique([3, 1, 3]) == {1, 3}
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
