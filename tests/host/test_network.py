"""Names, refusals, latency and cuts on the simulated network."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from itertools import pairwise

import pytest

from sim.errors import BoundaryError
from tests.host.wire import PORT, Noting, Pair, Server


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_an_unknown_host_names_the_key_to_add(pair: Pair) -> None:
    """Resolving a name the scenario lacks fails as DNS does, and says which key to add and what there is."""

    async def main() -> str:
        with pytest.raises(socket.gaierror) as caught:
            await pair.bot.create_connection(Noting, "api.example.com", 443)
        return str(caught.value)

    message = pair.run(main())

    assert "api.example.com" in message
    assert "hosts" in message
    assert "node-a" in message


def test_nobody_listening_is_refused_after_a_round_trip(pair: Pair) -> None:
    """A port without a listener, and a host declared down, refuse after a round trip."""
    pair.network.add_site("down", refused=True)

    async def main() -> list[float]:
        took = []
        for host in ("node-a", "down"):
            start = pair.bot.time()
            with pytest.raises(ConnectionRefusedError):
                await pair.bot.create_connection(Noting, host, PORT)
            took.append(pair.bot.time() - start)
        return took

    took = pair.run(main())

    assert 0.010 <= took[0] <= 0.021
    assert took[1] > 0


def test_addresses_and_names_lead_to_the_same_host(pair: Pair) -> None:
    """A look-up gives one IPv4 address, which can be dialled and leads back to the name; IPv6 is not there."""
    server = Server()
    pair.serve(server)

    async def main() -> str:
        infos = await pair.bot.getaddrinfo("NODE-A.", PORT, type=socket.SOCK_STREAM)
        assert len(infos) == 1
        address = infos[0][4]
        transport, _ = await pair.bot.create_connection(Noting, *address)
        assert transport.get_extra_info("peername") == address
        transport.close()
        with pytest.raises(socket.gaierror):
            await pair.bot.getaddrinfo("node-a", PORT, family=socket.AF_INET6)
        name, _ = await pair.bot.getnameinfo(address)
        return name

    assert pair.run(main()) == "node-a"


class Echo(Noting):
    """Sends back what it gets."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def test_a_dial_elsewhere_moves_no_draw() -> None:
    """Handshakes and bytes to a host take as long whether another host, or its alias, was dialled before or not."""

    def took(*before: str) -> list[int]:
        flown = Pair()
        flown.network.add_site("node-b", flown.network.sites["node-a"].latency)
        flown.network.add_site("rpc.example.com", alias_of="node-a")
        for host in ("node-a", "node-b", "rpc.example.com"):
            flown.serve(Server(Echo), host)

        async def timed(host: str) -> list[int]:
            times = [flown.env.now]
            reader, writer = await asyncio.open_connection(host, PORT, ssl=True)
            times.append(flown.env.now)
            writer.write(b"x")
            await reader.readexactly(1)
            times.append(flown.env.now)
            writer.close()
            return [later - earlier for earlier, later in pairwise(times)]

        async def main() -> list[int]:
            await asyncio.gather(*map(timed, before))
            return [*await timed("node-a"), *await timed("node-a")]

        times: list[int] = flown.run(main())
        flown.close()
        return times

    alone = took()

    assert took("node-b") == took("rpc.example.com") == took("node-b", "rpc.example.com", "node-b") == alone
    assert took("node-a")[:2] == alone[2:] != alone[:2]


def test_draws_are_keyed() -> None:
    """A second connection leaves every latency of the first as it was."""

    def arrivals(both: bool) -> list[int]:
        flown = Pair()
        times: list[int] = []

        class Timing(Noting):
            def data_received(self, data: bytes) -> None:
                if data != b"other":
                    times.append(flown.env.now)

        flown.serve(Server(Timing))

        async def main() -> None:
            first, _ = await flown.bot.create_connection(Noting, "node-a", PORT)
            second, _ = await flown.bot.create_connection(Noting, "node-a", PORT) if both else (None, None)
            await asyncio.sleep(1 - flown.env.now / 1e9)
            for n in range(20):
                first.write(b"%d" % n)
                if second is not None:
                    second.write(b"other")
                await asyncio.sleep(0.1)

        flown.run(main())
        flown.close()
        return times

    assert arrivals(both=False) == arrivals(both=True)


def test_a_cut_resets_every_connection_to_a_host(pair: Pair) -> None:
    """cut() resets both ends at once; connections elsewhere and new ones are untouched."""
    near, far = Server(), Server()
    pair.network.add_site("node-b")
    pair.serve(near)
    pair.serve(far, "node-b")

    async def main() -> list[object]:
        made = [(await pair.bot.create_connection(Noting, host, PORT))[1] for host in ("node-a", "node-a", "node-b")]
        await asyncio.sleep(0.1)
        count = pair.network.cut("node-a")
        await asyncio.sleep(0.1)
        again, _ = await pair.bot.create_connection(Noting, "node-a", PORT)
        return [count, [type(each.error) for each in made], [each.calls[-1] for each in made], again.is_closing()]

    assert pair.run(main()) == [
        2,
        [ConnectionResetError, ConnectionResetError, type(None)],
        ["lost", "lost", "made"],
        False,
    ]
    assert [type(each.error) for each in near.made[:2]] == [ConnectionResetError] * 2


def test_tls_costs_a_round_trip_and_shows_an_ssl_object(pair: Pair) -> None:
    """With ssl= the handshake takes one more round trip and clients read what they read of a TLS session."""
    server = Server()
    pair.serve(server)
    context = ssl.create_default_context()

    async def main() -> list[float]:
        took = []
        for ssl_context in (None, context):
            start = pair.bot.time()
            transport, _ = await pair.bot.create_connection(Noting, "node-a", PORT, ssl=ssl_context)
            took.append(pair.bot.time() - start)
        session = transport.get_extra_info("ssl_object")
        assert session.version() == "TLSv1.3"
        assert session.selected_alpn_protocol() is None
        assert transport.get_extra_info("sslcontext") is context
        assert transport.get_extra_info("cipher")[0].startswith("TLS_")
        assert transport.get_extra_info("peercert") == {}
        transport.write(b"plain")
        await asyncio.sleep(0.1)
        return took

    plain, secured = pair.run(main())

    assert secured - plain > 0.004
    assert server.last.data == b"plain"


def test_what_needs_a_descriptor_is_refused(pair: Pair) -> None:
    """add_reader, pipes, subprocesses and the rest raise BoundaryError with their name."""

    async def main() -> list[str]:
        loop, refused = pair.bot, []
        for name, args in (
            ("add_reader", (0, print)),
            ("add_writer", (1, print)),
            ("sock_recv", (None, 1)),
            ("create_unix_connection", (asyncio.Protocol, "/run/x")),
            ("subprocess_exec", (asyncio.SubprocessProtocol, "true")),
            ("connect_read_pipe", (asyncio.Protocol, None)),
        ):
            with pytest.raises(BoundaryError) as caught:
                getattr(loop, name)(*args)
            refused.append(caught.value.api)
        return refused

    assert pair.run(main()) == [
        "loop.add_reader",
        "loop.add_writer",
        "loop.sock_recv",
        "loop.create_unix_connection",
        "loop.subprocess_exec",
        "loop.connect_read_pipe",
    ]
