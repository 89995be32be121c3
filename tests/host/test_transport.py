"""Streams between two machines behave as asyncio's selector transports do."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.host.wire import PORT, Noting, Pair, Server

MIB = 1024 * 1024


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


class Echo(Noting):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


class HalfOpen(Noting):
    eof_keeps_open = True


async def connect(pair: Pair, kind: type[Noting] = Noting) -> Any:
    _, protocol = await pair.bot.create_connection(kind, "node-a", PORT)
    return protocol


def test_bytes_keep_their_order_whatever_the_latency(pair: Pair) -> None:
    """A hundred writes over jittering latency arrive whole and in order, both ways."""
    server = Server(Echo)
    pair.serve(server)

    async def main() -> bytes:
        client = await connect(pair)
        for n in range(100):
            client.transport.write(b"%d," % n)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        client.transport.close()
        return client.data

    assert pair.run(main()) == b"".join(b"%d," % n for n in range(100))
    assert server.last.calls[0] == "made"


def test_large_transfers_pass_both_ways(pair: Pair) -> None:
    """Five megabytes are echoed whole, in reads of at most 256 KiB, and writers are paused and resumed."""
    reads: list[int] = []

    class Client(Noting):
        def __init__(self) -> None:
            super().__init__()
            self.complete = asyncio.Event()

        def data_received(self, data: bytes) -> None:
            reads.append(len(data))
            super().data_received(data)
            if len(self.data) == len(payload):
                self.complete.set()

    pair.serve(Server(Echo))
    payload = bytes(range(256)) * (5 * MIB // 256)

    async def main() -> Any:
        client = await connect(pair, Client)
        client.transport.write(payload)
        await client.complete.wait()
        client.transport.close()
        await client.lost.wait()
        return client

    client = pair.run(main())

    assert client.data == payload
    assert max(reads) <= 256 * 1024
    assert client.calls.count("pause") == client.calls.count("resume") == 1


def test_a_reader_that_stops_holds_the_writer_back(pair: Pair) -> None:
    """While the other end has paused reading, the writer is paused; when it reads on, the writer is resumed."""
    server = Server()
    pair.serve(server)

    async def main() -> tuple[Any, int]:
        client = await connect(pair)
        await asyncio.sleep(0.05)
        server.last.transport.pause_reading()
        client.transport.write(bytes(MIB))
        waiting = client.transport.get_write_buffer_size()
        await asyncio.sleep(1)
        assert client.calls == ["made", "pause"]
        assert not server.last.data
        server.last.transport.resume_reading()
        await asyncio.sleep(0.1)
        assert len(server.last.data) == MIB
        client.transport.close()
        return client, waiting

    client, waiting = pair.run(main())

    assert client.calls[:3] == ["made", "pause", "resume"]
    assert waiting == MIB - 256 * 1024


def test_pausing_inside_data_received_keeps_the_rest(pair: Pair) -> None:
    """Nothing is delivered between pause_reading in data_received and resume_reading, not even the end."""

    class Pausing(Noting):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    server = Server(Pausing)
    pair.serve(server)

    async def main() -> list[str]:
        client = await connect(pair)
        client.transport.write(b"a")
        await asyncio.sleep(0.05)
        client.transport.write(b"b")
        client.transport.close()
        await asyncio.sleep(0.1)
        before = list(server.last.calls)
        server.last.transport.resume_reading()
        await asyncio.sleep(0.1)
        assert server.last.data == b"ab"
        server.last.transport.resume_reading()
        await asyncio.sleep(0.1)
        return before

    assert pair.run(main()) == ["made", "data"]
    assert server.last.calls == ["made", "data", "eof", "lost"]


def test_close_sends_what_was_written_first(pair: Pair) -> None:
    """close() right after write() delivers the bytes, then the end; both ends are told once, without an error."""
    server = Server()
    pair.serve(server)

    async def main() -> Any:
        client = await connect(pair)
        client.transport.write(b"last words")
        client.transport.close()
        assert client.transport.is_closing()
        await client.lost.wait()
        await asyncio.sleep(0.1)
        return client

    client = pair.run(main())

    assert (server.last.data, server.last.calls, server.last.error) == (
        b"last words",
        ["made", "data", "eof", "lost"],
        None,
    )
    assert (client.calls, client.error) == (["made", "lost"], None)


def test_half_close_leaves_the_other_direction_open(pair: Pair) -> None:
    """After write_eof the other end may still answer if eof_received says so; one end of stream is told, not two."""
    server = Server(HalfOpen)
    pair.serve(server)

    async def main() -> Any:
        client = await connect(pair)
        client.transport.write(b"question")
        client.transport.write_eof()
        with pytest.raises(RuntimeError, match="Cannot call write"):
            client.transport.write(b"more")
        await asyncio.sleep(0.05)
        server.last.transport.write(b"answer")
        server.last.transport.close()
        await client.lost.wait()
        return client

    client = pair.run(main())

    assert client.data == b"answer"
    assert server.last.calls == ["made", "data", "eof", "lost"]


def test_writing_to_a_closed_stream_is_dropped_and_logged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A write after close() raises nothing; from the fifth on asyncio's warning is logged, for the bot alone."""
    pair.serve(Server())
    pair.bot.signals = object()  # type: ignore[assignment]  # what tells a loop of the bot from one of the world

    async def main() -> None:
        client = await connect(pair)
        client.transport.close()
        for _ in range(6):
            client.transport.write(b"x")
        await client.lost.wait()

    with caplog.at_level(logging.WARNING, "asyncio"):
        pair.run(main())
    pair.bot.signals = None

    assert [record.message for record in caplog.records] == ["socket.send() raised exception."] * 2


