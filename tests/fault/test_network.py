"""Faults of the wire act on real simulated connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fault.link import Switch, SwitchSpec
from sim.fault.network import LatencySpec, LatencySpike, Slowdowns
from sim.fault.schedule import When, schedule
from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.net import Network, Site
from sim.host.serving import ServingLoop
from sim.rng import Stream, Streams
from sim.units import MS, S
from tests.fault.records import MemoryRecord

PORT = 7


@dataclass
class Constant:
    """A latency that is always the same."""

    latency_ns: int

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        """Return it."""
        return self.latency_ns


class EchoWorld:
    """A node that echoes, 20 ms away from a client's loop."""

    def __init__(self) -> None:
        self.env = NsEnvironment()
        self.record = MemoryRecord(self.env)
        self.streams = Streams(1)
        self.network = Network(self.env, self.streams, None)
        self.network.add_site("node-a", Constant(20 * MS))
        self.server = ServingLoop(Machine(self.env, "node-a", epoch_ns=0), self.network)
        self.client = SimLoop(Machine(self.env, "bot", epoch_ns=0), self.network)
        self.server.start_serving()
        self.serving = self.server.create_task(serve_echo(self.server))

    def fly(self, main: object) -> object:
        """Run a client's coroutine to its end."""
        return self.client.run_until_complete(main)

    def close(self) -> None:
        """Close both loops."""
        self.server.close()
        self.client.close()


@pytest.fixture
def world() -> Iterator[EchoWorld]:
    """A world that is closed after the test."""
    echoes = EchoWorld()
    yield echoes
    echoes.close()


async def serve_echo(loop: SimLoop) -> None:
    """Echo on the node's port."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    await loop.create_server(Echo, host="node-a", port=PORT)


async def round_trips(world: EchoWorld, count: int, pause_s: float) -> list[int]:
    """Return how long each of some echoes takes, one after another with a pause."""
    await asyncio.sleep(0.001)
    reader, writer = await asyncio.open_connection("node-a", PORT)
    taken_ns = []
    for _ in range(count):
        sent_ns = world.env.now
        writer.write(b"x")
        await reader.readexactly(1)
        taken_ns.append(world.env.now - sent_ns)
        await asyncio.sleep(pause_s)
    writer.close()
    return taken_ns


def test_a_spike_slows_the_wire_while_it_lasts(world: EchoWorld) -> None:
    """Echoes take 20 ms before and after the spike, and 3 x 20 ms + 50 ms during it."""
    spec = LatencySpec("spike", When(at_ns=(S,), duration_ns=S), "a", factor=3.0, extra_ns=50 * MS)
    spike = LatencySpike(spec, Slowdowns(world.network.sites["node-a"]))
    schedule(world.env, [spike], world.streams, world.record.recorder, 10 * S)

    taken_ns = world.fly(round_trips(world, 3, pause_s=1.1))

    assert [round(each_ns / MS) for each_ns in taken_ns] == [20, 110, 20]
    begin, end = world.record.events("fault")
    assert (begin.t_ns, begin.actor, begin.site) == (S, "spike", "a")
    assert begin.data == {"kind": "latency", "phase": "begin", "ordinal": 0, "factor": 3.0, "extra_ns": 50 * MS}
    assert (end.t_ns, end.data["phase"]) == (2 * S, "end")


def test_a_disconnect_resets_connections_and_new_ones_are_welcome(world: EchoWorld) -> None:
    """The open connection ends with a reset at the fault's instant; the next one works."""
    spec = SwitchSpec("drop", "disconnect", When(at_ns=(S,)), "a")
    fault = Switch(spec, lambda ordinal: {"connections": world.network.cut("node-a")}, lambda: None)
    schedule(world.env, [fault], world.streams, world.record.recorder, 10 * S)

    async def listen() -> int:
        await asyncio.sleep(0.001)
        reader, _ = await asyncio.open_connection("node-a", PORT)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        return world.env.now

    dropped_ns = world.fly(listen())
    taken_ns = world.fly(round_trips(world, 1, pause_s=0.0))

    assert dropped_ns // MS == 1_000
    assert len(taken_ns) == 1
    begin, end = world.record.events("fault")
    assert begin.data == {"kind": "disconnect", "phase": "begin", "ordinal": 0, "connections": 1}
    assert (end.t_ns, end.data["phase"]) == (S, "end")


@given(st.permutations(["x", "y", "z"]), st.permutations(["x", "y", "z"]))
def test_overlapping_spikes_leave_the_wire_as_it_was(begins: list[str], ends: list[str]) -> None:
    """Three spikes that begin and end in any order multiply and add while they overlap, and leave no trace."""
    factors = {"x": 1.1, "y": 3.0, "z": 0.7}
    site = Site("node-a", "10.0.0.1")
    slowdowns = Slowdowns(site)

    for each in begins:
        slowdowns.begin(each, factors[each], 10)
    peak = (round(site.factor, 9), site.extra_ns)
    for each in ends:
        slowdowns.end(each)

    assert peak == (2.31, 30)
    assert (site.factor, site.extra_ns) == (1.0, 0)


def test_a_spike_cannot_make_time_negative() -> None:
    """A negative factor or extra is refused."""
    with pytest.raises(ValueError, match="at least 0"):
        LatencySpec("spike", When(at_ns=(S,)), "a", extra_ns=-1)
