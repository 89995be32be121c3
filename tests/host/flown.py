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
from sim.host import boundary, machine as machines, ownership, signals, thirdparty
from sim.host.loop import SimLoop
from sim.host.serving import ServingLoop
from sim.host.modules import HiddenModules
from sim.host.net import Network
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
real_affinity = os.sched_getaffinity
kernel = ownership.own(baton, network, desk)
refused = []
boundary.on_refused = lambda error: refused.append(error.api)
loops = []
new_loop = ownership.loop_class(SimLoop, baton, network, desk, loops.append)
ownership.own_loops(new_loop)
machines.running = machine
notes = []
hooks = HiddenModules(frozenset(), thirdparty.hooks(new_loop, notes.append))
sys.meta_path.insert(0, hooks)
said = {{}}

def end(code=0):
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(code)
"""


def fly(script: str, *, seed: int = 1, hash_seed: int = 0, python: str = sys.executable) -> dict[str, Any]:
    """Run *script*; return what it put into `said`.

    Its globals hold `env`, `machine`, `baton`, `network`, `world` (a loop), `desk`, `refused`, `loops` and `notes`.
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
