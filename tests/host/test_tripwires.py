"""Nothing real is left within a program's reach: no alias leads there, and the interpreter announces nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.host.flown import fly

ROOT = Path(__file__).resolve().parents[2]

# As in a flight: chance and threads first, then the world's libraries and the bot's, then everything else.
SCAN = """
import gc, json, os, random, select, socket, sys, time, types
NAMES = {
    time: "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time "
          "thread_time_ns clock_gettime clock_gettime_ns sleep localtime gmtime ctime asctime strftime",
    os: "urandom getrandom times getloadavg kill _exit", socket: "getaddrinfo gethostbyname gethostname",
    select: "select poll",
}
real = {f"{owner.__name__}.{name}": getattr(owner, name) for owner, names in NAMES.items() for name in names.split()}
aliases = types.ModuleType("aliases")
vars(aliases).update({name.replace(".", "_"): value for name, value in real.items()})
sys.modules["aliases"] = aliases
early = random.Random()
state = early.getstate()
from sim.host import entropy, table
from sim.rng import Streams
entropy.install(entropy.Entropy(Streams(1)))
import timeit, logging.handlers, http.server, concurrent.futures, urllib.request, tempfile
import sim.flight, aiohttp, websockets.asyncio.client, websockets.sync.client, web3, httpx, requests, prometheus_client
import numpy, structlog
table.take_this_process_over()

def holder(found):
    if isinstance(found, dict):
        name = found.get("__name__") or found.get("__module__")
        keys = [key for key, value in found.items() if value is each]
        return None if found is real or str(name).partition(".")[0] in ("sim", "__main__") else f"{name} {keys}"
    if isinstance(found, types.CellType | types.FrameType):
        return None
    if isinstance(found, tuple):
        owners = [owner for owner in gc.get_referrers(found) if isinstance(owner, types.FunctionType)]
        return f"defaults of {owners[0].__module__}.{owners[0].__qualname__}" if owners else None
    return f"{type(found).__name__} {getattr(found, '__qualname__', '')}"

holders = {}
for name in real:
    each = real[name]
    holders[name] = sorted({text for text in map(holder, gc.get_referrers(each)) if text is not None})
same = [name for name in real if vars(aliases)[name.replace(".", "_")] is real[name]]
print(json.dumps({"holders": {n: h for n, h in holders.items() if h}, "aliases": same,
                  "early": early.getstate() == state}))
"""

HARMLESS = {
    "time.localtime": {"logging ['converter']"},  # it is always given the time, and the zone is UTC
    "socket.gethostbyname": {"_socket ['gethostbyname']"},  # the extension's own copy, for an import anew
    "socket.gethostname": {"_socket ['gethostname']"},
}


def test_no_real_clock_or_chance_is_within_reach() -> None:
    """With every library loaded before, no global, default argument or attribute leads to a real function."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCAN], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)

    left = {name: set(found) - HARMLESS.get(name, set()) for name, found in said["holders"].items()}
    assert not {name: found for name, found in left.items() if found}
    assert said["aliases"] == []
    assert said["early"] is False


def test_identifiers_and_usage_follow_virtual_time() -> None:
    """uuid1 carries the virtual time; the process's times, load and usage tell nothing of the real machine."""
    said = fly("""
        import resource, timeit, uuid
        def read():
            return [(uuid.uuid1().time - 0x01B21DD213814000) / 1e7, os.times().user, os.times().elapsed,
                    resource.getrusage(resource.RUSAGE_SELF).ru_utime]
        before = read()
        time.sleep(1000)
        said["moved"] = [round(after - earlier) for earlier, after in zip(before, read())]
        said["start"] = round(before[0])
        said["idle"] = [os.getloadavg(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime,
                        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0]
        said["timeit"] = round(timeit.timeit(lambda: time.sleep(1), number=5), 3)
        said["uuids"] = len({uuid.uuid1() for _ in range(100)} | {uuid.uuid4() for _ in range(100)})
    """)

    assert said == {
        "moved": [1000, 1000, 1000, 1000],
        "start": 1_700_000_000,
        "idle": [[0.0, 0.0, 0.0], 0.0, True],
        "timeit": 5.0,
        "uuids": 200,
    }


def test_what_the_interpreter_announces_is_nothing_real() -> None:
    """An audit hook of the bot's own sees no connection, name look-up, process or signal while libraries trade."""
    said = fly("""
        import aiohttp, websockets
        from aiohttp import web
        from websockets.asyncio.client import connect
        REAL = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname",
                "subprocess.", "os.fork", "os.exec", "os.system", "os.posix_spawn", "os.kill", "signal.pthread_kill",
                "time.sleep")
        seen = []
        sys.addaudithook(lambda event, args: seen.append(event) if event.startswith(REAL) else None)
        async def hello(request): return web.Response(text="hello")
        async def serve():
            app = web.Application()
            app.router.add_get("/", hello)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "node-a", 80).start()
        async def main():
            async with aiohttp.ClientSession() as session:
                async with session.get("http://node-a/") as answer: said["text"] = await answer.text()
            await asyncio.to_thread(time.sleep, 1)
            os.kill(os.getpid(), 0)
        world.create_task(serve())
        asyncio.run(main())
        said["seen"] = seen
    """)

    assert said == {"text": "hello", "seen": []}
