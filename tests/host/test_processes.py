"""`ProcessPoolExecutor` in a flight: copies by pickling, stock errors, worker slots, virtual time."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.host.flown import fly

BOT = '''
import concurrent.futures, hashlib, json, multiprocessing, os, sys, time, types

module = sys.modules["jobs"] = types.ModuleType("jobs")
exec("""
import hashlib, os, time
seen = []
class Picky(Exception):
    def __init__(self, code, text):
        super().__init__(text)
class Opaque:
    def __reduce__(self): raise TypeError("cannot pickle this one")
def work(n): return hashlib.sha256(b"%d" % n).hexdigest()[:8]
def add(things): things.append(1); return things
def fail(): raise ValueError("no")
def opaque(): return Opaque()
def picky(): raise Picky(1, "odd")
def leave(): raise SystemExit(3)
def nap(): time.sleep(1); return round(time.monotonic())
def remember(x): seen.append(x)
def bad_start(): raise RuntimeError("cannot start")
""", module.__dict__)
for each in list(vars(module).values()):
    if callable(each): each.__module__ = "jobs"

def outcome(call):
    try: return call()
    except BaseException as e: return [type(e).__name__, str(e), type(e.__cause__).__name__]

def pool(*args, **kwargs):
    context = multiprocessing.get_context("fork")
    return concurrent.futures.ProcessPoolExecutor(*args, mp_context=context, **kwargs)

def asked():
    told, things = {}, [0]
    with pool(2) as p:
        told["map"] = list(p.map(module.work, range(5)))
        told["chunks"] = list(p.map(module.work, range(5), chunksize=2))
        told["copy"] = [p.submit(module.add, things).result(), things]
        told["raises"] = outcome(p.submit(module.fail).result)
        told["leaves"] = outcome(p.submit(module.leave).result)
        told["lambda"] = outcome(p.submit(lambda: 1).result)[::2]
        told["argument"] = outcome(p.submit(module.add, module.Opaque()).result)
        told["answer"] = outcome(p.submit(module.opaque).result)
    told["after"] = outcome(lambda: p.submit(module.fail))
    with pool(1) as p:
        told["picky"] = outcome(p.submit(module.picky).result)
        told["broken"] = outcome(lambda: p.submit(module.fail).result())[0]
    with pool(1, initializer=module.bad_start) as p:
        told["initialiser"] = outcome(p.submit(module.work, 1).result)[0]
    for name, args, kwargs in (("none", (0,), {}), ("not callable", (1,), {"initializer": 3}),
                               ("tasks", (1,), {"max_tasks_per_child": 1})):
        told[name] = outcome(lambda: pool(*args, **kwargs))[:2]
    return told
'''


@pytest.fixture(scope="module")
def stock() -> dict[str, Any]:
    """What real processes answer."""
    script = f"{BOT}\nprint(json.dumps(asked()))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    import json

    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_answers_and_errors_are_those_of_real_processes(stock: dict[str, Any]) -> None:
    """Results, copies, exceptions with their causes, what cannot be pickled and broken pools are as in stock Python."""
    said = fly(f"import builtins\nsource = {BOT!r}\nexec(source, globals())\nsaid.update(asked())\n")

    assert said == stock


def test_jobs_wait_for_a_worker_in_virtual_time() -> None:
    """Four naps of a second on two workers take two seconds, and the loop turns meanwhile."""
    said = fly(f"""
source = {BOT!r}
exec(source, globals())
async def main():
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with pool(2) as p:
        jobs = [loop.run_in_executor(p, module.nap) for _ in range(4)]
        beats = 0
        while not all(job.done() for job in jobs):
            await asyncio.sleep(0.1); beats += 1
    said.update(took=round(time.monotonic() - began, 1), beats=beats, refused=refused)
asyncio.run(main())
""")

    assert said == {"took": 2.1, "beats": 21, "refused": []}


def test_other_processes_are_refused() -> None:
    """Process, Pool and Manager of multiprocessing name ProcessPoolExecutor as the mend; its thread pool works."""
    said = fly("""
import multiprocessing, multiprocessing.pool
def error(f):
    try: f()
    except RuntimeError as e: return str(e).partition("\\n")[0]
said["process"] = error(multiprocessing.Process(target=print).start)
said["pool"] = error(lambda: multiprocessing.Pool(1))
said["told"] = sorted(set(refused))
with multiprocessing.pool.ThreadPool(2) as pool:
    said["threads"] = pool.map(abs, [-1, 2, -3])
""")

    assert "ProcessPoolExecutor" in said["process"]
    assert "ProcessPoolExecutor" in said["pool"]
    assert said["told"] == ["multiprocessing.Process.start"]
    assert said["threads"] == [1, 2, 3]
