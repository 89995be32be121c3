"""`loop.start_tls`: modelled TLS over a connection that is open already."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import pytest

from sim.host.link import Link, Rule
from tests.host.flown import fly
from tests.host.wire import PORT, Noting, Pair, Server


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


async def starttls_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak like a mail server: plain until STARTTLS, then echo."""
    assert await reader.readline() == b"STARTTLS\n"
    writer.write(b"ready\n")
    await writer.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    writer.write(b"secret " + await reader.readline())
    await writer.drain()
    writer.close()


def test_streams_upgrade_on_both_sides(pair: Pair) -> None:
    """`StreamWriter.start_tls` on client and server: a round trip, an ssl_object, and the bytes that follow."""

    async def main() -> tuple[float, bytes, str]:
        reader, writer = await asyncio.open_connection("node-a", PORT)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"ready\n"
        assert writer.get_extra_info("ssl_object") is None
        start = pair.bot.time()
        await writer.start_tls(ssl.create_default_context(), server_hostname="node-a")
        took = pair.bot.time() - start
        writer.write(b"word\n")
        answer = await reader.read()
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        return took, answer, version

    serving = pair.world.create_task(asyncio.start_server(starttls_server, "node-a", PORT))
    pair.env.step()
    took, answer, version = pair.run(main())
    server = serving.result()
    server.close()

    assert 0.009 < took < 0.021
    assert answer == b"secret word\n"
    assert version == "TLSv1.3"


def test_a_handshake_that_nobody_answers_times_out(pair: Pair) -> None:
    """Through a partition the handshake ends after its time-out, and the connection is dropped."""
    pair.serve(Server())

    async def main() -> tuple[str, float, bool]:
        transport, protocol = await pair.bot.create_connection(Noting, "node-a", PORT)
        pair.network.links.overlay("cut", [Rule("*", "*", Link(down=True))])
        start = pair.bot.time()
        with pytest.raises(ConnectionAbortedError) as caught:
            await pair.bot.start_tls(transport, protocol, ssl.create_default_context(), ssl_handshake_timeout=7)
        return str(caught.value), pair.bot.time() - start, transport.is_closing()

    message, took, closing = pair.run(main())

    assert message == "SSL handshake is taking longer than 7 seconds: aborting the connection"
    assert took == pytest.approx(7)
    assert closing


def test_what_is_no_context_or_transport_is_refused_as_asyncio_does(pair: Pair) -> None:
    """Wrong types raise TypeError before anything is sent."""

    async def main() -> None:
        for transport, context in ((None, ssl.create_default_context()), (None, "context")):
            with pytest.raises(TypeError):
                await pair.bot.start_tls(transport, asyncio.Protocol(), context)

    pair.run(main())


def test_aiohttp_reaches_https_through_a_proxy() -> None:
    """`proxy=` with an https URL: CONNECT, then aiohttp calls `loop.start_tls` on the open connection."""
    said = fly(
        """
import aiohttp
from aiohttp import web

async def pipe(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def proxied(reader, writer):
    asked = (await reader.readuntil(b"\\r\\n\\r\\n")).split()
    host, _, port = asked[1].decode().partition(":")
    there = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\\r\\n\\r\\n")
    said["asked"] = [asked[0].decode(), asked[1].decode()]
    await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))

async def hello(request):
    return web.json_response({"path": request.path})

async def serve():
    app = web.Application()
    app.router.add_get("/{tail:.*}", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "node-a", 443).start()
    await asyncio.start_server(proxied, "proxy", 3128)

network.add_site("proxy", Latency())
serving = world.create_task(serve())
while not serving.done(): env.step()
serving.result()

async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get("https://node-a/price", proxy="http://proxy:3128") as response:
            said["answer"] = await response.json()

asyncio.run(main())
"""
    )

    assert said == {"asked": ["CONNECT", "node-a:443"], "answer": {"path": "/price"}}


def test_handshakes_of_new_connections_time_out_too() -> None:
    """The way is cut after TCP's handshake: asyncio gives up after a minute, requests after its own time-out."""
    said = fly(
        """
import requests, socket, ssl
from sim.host.link import Link, Rule

world.create_task(world.create_server(asyncio.Protocol, "node-a", 443))
time.sleep(0.001)

def cut_soon():
    network.links.lift("cut")
    env.after(6 * MS, network.links.overlay, "cut", (Rule("*", "*", Link(down=True)),))

def spent(began_ns):
    return round((env.now - began_ns) / 1e9, 1)

async def main():
    cut_soon()
    began = env.now
    try:
        await asyncio.open_connection("node-a", 443, ssl=True)
    except ConnectionAbortedError as error:
        said["asyncio"] = [str(error)[:43], spent(began)]

asyncio.run(main())
cut_soon()
began = env.now
try:
    requests.get("https://node-a/", timeout=5)
except requests.exceptions.Timeout as error:
    said["requests"] = [type(error).__name__, spent(began)]
"""
    )

    assert said == {
        "asyncio": ["SSL handshake is taking longer than 60.0 se", 60.0],
        "requests": ["ReadTimeout", 5.0],
    }