def test_a_peer_that_closed_answers_data_with_a_reset(pair: Pair) -> None:
    """Bytes for a socket that was closed bring a reset: the writer loses its connection with ConnectionResetError."""

    class Quitter(HalfOpen):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.close()

    pair.serve(Server(Quitter))

    async def main() -> Any:
        client = await connect(pair, HalfOpen)
        await asyncio.sleep(0.05)
        client.transport.write(b"anyone?")
        await client.lost.wait()
        return client

    client = pair.run(main())

    assert client.calls == ["made", "eof", "lost"]
    assert isinstance(client.error, ConnectionResetError)


def test_abort_drops_what_is_unsent(pair: Pair) -> None:
    """abort() loses what was written in the same turn, and the other end sees a reset."""
    server = Server()
    pair.serve(server)

    async def main() -> Any:
        client = await connect(pair)
        await asyncio.sleep(0.05)
        client.transport.write(b"never sent")
        client.transport.abort()
        client.transport.abort()
        await client.lost.wait()
        await asyncio.sleep(0.05)
        return client

    client = pair.run(main())

    assert (client.calls, client.error) == (["made", "lost"], None)
    assert server.last.calls == ["made", "lost"]
    assert isinstance(server.last.error, ConnectionResetError)


def test_an_error_in_data_received_ends_the_connection(pair: Pair) -> None:
    """An exception in data_received goes to the exception handler and to connection_lost."""

    class Failing(Noting):
        def data_received(self, data: bytes) -> None:
            raise ValueError(data)

    server, told = Server(Failing), []
    pair.world.set_exception_handler(lambda loop, context: told.append(context["exception"]))
    pair.serve(server)

    async def main() -> None:
        client = await connect(pair)
        client.transport.write(b"x")
        await client.lost.wait()

    pair.run(main())

    assert [type(each) for each in told] == [ValueError]
    assert server.last.error is told[0]
    assert server.last.calls == ["made", "lost"]


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_buffered_protocols_get_one_buffer_at_a_time(pair: Pair, size: int) -> None:
    """A BufferedProtocol with a small buffer gets everything, a buffer a turn, and may pause between."""
    got: list[bytes] = []

    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(size)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            got.append(bytes(self.buffer[:nbytes]))
            if len(got) == 2:
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(0.2, self.transport.resume_reading)

        def connection_lost(self, exc: Exception | None) -> None:
            got.append(b"|")

    pair.serve(Buffered)

    async def main() -> None:
        client = await connect(pair)
        client.transport.write(b"0123456789")
        client.transport.close()
        await asyncio.sleep(0.1)
        if size < 5:
            assert len(got) == 2
        await asyncio.sleep(0.3)

    pair.run(main())

    assert b"".join(got) == b"0123456789|"
    assert all(len(part) <= size for part in got)


def test_an_empty_buffer_is_an_error(pair: Pair) -> None:
    """A BufferedProtocol that answers get_buffer with nothing loses its connection, and the loop does not hang."""
    lost: list[Exception | None] = []

    class Empty(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint: int) -> bytearray:
            return bytearray()

        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    pair.world.set_exception_handler(lambda loop, context: None)
    pair.serve(Empty)

    async def main() -> None:
        client = await connect(pair)
        client.transport.write(b"x")
        await client.lost.wait()

    pair.run(main())

    assert str(lost[0]) == "get_buffer() returned an empty buffer"


def test_callbacks_run_in_the_context_of_their_own_side(pair: Pair) -> None:
    """The server's protocol sees nothing of the client's context variables."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")
    seen: list[str] = []

    class Looking(Noting):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            seen.append(variable.get())

        def data_received(self, data: bytes) -> None:
            seen.append(variable.get())

    pair.serve(Server(Looking))

    async def main() -> None:
        variable.set("the client's")
        client = await connect(pair)
        client.transport.write(b"x")
        await asyncio.sleep(0.1)
        client.transport.close()

    pair.run(main())

    assert seen == ["nobody's", "nobody's"]


def test_streams_and_servers_are_asyncios_own(pair: Pair) -> None:
    """open_connection and start_server work on one machine; a server lives as the interpreter has it."""
    answered: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered.append(await reader.readline())
        writer.write(b"hello\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async def main() -> list[Any]:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        writer.write(b"hi\n")
        line = await reader.readline()
        serving = server.is_serving()
        server.close()
        waiting = asyncio.ensure_future(server.wait_closed())
        await asyncio.sleep(0.1)
        waited = not waiting.done()
        writer.close()
        await writer.wait_closed()
        await waiting
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("localhost", port)
        return [line, serving, waited]

    line, serving, waited = pair.run(main())

    assert (line, serving) == (b"hello\n", True)
    assert answered == [b"hi\n"]
    assert waited == (sys.version_info >= (3, 12))


def test_a_server_that_has_not_started_refuses(pair: Pair) -> None:
    """With start_serving=False the port is taken and refuses; serve_forever serves until it is cancelled."""

    async def main() -> None:
        server = await pair.bot.create_server(Noting, "localhost", 9000, start_serving=False)
        with pytest.raises(OSError, match="already in use"):
            await pair.bot.create_server(Noting, "localhost", 9000)
        with pytest.raises(ConnectionRefusedError):
            await pair.bot.create_connection(Noting, "localhost", 9000)
        task = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        transport, protocol = await pair.bot.create_connection(Noting, "localhost", 9000)
        transport.close()
        await protocol.lost.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.is_serving()
        assert server.sockets == ()

    pair.run(main())
