"""Who runs on and on gives others their turn, after a seeded count of turns of its loops."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import pytest

from tests.host.flown import fly

PRELUDE = """
from sim.host.charge import Charges
from sim.host.preempt import Preemption
from textwrap import dedent
import tempfile
charges = Charges({}, machine, streams)
preemption = Preemption(baton, streams.stream("bot.threads"), lambda path: True)
charges.instruments.append(preemption)
def bot(source):
    source = dedent(source)
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(source); file.flush()
        code = charges.compile(source.encode(), file.name)
    exec(code, globals())
    said["now"] = env.now
"""


def flown(source: str, seed: int = 1, hash_seed: int = 0) -> dict[str, Any]:
    """Fly *source* as a bot's code; return what it put into `said`, with the virtual time of its end."""
    script = PRELUDE + 'bot("""\n' + indent(source, "    ") + '\n""")\n'
    return fly(script, seed=seed, hash_seed=hash_seed)


SPINS = {
    "attribute": "while not box.done: pass",
    "method": "while not event.is_set(): pass",
    "counter": "n = 0\n    while not box.done: n += 1",
    "for": "for _ in iter(lambda: box.done, True): pass",
    "queue": "while jobs.empty(): pass",
    "try": "while not lock.acquire(blocking=False): pass",
}


@pytest.mark.parametrize("wait", SPINS)
def test_a_busy_wait_ends(wait: str) -> None:
    """A thread that asks again and again sees what another thread does 20 ms later, at most 1 ms late."""
    said = flown(f"""
import queue, types
box, event, jobs, lock = types.SimpleNamespace(done=False), threading.Event(), queue.Queue(), threading.Lock()
lock.acquire()
def spin():
    {SPINS[wait]}
    said["saw"] = time.monotonic_ns() - machine.monotonic_base_ns
def work():
    time.sleep(0.02)
    box.done = True; event.set(); jobs.put(1); lock.release()
made = [threading.Thread(target=each) for each in (spin, work)]
for each in made: each.start()
for each in made: each.join()
""")

    assert 20_000_000 < said["saw"] < 21_200_000


def test_the_loop_waits_busily_for_a_worker() -> None:
    """A coroutine that holds the loop until a worker has set an attribute goes on when it has."""
    said = flown("""
box = {}
def work():
    time.sleep(3)
    box["done"] = True
async def main():
    job = asyncio.get_running_loop().run_in_executor(None, work)
    while "done" not in box: pass
    await job
asyncio.run(main())
""")

    assert 3_000_000_000 < said["now"] < 3_002_000_000


def test_a_thread_that_computes_lets_the_loop_turn() -> None:
    """A loop of 200,000 turns on a thread takes 20 ms of virtual time, in which the loop's timers come up."""
    said = flown("""
def compute():
    total = 0
    for n in range(200_000): total += n * n
    return total
async def main():
    beats = 0
    job = asyncio.get_running_loop().run_in_executor(None, compute)
    while not job.done():
        await asyncio.sleep(0.001)
        beats += 1
    said.update(total=await job, beats=beats)
asyncio.run(main())
""")

    assert said["total"] == sum(n * n for n in range(200_000))
    assert 15 <= said["beats"] <= 20


def test_two_threads_that_compute_take_turns() -> None:
    """Neither of two computing threads runs through while the other waits."""
    said = flown("""
order = []
def compute(name):
    for n in range(20_000):
        if n % 1_000 == 0: order.append(name)
made = [threading.Thread(target=compute, args=(name,)) for name in "ab"]
for each in made: each.start()
for each in made: each.join()
said["order"] = "".join(order)
""")

    assert said["order"].count("ab") > 5


def test_a_loop_that_turns_is_never_preempted() -> None:
    """Coroutines that give way, and code without threads, run as ever: no draw, no time."""
    said = flown("""
async def main():
    await asyncio.to_thread(time.sleep, 0.001)
    for _ in range(5_000): await asyncio.sleep(0)
total = 0
for n in range(100_000): total += n
said["alone"] = env.now
asyncio.run(main())
said["draws"] = streams.stream("bot.threads").count
""")

    assert said["alone"] == 0
    assert said["draws"] == 0


def test_what_a_thread_held_is_free_when_it_has_ended() -> None:
    """Telling a busy wait by its local variables keeps none of them alive after the thread, or after the wait."""
    said = flown("""
import weakref
class Thing: pass
refs = []
def compute():
    thing = Thing(); refs.append(weakref.ref(thing))
    for n in range(5_000): n += 1
def hold():
    thing = Thing(); refs.append(weakref.ref(thing))
    while not done: pass
thread = threading.Thread(target=compute); thread.start(); thread.join()
done = []
threading.Timer(0.001, lambda: done.append(1)).start()
hold()
for n in range(5_000): n += 1
time.sleep(0.01)
said.update(left=[ref() is not None for ref in refs], preempted=streams.stream("bot.threads").count > 2)
""")

    assert said["left"] == [False, False]
    assert said["preempted"]


def test_preemption_is_the_same_in_every_process_and_differs_by_seed() -> None:
    """Where threads change hands follows from the seed, not from the process."""
    source = """
order, box = [], {}
def compute(name):
    for n in range(30_000):
        if n % 100 == 0: order.append((name, env.now))
made = [threading.Thread(target=compute, args=(n,)) for n in range(3)]
for each in made: each.start()
for each in made: each.join()
said["order"] = order
"""

    assert flown(source) == flown(source, hash_seed=77)
    assert flown(source) != flown(source, seed=2)
