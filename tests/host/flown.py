"""Flies a script in a process of its own, taken over as a flight's is: clocks, chance, threads, signals, network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

_TAKE_OVER = """
import sys
sys.path.insert(0, {root!r})
from sim.host import entropy, threads
from sim.host.clock import NsEnvironment
from sim.host.machine import FREE, CostModel, Machine
from sim.rng import Streams

env = NsEnvironment()
streams = Streams({seed})
entropy.install(entropy.Entropy(streams))
machine = Machine(env, "bot", epoch_ns=1_700_000_000 * 10**9, cost=CostModel())
baton = threads.Baton(machine)
threads.install(baton)

import asyncio, json, os, signal, threading, time
from sim.host import boundary, machine as machines, processor, signals, wallclock
from sim.host.loop import ServingLoop, SimLoop
from sim.host.modules import HiddenModules
from sim.host.net import Network
from sim.host.sockets import SocketDesk
from sim.host.thirdparty import take_over_aiodns
from sim.units import MS

class Latency:
    def draw(self, stream, *key):
        return 10 * MS + stream.below(MS, *key)

network = Network(env, streams, None)
network.add_site("world")
network.add_site("node-a", Latency())
world = ServingLoop(Machine(env, "world", epoch_ns=0), network)
world.start_serving()
ended = []
desk = signals.SignalDesk(machine, ended.append)
signals.install(desk)
refused = []
boundary.install()
boundary.on_refused = lambda error: refused.append(error.api)
loops = []

def new_loop():
    loops.append(SimLoop(machine, network, desk))
    return loops[-1]

real_affinity = os.sched_getaffinity
wallclock.install(baton)
processor.install()
asyncio.DefaultEventLoopPolicy._loop_factory = staticmethod(new_loop)
asyncio.set_event_loop_policy(None)
machines.running = machine
hooks = HiddenModules(frozenset(), {{"aiodns": take_over_aiodns}})
sys.meta_path.insert(0, hooks)
said = {{}}

def end(code=0):
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(code)
"""


def fly(script: str, *, seed: int = 1, hash_seed: int = 0, python: str = sys.executable) -> dict[str, Any]:
    """Run *script*; return what it put into `said`.

    Its globals hold `env`, `machine`, `baton`, `network`, `world` (a serving loop), `desk`, `refused`, `new_loop`.
    """
    source = _TAKE_OVER.format(root=str(ROOT), seed=seed) + dedent(script) + "\nend()\n"
    environ = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "TZ": "UTC"}
    done = subprocess.run(
        [python, "-P", "-W", "ignore", "-c", source],
        capture_output=True,
        text=True,
        timeout=120,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
