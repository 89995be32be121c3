"""Blocking sockets: real libraries' calls on the simulated network, in threads, with virtual time-outs."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from tests.host.flown import fly

ECHO = """
import select, selectors, socket, ssl, warnings


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        if data != b"quiet":
            self.transport.write(data)
    def eof_received(self):
        self.transport.write(b"bye")

world.create_task(world.create_server(Echo, "node-a", 7))
time.sleep(0.001)

def spent(began_ns):
    return round((env.now - began_ns) / 1e6)

"""


def said_by(script: str) -> dict[str, Any]:
    """Fly *script* beside an echo server at `node-a`, port 7."""
    return fly(ECHO + dedent(script))


def test_a_call_takes_a_round_trip() -> None:
    """Connecting costs one round trip of 10 to 11 ms and an echo another, in the main thread, without a loop."""
    said = said_by("""
        began = env.now
        with socket.create_connection(("node-a", 7)) as line:
            said["connected_ms"] = spent(began)
            line.sendall(b"hello")
            said["echo"] = line.recv(100).decode()
            said["peer"] = line.getpeername()[1]
        said["all_ms"] = spent(began)
    """)

    assert (said["echo"], said["peer"]) == ("hello", 7)
    assert 10 <= said["connected_ms"] <= 12
    assert 20 <= said["all_ms"] <= 24


def test_time_outs_are_virtual() -> None:
    """A read that gets nothing ends after its two seconds, one without blocking at once, and the socket goes on."""
    said = said_by("""
        line = socket.create_connection(("node-a", 7), timeout=2)
        line.sendall(b"quiet")
        began = env.now
        try:
            line.recv(10)
        except TimeoutError as error:
            said["timeout"] = [str(error), spent(began)]
        line.settimeout(0)
        try:
            line.recv(10)
        except BlockingIOError as error:
            said["errno"] = error.errno
        line.settimeout(None)
        line.sendall(b"again")
        said["echo"] = line.recv(10).decode()
        line.close()
    """)

    assert said == {"timeout": ["timed out", 2000], "errno": 11, "echo": "again"}


def test_failures_are_the_real_ones() -> None:
    """Nobody listens, no such name, a port that is taken, no IPv6, nothing connected: the errors are the kernel's."""
    said = said_by("""
        def failure(call, *args):
            try:
                call(*args)
            except OSError as error:
                return [type(error).__name__, error.errno]
        said["refused"] = failure(socket.create_connection, ("node-a", 8))
        said["unknown"] = failure(socket.create_connection, ("nobody", 8))[0]
        held = socket.create_server(("localhost", 9000))
        said["taken"] = failure(socket.create_server, ("localhost", 9000))
        bound = socket.socket()
        bound.bind(("localhost", 9001))
        said["bound"] = failure(socket.create_connection, ("localhost", 9001))
        said["ipv6"] = failure(socket.socket(socket.AF_INET6).bind, ("::1", 0))
        said["unconnected"] = failure(socket.socket().recv, 1)
        said["twice"] = failure(lambda: [line.connect(("node-a", 7)) for line in [socket.socket()] for _ in range(2)])
    """)

    assert said == {
        "refused": ["ConnectionRefusedError", 111], "unknown": "gaierror", "taken": ["OSError", 98],
        "bound": ["ConnectionRefusedError", 111], "ipv6": ["OSError", 99], "unconnected": ["OSError", 107],
        "twice": ["OSError", 106],
    }  # fmt: skip


def test_a_server_in_a_thread_takes_what_a_slow_reader_leaves() -> None:
    """Two megabytes reach a thread that begins to read after a second; until then the sender waits for room."""
    said = said_by("""
        server = socket.create_server(("localhost", 9000))
        got = bytearray()
        def serve():
            line, peer = server.accept()
            time.sleep(1)
            with line:
                while data := line.recv(10_000):
                    got.extend(data)
        reader = threading.Thread(target=serve)
        reader.start()
        payload = bytes(range(256)) * 8192
        with socket.create_connection(("localhost", 9000)) as line:
            for start in range(0, len(payload), 65536):
                line.sendall(payload[start : start + 65536])
            said["sent_ms"] = spent(0)
        reader.join()
        said["equal"] = bytes(got) == payload
    """)

    assert said["equal"] is True
    assert said["sent_ms"] > 1000


def test_half_a_connection_can_be_closed() -> None:
    """After `shutdown(SHUT_WR)` the server's last words still arrive, then the end; a write is a broken pipe."""
    said = said_by("""
        line = socket.create_connection(("node-a", 7))
        line.sendall(b"hello")
        line.shutdown(socket.SHUT_WR)
        with line.makefile("rb") as stream:
            said["read"] = stream.read().decode()
        try:
            line.sendall(b"more")
        except OSError as error:
            said["error"] = type(error).__name__
        line.close()
    """)

    assert said == {"read": "hellobye", "error": "BrokenPipeError"}


