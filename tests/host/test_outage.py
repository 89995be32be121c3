"""What TCP does when the way is cut: it sends again, waits longer each time, and gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.host.link import Link, Rule
from sim.units import S
from tests.host.wire import PORT, Noting, Pair, Server

THERE = Rule("bot", "node-a", Link(down=True))
BACK = Rule("node-a", "bot", Link(down=True))


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


async def opened(pair: Pair) -> Noting:
    """Return the protocol of a new connection."""
    _, protocol = await pair.bot.create_connection(Noting, "node-a", PORT)
    return protocol


def cut(pair: Pair, after_s: float, *rules: Rule, until_s: float | None = None) -> None:
    """Cut the way some time from now, and mend it."""
    links, now_ns = pair.network.links, pair.env.now
    pair.env.at(now_ns + int(after_s * 1e9), links.overlay, "cut", rules)
    if until_s is not None:
        pair.env.at(now_ns + int(until_s * 1e9), links.lift, "cut")


def test_what_was_sent_during_an_outage_arrives_once_in_order_and_with_its_end(pair: Pair) -> None:
    """Data and the end of the stream wait for the retransmission after the outage; nothing is lost or doubled."""
    server = Server()
    pair.serve(server)

    async def main() -> list[float]:
        protocol = await opened(pair)
        cut(pair, 0, THERE, BACK, until_s=5)
        await asyncio.sleep(0)
        assert pair.network.on_the_wire_until() <= pair.env.now
        for n in range(50):
            protocol.transport.write(b"%02d" % n)
            await asyncio.sleep(0.05)
        protocol.transport.write_eof()
        assert pair.network.on_the_wire_until() > pair.env.now + 900 * S
        sent = pair.bot.time()
        await asyncio.wait_for(protocol.lost.wait(), 60)
        return [pair.bot.time() - sent]

    took = pair.run(main())

    assert server.last.data == b"".join(b"%02d" % n for n in range(50))
    assert server.last.calls == ["made", "data", "eof", "lost"]
    assert took[0] == pytest.approx(6.2 - 2.5, abs=0.2), "0.2 + 0.4 + ... + 3.2 s after the first write"


def test_a_connection_is_given_up_after_a_quarter_of_an_hour(pair: Pair) -> None:
    """Fifteen retransmissions in vain, then ETIMEDOUT; the other end never hears of it."""
    server = Server()
    pair.serve(server)

    async def main() -> tuple[float, Exception | None]:
        protocol = await opened(pair)
        cut(pair, 0, THERE, BACK)
        await asyncio.sleep(0.01)
        sent = pair.bot.time()
        protocol.transport.write(b"?")
        await protocol.lost.wait()
        return pair.bot.time() - sent, protocol.error

    took, error = pair.run(main())

    assert isinstance(error, TimeoutError)
    assert error.errno == 110
    assert took == pytest.approx(924.6, abs=0.1)
    assert server.last.calls == ["made"]


def test_without_acknowledgements_the_sender_gives_up_too(pair: Pair) -> None:
    """Only the way back is cut: the data arrives, and the sender, who never learns it, ends with ETIMEDOUT."""
    server = Server()
    pair.serve(server)

    async def main() -> Exception | None:
        protocol = await opened(pair)
        cut(pair, 0, BACK)
        await asyncio.sleep(0.01)
        protocol.transport.write(b"?")
        await asyncio.wait_for(protocol.lost.wait(), 1000)
        return protocol.error

    error = pair.run(main())

    assert isinstance(error, TimeoutError)
    assert server.last.data == b"?"


def test_unacknowledged_data_pauses_the_writer_until_the_way_back_is_mended(pair: Pair) -> None:
    """A one-way outage fills the window; acknowledgements come when it is over, and writing goes on."""
    server = Server()
    pair.serve(server)

    async def main() -> tuple[float, bool]:
        _, writer = await asyncio.open_connection("node-a", PORT)
        cut(pair, 0, BACK, until_s=5)
        await asyncio.sleep(0.01)
        start = pair.bot.time()
        writer.write(bytes(1_000_000))
        await asyncio.wait_for(writer.drain(), 60)
        took = pair.bot.time() - start
        await asyncio.sleep(20)
        writer.close()
        return took, writer.transport.get_write_buffer_size() == 0

    took, empty = pair.run(main())

    assert 5 < took < 13
    assert empty
    assert len(server.last.data) == 1_000_000


def test_a_handshake_goes_on_when_the_way_is_mended(pair: Pair) -> None:
    """Begun in an outage of 6.5 s it is begun again after 1 s, 2 s and 4 s more, and succeeds with the last."""
    pair.serve(Server())

    async def main() -> float:
        cut(pair, 0, THERE, until_s=6.5)
        await asyncio.sleep(0.01)
        start = pair.bot.time()
        await opened(pair)
        return pair.bot.time() - start

    assert pair.run(main()) == pytest.approx(7.0105, abs=0.02)


def test_an_abort_during_an_outage_leaves_the_other_end_half_open(pair: Pair) -> None:
    """The reset is lost; the server learns it when it sends, once the way is mended."""
    server = Server()
    pair.serve(server)

    async def main() -> tuple[list[str], list[str], Exception | None]:
        protocol = await opened(pair)
        await asyncio.sleep(0.1)
        cut(pair, 0, THERE, BACK, until_s=2)
        await asyncio.sleep(0.01)
        protocol.transport.abort()
        await asyncio.sleep(3)
        before = [*server.last.calls]
        server.last.transport.write(b"anybody?")
        await asyncio.sleep(1)
        return before, server.last.calls, server.last.error

    before, after, error = pair.run(main())

    assert before == ["made"]
    assert after == ["made", "lost"]
    assert isinstance(error, ConnectionResetError)


Trouble = tuple[float, float, int]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 3), st.integers(0, 3)), max_size=4),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 40_000)), min_size=1, max_size=15),
    st.integers(0, 1000),
)
def test_bytes_arrive_once_and_in_order_whatever_the_link_does(
    troubles: list[Trouble], writes: list[tuple[float, int]], seed: int
) -> None:
    """Outages, losses, jitter and bandwidth that come and go between writes, the end of the stream included."""
    pair = Pair(seed)
    server = Server()
    pair.serve(server)
    rules = [
        (THERE, BACK),
        (THERE,),
        (Rule("*", "*", Link(loss_ratio=0.3, jitter_ns=4_000_000)),),
        (Rule("*", "*", Link(bandwidth=2_000_000)), BACK),
    ]
    for number, (at_s, lasts_s, kind) in enumerate(troubles):
        pair.env.at(int(at_s * 1e9), pair.network.links.overlay, str(number), rules[kind])
        pair.env.at(int((at_s + lasts_s) * 1e9), pair.network.links.lift, str(number))

    async def main() -> bytes:
        protocol = await opened(pair)
        sent = b""
        for n, (pause_s, size) in enumerate(writes):
            sent += bytes([n]) * size
            protocol.transport.write(bytes([n]) * size)
            await asyncio.sleep(pause_s)
        protocol.transport.write_eof()
        await asyncio.wait_for(protocol.lost.wait(), 600)
        assert protocol.error is None
        return sent

    sent = pair.run(main())
    pair.close()

    assert server.last.data == sent
    assert server.last.calls[-2:] == ["eof", "lost"]
