"""Links between sites act on unmodified asyncio streams, each direction by itself."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from sim.host.link import Link, Rule
from sim.rng import Stream
from sim.units import MS
from tests.host.wire import PORT, Noting, Pair, Server

HERE, THERE = "bot", "node-a"


class Steady:
    """Always the same time."""

    def __init__(self, delay_ns: int) -> None:
        self.delay_ns = delay_ns

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        return self.delay_ns


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def lay(pair: Pair, there: Link | None = None, back: Link | None = None) -> None:
    """Lay a link in one direction or both."""
    for rule in ((HERE, THERE, there), (THERE, HERE, back)):
        if rule[2] is not None:
            pair.network.links.rule([Rule(*rule)])


class Timing(Noting):
    """Answers each message with when it came, in ns, and notes how many bytes came when."""

    instants: list[tuple[int, int]]

    def data_received(self, data: bytes) -> None:
        now_ns = asyncio.get_running_loop().machine.now_ns()  # type: ignore[attr-defined]
        self.instants = [*getattr(self, "instants", []), (now_ns, len(data))]
        if len(data) < 10:
            self.transport.write(b"%d\n" % now_ns)
        super().data_received(data)


async def ask(pair: Pair, count: int, pause_s: float = 0.05) -> list[tuple[int, int]]:
    """Return, for each of some messages, how long it took there and back."""
    reader, writer = await asyncio.open_connection(THERE, PORT)
    taken = []
    for _ in range(count):
        sent_ns = pair.env.now
        writer.write(b"?")
        came_ns = int(await reader.readline())
        taken.append((came_ns - sent_ns, pair.env.now - came_ns))
        await asyncio.sleep(pause_s)
    writer.close()
    return taken


def test_each_direction_has_its_own_delay(pair: Pair) -> None:
    """10 ms there, 50 ms back, and the handshake takes both."""
    lay(pair, Link(delay=Steady(10 * MS)), Link(delay=Steady(50 * MS)))
    pair.serve(Server(Timing))

    async def main() -> tuple[float, list[tuple[int, int]]]:
        start = pair.bot.time()
        _, writer = await asyncio.open_connection(THERE, PORT)
        shaken = pair.bot.time() - start
        writer.close()
        return shaken, await ask(pair, 3)

    shaken, taken = pair.run(main())

    assert shaken == pytest.approx(0.0605)
    assert taken == [(10 * MS, 50 * MS)] * 3


def test_a_link_that_says_no_delay_keeps_the_default(pair: Pair) -> None:
    """A link with a bandwidth that nothing fills leaves every draw of the host's latency as it was."""
    lay(pair, Link(bandwidth=10**15), Link(bandwidth=10**15))
    pair.serve(Server(Timing))
    other = Pair()
    other.serve(Server(Timing))

    linked, bare = pair.run(ask(pair, 5)), other.run(ask(other, 5))

    other.close()
    assert linked == bare
    assert len(set(linked)) == 5


def test_bandwidth_lets_a_large_write_arrive_in_parts(pair: Pair) -> None:
    """1 MB at 8 Mbit/s takes a second; it comes in parts, and the other direction does not wait for it."""
    lay(pair, Link(delay=Steady(MS), bandwidth=8_000_000), Link(delay=Steady(MS)))
    server = Server(Timing)
    pair.serve(server)

    async def main() -> None:
        _, writer = await asyncio.open_connection(THERE, PORT)
        writer.write(bytes(1_000_000))
        await writer.drain()
        writer.close()
        await asyncio.sleep(2)

    pair.run(main())

    instants = server.last.instants
    assert sum(size for _, size in instants) == 1_000_000
    assert len(instants) > 50
    assert instants[-1][0] - instants[0][0] == pytest.approx(1e9, rel=0.03)
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(instants)]
    assert max(gaps) < 50 * MS


def test_bandwidth_is_shared_by_connections(pair: Pair) -> None:
    """Two connections that send half a megabyte each at once are done when one with a megabyte would be."""
    lay(pair, Link(delay=Steady(MS), bandwidth=8_000_000))
    server = Server(Timing)
    pair.serve(server)

    async def one() -> None:
        _, writer = await asyncio.open_connection(THERE, PORT)
        writer.write(bytes(500_000))
        await writer.drain()
        await asyncio.sleep(3)
        writer.close()

    async def main() -> None:
        await asyncio.gather(one(), one())

    pair.run(main())

    ends = [each.instants[-1][0] for each in server.made]
    assert max(ends) == pytest.approx(1e9, rel=0.1)
    assert min(ends) > 0.5e9


def test_a_slow_link_pauses_the_writer(pair: Pair) -> None:
    """`drain` waits on a slow link: the protocol is told to pause over the high-water mark and to go on below it."""
    lay(pair, Link(bandwidth=8_000_000))
    pair.serve(Server(Timing))

    async def main() -> tuple[list[str], float]:
        start = pair.bot.time()
        resumed = asyncio.Event()

        class Waking(Noting):
            def resume_writing(self) -> None:
                super().resume_writing()
                resumed.set()

        transport, protocol = await pair.bot.create_connection(Waking, THERE, PORT)
        transport.set_write_buffer_limits(high=100_000, low=10_000)
        transport.write(bytes(1_000_000))
        assert transport.get_write_buffer_size() > 100_000
        await asyncio.wait_for(resumed.wait(), 10)
        took = pair.bot.time() - start
        transport.close()
        return [*protocol.calls[:3]], took

    calls, took = pair.run(main())

    assert calls == ["made", "pause", "resume"]
    assert 0.6 < took < 0.9, "a quarter of a megabyte is in the kernels' buffers when the rest has left"


