"""The trace of turns: a line for each turn, draw, write and thread, the same in each process of one seed."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tests.host.flown import fly

TRACED = """
    import io, pathlib, tempfile
    import zstandard
    from sim.probe.place import Places
    from sim.probe.turns import FILE, TracedLoop, TurnTrace

    folder = pathlib.Path(tempfile.mkdtemp())
    trace = TurnTrace(folder, lambda: env.now, Places("/bot"))
    trace.install(baton)
    TracedLoop.turn_trace = trace
    ownership.own_loops(ownership.loop_class(TracedLoop, baton, network, desk, loops.append))

    class Echo(asyncio.Protocol):
        def connection_made(self, transport): self.transport = transport
        def data_received(self, data): self.transport.write(data.upper())

    async def worker(name):
        reader, writer = await asyncio.open_connection("node-a", 7)
        writer.write(name.encode())
        await reader.readexactly(len(name))
        writer.close()

    async def main():
        await asyncio.gather(worker("one"), worker("two"), asyncio.to_thread(time.sleep, 0.5))

    world.create_task(world.create_server(Echo, "node-a", 7))
    asyncio.run(main())
    trace.close()
    asyncio.run(asyncio.sleep(1))
    with zstandard.open(folder / FILE, "rt") as file:
        said["lines"] = [json.loads(line) for line in file]
    said["folder"] = str(folder)
"""


def traced(hash_seed: int) -> list[list[Any]]:
    said = fly(TRACED, hash_seed=hash_seed)
    assert said["folder"] not in str(said["lines"])
    lines: list[list[Any]] = said["lines"]
    return lines


def test_every_turn_draw_write_and_thread_has_its_line() -> None:
    """Tasks by name with where they wait, draws by stream and key, writes by size; nothing after the close."""
    lines = traced(hash_seed=0)

    kinds = {what for _, what, _, _ in lines}
    writes = [(who, stack[0]) for _, what, who, stack in lines if what == "write"]
    assert kinds == {"turn", "draw", "write", "thread"}
    assert [who.split(",")[0] for who, _ in writes] == ["connection 1: 3 bytes", "connection 2: 3 bytes"]
    assert all(top.endswith("write") for _, top in writes)
    assert any(who.startswith("net.latency ('node-a'") for _, what, who, _ in lines if what == "draw")
    assert any("worker" in line for _, what, _, stack in lines if what == "turn" for line in stack)
    assert all(t_ns < 10**9 for t_ns, _, _, _ in lines)
    assert [t_ns for t_ns, _ in groupby(lines, key=lambda line: line[0])] == sorted({line[0] for line in lines})


def test_lines_of_two_processes_are_equal() -> None:
    """Another hash seed moves no line, so the first that differs between two flights is the place."""
    assert traced(hash_seed=0) == traced(hash_seed=77)
