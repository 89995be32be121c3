"""Two machines on a simulated network, and protocols that note what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import FREE, CostModel, Machine
from sim.host.net import Network
from sim.host.serving import ServingLoop
from sim.rng import Stream, Streams
from sim.units import MS

PORT = 7000


class Jitter:
    """A round trip of 10 to 20 ms, drawn for each segment."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        return stream.between(10 * MS, 20 * MS, *key)


class Pair:
    """The bot's loop and the loop of a host called node-a, 5 to 10 ms apart."""

    def __init__(self, seed: int = 1, cost: CostModel = FREE) -> None:
        self.env = NsEnvironment()
        self.network = Network(self.env, Streams(seed), None)
        self.network.add_site("world")
        self.network.add_site("node-a", Jitter())
        self.world = ServingLoop(Machine(self.env, "world", epoch_ns=0), self.network)
        self.bot = SimLoop(Machine(self.env, "bot", epoch_ns=0, cost=cost), self.network)
        self.world.start_serving()

    def serve(self, factory: Any, host: str = "node-a", port: int = PORT) -> None:
        """Listen on the world's side."""
        self.world.create_task(self.world.create_server(factory, host, port))
        self.env.step()

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run *main* on the bot's loop."""
        return self.bot.run_until_complete(main)

    def close(self) -> None:
        """Close both loops."""
        self.bot.close()
        self.world.close()


class Noting(asyncio.Protocol):
    """Notes every callback; `eof_keeps_open` is what eof_received answers."""

    eof_keeps_open = False

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.error: Exception | None = None
        self.transport: Any = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.calls[-1] != "data":
            self.calls.append("data")
        self.data += data

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.eof_keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.error = exc
        self.lost.set()

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")


class Server:
    """A factory that keeps the protocols it made."""

    def __init__(self, kind: type[Noting] = Noting) -> None:
        self.kind = kind
        self.made: list[Any] = []

    def __call__(self) -> Noting:
        self.made.append(self.kind())
        return self.made[-1]  # type: ignore[no-any-return]

    @property
    def last(self) -> Any:
        """Return the protocol of the newest connection."""
        return self.made[-1]