def test_select_poll_and_selectors_wait_in_virtual_time() -> None:
    """All three see who is readable after a round trip, and give up after their time-out."""
    said = said_by("""
        line = socket.create_connection(("node-a", 7))
        said["writable"] = select.select([line], [line], [], 5)[1] == [line]
        began = env.now
        said["nothing"] = [len(select.select([line], [], [], 3)[0]), spent(began)]
        line.sendall(b"x")
        poll = select.poll()
        poll.register(line, select.POLLIN)
        said["poll"] = [bool(mask & select.POLLIN) for _, mask in poll.poll(5000)]
        line.recv(1)
        with selectors.DefaultSelector() as selector:
            selector.register(line, selectors.EVENT_READ, "line")
            line.sendall(b"y")
            said["selector"] = [key.data for key, _ in selector.select(5)]
        line.close()
        said["spent_s"] = round(env.now / 1e9)
    """)

    assert said == {
        "writable": True, "nothing": [0, 3000], "poll": [True], "selector": ["line"], "spent_s": 3,
    }  # fmt: skip


def test_tls_takes_its_round_trip_and_carries_plaintext() -> None:
    """A wrapped socket tells its version and the name it was asked for; a memory BIO passes bytes as they are."""
    said = said_by("""
        context = ssl.create_default_context()
        plain = socket.create_connection(("node-a", 7))
        began = env.now
        with context.wrap_socket(plain, server_hostname="node-a") as line:
            said["handshake_ms"] = spent(began)
            line.sendall(b"secret")
            said["echo"] = line.recv(100).decode()
            said["tells"] = [line.version(), line.server_hostname, line.selected_alpn_protocol()]
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        memory = context.wrap_bio(incoming, outgoing, server_hostname="node-a")
        memory.do_handshake()
        memory.write(b"out")
        try:
            memory.read(10)
        except ssl.SSLWantReadError:
            incoming.write(b"in")
        said["memory"] = [outgoing.read().decode(), memory.read(10).decode()]
    """)

    assert 10 <= said.pop("handshake_ms") <= 12
    assert said == {"echo": "secret", "tells": ["TLSv1.3", "node-a", None], "memory": ["out", "in"]}


def test_what_is_not_simulated_is_refused() -> None:
    """Unix sockets, pairs, duplicates, epoll and a connect without blocking say so and are noted."""
    said = said_by("""
        line = socket.create_connection(("node-a", 7))
        def without_blocking():
            other = socket.socket()
            other.setblocking(False)
            other.connect(("node-a", 7))
        names = []
        for call in (
            lambda: line.sendto(b"x", ("node-a", 7)),
            lambda: socket.socket(socket.AF_UNIX).connect("/tmp/x"),
            socket.socketpair, line.dup, select.epoll, without_blocking,
        ):
            try:
                call()
            except Exception as error:
                names.append(type(error).__name__)
        said.update(names=names, refused=len(refused))
    """)

    assert said == {"names": ["BoundaryError"] * 6, "refused": 6}


def test_a_forgotten_socket_warns_and_closes() -> None:
    """As in CPython a collected open socket gives a ResourceWarning; its connection ends."""
    said = said_by("""
        line = socket.create_connection(("node-a", 7))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del line
        time.sleep(1)
        said.update(warned=[each.category.__name__ for each in caught], open=len(network.connections))
    """)

    assert said == {"warned": ["ResourceWarning"], "open": 0}


def test_a_send_with_a_time_out_takes_what_the_buffers_take() -> None:
    """Half a megabyte to who does not read: a part of it, then the time-out; a blocking send waits for room."""
    said = said_by("""
        class Slow(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport, self.got = transport, 0
                transport.pause_reading()
                world.call_later(5, transport.resume_reading)
            def data_received(self, data):
                self.got += len(data)
                said["got"] = self.got
        world.create_task(world.create_server(Slow, "node-a", 8))
        time.sleep(0.001)
        line = socket.create_connection(("node-a", 8), timeout=1)
        said["first"] = line.send(bytes(500_000))
        began = env.now
        try:
            line.sendall(bytes(500_000))
        except TimeoutError:
            said["timed out after"] = spent(began)
        line.settimeout(None)
        began = env.now
        said["blocking"] = line.send(bytes(500_000))
        said["waited"] = spent(began) > 3500
        line.close()
        time.sleep(1)
    """)

    took = said.pop("first")
    assert 256 * 1024 <= took < 400_000
    assert said.pop("got") == took + 500_000
    assert said == {"timed out after": 1000, "blocking": 500_000, "waited": True}
