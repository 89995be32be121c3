from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp.resolver import ThreadedResolver

from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.net import Network
from sim.host.serving import ServingLoop
from sim.node.node import Node
from sim.node.view import NodeView
from sim.rng import Stream, Streams
from sim.units import MS
from tests.node.small_world import ALICE, CONTRACT, LABELS, SmallWorld


class OneMillisecond:
    """A latency that is always the same."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        """Return it."""
        return MS


async def converse(world: SmallWorld, env: NsEnvironment, node: Node) -> list[Any]:
    """Call over HTTP, subscribe over a WebSocket, see a block arrive, and be disconnected."""
    await asyncio.sleep(0.01)
    seen: list[Any] = []
    connector = aiohttp.TCPConnector(resolver=ThreadedResolver())
    raw = "0x" + world.signed(ALICE, CONTRACT, bytes(32)).hex()
    async with aiohttp.ClientSession(connector=connector) as session:
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]}
        async with session.post("http://node-a:8545/key", json=body) as response:
            seen.append((env.now, await response.json(), sorted(response.headers)))
        async with session.ws_connect("ws://node-a:8546") as socket:
            for params in (["newHeads"], ["logs", {}]):
                await socket.send_json({"jsonrpc": "2.0", "id": 2, "method": "eth_subscribe", "params": params})
                seen.append((env.now, await socket.receive_json()))
            env.after(5 * MS, world.propose)
            seen += [(env.now, await socket.receive_json()) for _ in range(2)]
            env.after(5 * MS, node.disconnect_all)
            seen.append((await socket.receive()).type)
    return seen


def fly() -> tuple[list[Any], str]:
    """Return what a client saw of a node on virtual time, and the digest of the record."""
    world, env = SmallWorld(), NsEnvironment()
    network = Network(env, Streams(1), None)
    network.add_site("node-a", OneMillisecond())
    serving = ServingLoop(Machine(env, "node-a", epoch_ns=0), network)
    flying = SimLoop(Machine(env, "bot", epoch_ns=0), network)
    serving.start_serving()
    node = Node("a", NodeView(world.chain, world.mempool), serving, world.recorder, LABELS)
    world.chain.on_head.append(node.on_head)
    task = serving.create_task(node.start("node-a"))
    try:
        seen = flying.run_until_complete(converse(world, env, node))
        assert task.done()
    finally:
        flying.close()
        serving.close()
    return seen, world.recorder.digest()


def test_the_same_node_serves_on_virtual_time() -> None:
    """On the virtual loop the node answers, publishes and disconnects to the nanosecond alike in every flight."""
    first, second = fly(), fly()

    assert first == second
    seen, _ = first
    assert seen[0][2] == ["Content-Length", "Content-Type"]
    assert seen[3][1]["params"]["result"]["number"] == "0x1"
    assert seen[4][1]["params"]["result"]["removed"] is False
    assert seen[5] in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