def test_loss_costs_time_and_no_bytes(pair: Pair) -> None:
    """Three packets in ten lost: every message arrives in order; lost ones take 200 ms more, then 600 ms more."""
    lay(pair, Link(delay=Steady(10 * MS), loss_ratio=0.3), Link(delay=Steady(10 * MS)))
    server = Server(Timing)
    pair.serve(server)

    taken = pair.run(ask(pair, 200, pause_s=0.0))

    there = [each for each, _ in taken]
    assert {each for _, each in taken} == {10 * MS}
    assert set(there) <= {(10 + 200 * (2**lost - 1)) * MS for lost in range(8)}
    assert 40 <= sum(each > 10 * MS for each in there) <= 80
    assert server.last.data == b"?" * 200


def test_a_packet_with_others_behind_it_is_sent_again_at_once(pair: Pair) -> None:
    """In a large write most losses cost a round trip, not a time-out."""
    lay(pair, Link(delay=Steady(10 * MS), loss_ratio=0.05), Link(delay=Steady(10 * MS)))
    server = Server(Timing)
    pair.serve(server)

    async def main() -> list[int]:
        took = []
        for _ in range(60):
            _, writer = await asyncio.open_connection(THERE, PORT)
            sent_ns = pair.env.now
            writer.write(bytes(14_000))
            await asyncio.sleep(2)
            took.append(server.last.instants[-1][0] - sent_ns)
            writer.close()
        return took

    took = pair.run(main())

    assert {10 * MS, 30 * MS} <= set(took)
    assert took.count(30 * MS) > sum(each >= 200 * MS for each in took) > 0


def test_jitter_stays_in_bounds_and_correlation_smooths_it() -> None:
    """Up to 8 ms more or less around 20 ms; with a correlation of 90 % neighbours differ by far less."""

    def there(correlation: float) -> list[int]:
        pair = Pair()
        link = Link(delay=Steady(20 * MS), jitter_ns=8 * MS, correlation_ratio=correlation)
        lay(pair, link, Link(delay=Steady(MS)))
        pair.serve(Server(Timing))
        taken = [each for each, _ in pair.run(ask(pair, 100))]
        pair.close()
        return taken

    def step(times: list[int]) -> float:
        return sum(abs(one - other) for one, other in itertools.pairwise(times)) / len(times)

    rough, smooth = there(0.0), there(0.9)

    assert min(rough) < 14 * MS < 26 * MS < max(rough)
    assert all(12 * MS <= each <= 28 * MS for each in rough + smooth)
    assert step(smooth) < step(rough) / 5


def test_connections_overtake_each_other_and_one_never_overtakes_itself(pair: Pair) -> None:
    """With jitter, what is sent first on one connection may arrive after what is sent later on another."""
    lay(pair, Link(delay=Steady(20 * MS), jitter_ns=19 * MS))
    seen: list[bytes] = []

    class Keeping(Noting):
        def data_received(self, data: bytes) -> None:
            seen.append(data)

    pair.serve(Server(Keeping))

    async def main() -> None:
        writers = [(await asyncio.open_connection(THERE, PORT))[1] for _ in range(2)]
        for n in range(40):
            writers[n % 2].write(b"%d;" % n)
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        for writer in writers:
            writer.close()

    pair.run(main())

    order = [int(each) for each in b"".join(seen).split(b";") if each]
    assert order != sorted(order)
    for parity in (0, 1):
        mine = [each for each in order if each % 2 == parity]
        assert mine == sorted(mine)
    assert len(order) == 40


def test_one_connection_more_moves_no_draw() -> None:
    """Jitter and loss of a connection stay as they were when others are opened, here and to another host (Law 6)."""

    def taken(others: bool) -> list[tuple[int, int]]:
        pair = Pair()
        pair.network.add_site("node-b")
        link = Link(delay=Steady(20 * MS), jitter_ns=8 * MS, loss_ratio=0.2)
        pair.network.links.rule([Rule("*", "*", link)])
        pair.serve(Server(Timing))
        pair.serve(Server(Timing), "node-b")

        async def beside() -> None:
            await asyncio.sleep(3)
            for host in ("node-b", THERE):
                _, writer = await asyncio.open_connection(host, PORT)
                writer.write(b"!")
                writer.close()

        async def main() -> list[tuple[int, int]]:
            asking = asyncio.ensure_future(ask(pair, 50, pause_s=0.2))
            if others:
                await beside()
            return await asking

        result: list[tuple[int, int]] = pair.run(main())
        pair.close()
        return result

    assert taken(others=True) == taken(others=False)


def test_later_rules_win_key_by_key(pair: Pair) -> None:
    """A general rule gives what a later, narrower one leaves open; nothing within one site is a link."""
    links = pair.network.links
    links.rule([Rule("*", "*", Link(loss_ratio=0.1, retransmit_ns=5)), Rule(HERE, THERE, Link(loss_ratio=0.2))])

    assert links.line(HERE, THERE).link == Link(loss_ratio=0.2, retransmit_ns=5)
    assert links.line(THERE, HERE).link == Link(loss_ratio=0.1, retransmit_ns=5)
    assert links.line(HERE, HERE).plain
