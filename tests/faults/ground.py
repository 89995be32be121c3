"""One fault on the host alone: the bot's clocks, threads and network, a server, and an unmodified library.

Usage: `python -m tests.faults.ground ROW SEED`, where ROW is a module of `tests.faults.rows` with an asynchronous
`bot()` that returns what it saw and, for a server, `apps()`: aiohttp applications by port of the host `node`. A row's
`trouble(env, network)`, if it has one, plans what goes wrong on the way. What the bot returned is printed as JSON.
Legality level L0: stock asyncio's order, fixed latency of 20 ms.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from typing import Any

from sim.host import entropy, threads
from sim.host.clock import NsEnvironment
from sim.host.machine import CostModel, Machine
from sim.rng import Stream, Streams
from sim.units import MINUTE, MS

EPOCH_NS = 1_767_225_600 * 10**9
PATIENCE_NS = 60 * MINUTE


class Steady:
    """The same round trip for every packet."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        return 20 * MS


def late() -> None:
    os.write(2, b"an hour of virtual time has passed\n")
    os._exit(3)


def main(row: str, seed: int) -> None:
    env, streams = NsEnvironment(), Streams(seed)
    entropy.install(entropy.Entropy(streams))
    machine = Machine(env, "bot", epoch_ns=EPOCH_NS, cost=CostModel())
    baton = threads.Baton(machine)
    threads.install(baton)
    # From here on, as in a flight: libraries come after chance and threads are owned.
    import aiodns
    from aiohttp import web

    from sim.host import boundary, wallclock
    from sim.host import machine as machines
    from sim.host.loop import SimLoop
    from sim.host.net import Network
    from sim.host.serving import ServingLoop
    from sim.host.thirdparty import take_over_aiodns

    take_over_aiodns(aiodns, SimLoop, print)
    network = Network(env, streams, None)
    network.add_site("world")
    network.add_site("node", Steady())
    world = ServingLoop(Machine(env, "world", epoch_ns=EPOCH_NS), network)
    wallclock.install(baton)
    boundary.install()
    machines.running = machine
    found = importlib.import_module(f"tests.faults.rows.{row}")

    async def serve() -> None:
        for port, app in (found.apps() if hasattr(found, "apps") else {}).items():
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "node", port).start()

    world.start_serving()
    serving = world.create_task(serve())
    env.at(PATIENCE_NS, late)
    if hasattr(found, "trouble"):
        found.trouble(env, network)
    loops: list[Any] = []

    def new_loop() -> SimLoop:
        loops.append(SimLoop(machine, network))
        return loops[-1]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        seen = runner.run(found.bot())
    assert serving.done(), "the server never started"
    sys.stdout.write(json.dumps(seen | {"virtual_s": env.now / 1e9}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
