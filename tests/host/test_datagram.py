"""UDP endpoints of asyncio's on the simulated network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sim.host.link import Link, Rule
from sim.units import MS
from tests.host.test_link import Steady
from tests.host.wire import PORT, Pair


class Mailbox(asyncio.DatagramProtocol):
    """Keeps what comes; answers it in capitals if told to."""

    def __init__(self, answers: bool = False) -> None:
        self.answers = answers
        self.came: list[tuple[bytes, Any]] = []
        self.at_ns: list[int] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append((data, addr))
        self.at_ns.append(self.transport.network.env.now)
        if self.answers:
            self.transport.sendto(data.upper(), addr)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def serve(pair: Pair, answers: bool = True) -> Mailbox:
    """Bind a mailbox on the world's side."""
    box = Mailbox(answers)
    pair.world.create_task(pair.world.create_datagram_endpoint(lambda: box, local_addr=("node-a", PORT)))
    pair.env.step()
    return box


def test_datagrams_go_there_and_back(pair: Pair) -> None:
    """Each takes its drawn time; the server sees our address, a connected endpoint hears its peer alone."""
    box = serve(pair)

    async def main() -> tuple[Mailbox, int, Any]:
        transport, mine = await pair.bot.create_datagram_endpoint(Mailbox, remote_addr=("node-a", PORT))
        other, _ = await pair.bot.create_datagram_endpoint(Mailbox, local_addr=("0.0.0.0", 0))
        sent_ns = pair.env.now
        transport.sendto(b"one")
        transport.sendto(b"two")
        other.sendto(b"foreign", transport.get_extra_info("sockname"))
        await asyncio.sleep(0.1)
        name = transport.get_extra_info("sockname")
        with pytest.raises(ValueError, match="must be None or"):
            transport.sendto(b"x", ("10.0.0.1", 1))
        transport.close()
        transport.sendto(b"too late")
        await asyncio.sleep(0.1)
        other.close()
        return mine, sent_ns, name

    mine, sent_ns, name = pair.run(main())

    assert sorted(data for data, _ in box.came) == [b"one", b"two"]
    assert {addr for _, addr in box.came} == {name}
    assert sorted(data for data, _ in mine.came) == [b"ONE", b"TWO"]
    assert all(10 * MS <= at_ns - sent_ns <= 21 * MS for at_ns in mine.at_ns)
    assert (mine.errors, mine.lost) == ([], [None])


def test_datagrams_are_lost_and_overtake(pair: Pair) -> None:
    """On a link that loses a third, a third never comes and nobody sends it again; jitter changes the order."""
    pair.network.links.rule([Rule("bot", "node-a", Link(delay=Steady(20 * MS), jitter_ns=15 * MS, loss_ratio=1 / 3))])
    box = serve(pair, answers=False)

    async def main() -> None:
        transport, _ = await pair.bot.create_datagram_endpoint(Mailbox, remote_addr=("node-a", PORT))
        for n in range(300):
            transport.sendto(b"%d" % n)
            await asyncio.sleep(0.005)
        await asyncio.sleep(1)
        transport.close()

    pair.run(main())

    came = [int(data) for data, _ in box.came]
    assert 170 <= len(came) <= 230
    assert len(set(came)) == len(came)
    assert came != sorted(came)


def test_nobody_there_is_told_to_a_connected_endpoint_alone(pair: Pair) -> None:
    """As ICMP does it; through a partition not even that comes back."""

    async def main() -> list[list[Exception]]:
        seen = []
        for remote in (("node-a", PORT), None):
            transport, mine = await pair.bot.create_datagram_endpoint(
                Mailbox, remote_addr=remote, local_addr=None if remote else ("0.0.0.0", 0)
            )
            transport.sendto(b"?", None if remote else ("node-a", PORT))
            await asyncio.sleep(0.1)
            seen.append(mine.errors)
            if remote:
                pair.network.links.overlay("cut", [Rule("*", "*", Link(down=True))])
                transport.sendto(b"?")
                await asyncio.sleep(0.1)
                pair.network.links.lift("cut")
            transport.close()
        return seen

    connected, unconnected = pair.run(main())

    assert [type(each) for each in connected] == [ConnectionRefusedError]
    assert unconnected == []


def test_limits_are_the_systems(pair: Pair) -> None:
    """A port is bound once, a datagram has 65,507 bytes at most, and an endpoint keeps 208 KiB unread."""
    box = serve(pair, answers=False)

    async def main() -> list[Exception]:
        transport, mine = await pair.bot.create_datagram_endpoint(Mailbox, local_addr=("127.0.0.1", 8125))
        with pytest.raises(OSError, match="already in use"):
            await pair.bot.create_datagram_endpoint(Mailbox, local_addr=("127.0.0.1", 8125))
        transport.sendto(bytes(65_508), ("node-a", PORT))
        transport.close()
        again, _ = await pair.bot.create_datagram_endpoint(Mailbox, local_addr=("127.0.0.1", 8125))
        again.sendto(bytes(65_507), ("node-a", PORT))
        await asyncio.sleep(0.1)
        again.close()
        with pytest.raises(ValueError, match="unexpected address family"):
            await pair.bot.create_datagram_endpoint(Mailbox)
        return mine.errors

    errors = pair.run(main())

    assert [each.errno for each in errors if isinstance(each, OSError)] == [90]
    assert [len(data) for data, _ in box.came] == [65_507]


def test_a_flood_is_dropped_at_the_receiver(pair: Pair) -> None:
    """What comes at one instant beyond the receive buffer is gone."""
    pair.network.links.rule([Rule("bot", "node-a", Link(delay=Steady(20 * MS)))])
    box = serve(pair, answers=False)

    async def main() -> None:
        transport, _ = await pair.bot.create_datagram_endpoint(Mailbox, remote_addr=("node-a", PORT))
        for _ in range(10):
            transport.sendto(bytes(60_000))
        await asyncio.sleep(0.1)
        transport.close()

    pair.run(main())

    assert len(box.came) == 3
