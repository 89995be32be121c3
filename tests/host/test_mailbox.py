"""Blocking UDP sockets in flight: unmodified standard library, virtual time-outs."""

from __future__ import annotations

from tests.host.flown import fly

WORLD = """
import logging, logging.handlers, select, socket


class Shout(asyncio.DatagramProtocol):
    came = []
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, addr):
        self.came.append(data.decode(errors="replace"))
        if data != b"quiet":
            self.transport.sendto(data.upper(), addr)

world.create_task(world.create_datagram_endpoint(Shout, local_addr=("node-a", 514)))
time.sleep(0.001)
ADDRESS = ("node-a", 514)
"""


def test_a_question_and_its_answer() -> None:
    """sendto, recvfrom, connect, send, recv: a round trip each; a datagram is cut to the size asked for."""
    said = fly(
        WORLD
        + """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    began = env.now
    said["sent"] = s.sendto(b"hello", ADDRESS)
    data, addr = s.recvfrom(100)
    said["first"] = [data.decode(), addr[1], 10 <= (env.now - began) / 1e6 <= 12]
    s.connect(ADDRESS)
    s.send(b"again")
    said["peeked"] = s.recv(3, socket.MSG_PEEK).decode()
    said["cut"] = s.recv(2).decode()
    s.settimeout(2.5)
    s.send(b"quiet")
    began = env.now
    try:
        s.recv(10)
    except TimeoutError:
        said["waited"] = round((env.now - began) / 1e9, 2)
    s.setblocking(False)
    try:
        s.recv(10)
    except BlockingIOError:
        said["would block"] = True
    s.send(b"poll")
    said["ready"] = [len(each) for each in select.select([s], [], [], 1)]
    said["names"] = [s.getpeername() == addr, s.getsockname()[1] > 1024]
"""
    )

    assert said == {
        "sent": 5, "first": ["HELLO", 514, True], "peeked": "AGA", "cut": "AG", "waited": 2.5, "would block": True,
        "ready": [1, 0, 0], "names": [True, True],
    }  # fmt: skip


def test_ports_and_refusals() -> None:
    """A port is taken once; a refused datagram is an error of the next call; streams' calls are none of UDP's."""
    said = fly(
        WORLD
        + """
def tried(call):
    try:
        return call()
    except OSError as error:
        return error.errno

one, other = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
one.bind(("127.0.0.1", 8125))
said["taken"] = tried(lambda: other.bind(("127.0.0.1", 8125)))
said["listen"] = tried(other.listen)
said["peer"] = tried(other.getpeername)
said["no peer"] = tried(lambda: other.send(b"x"))
said["too long"] = tried(lambda: other.sendto(bytes(65508), ADDRESS))
other.sendto(b"to a neighbour", ("127.0.0.1", 8125))
said["neighbour"] = one.recv(100).decode()
other.connect(("node-a", 9))
other.send(b"x")
said["refused"] = tried(lambda: other.recv(1))
one.close()
again = socket.socket(type=socket.SOCK_DGRAM)
again.bind(("127.0.0.1", 8125))
again.close()
other.close()
said["left"] = len(network.datagram_ports)
"""
    )

    assert said == {
        "taken": 98, "listen": 95, "peer": 107, "no peer": 89, "too long": 90, "neighbour": "to a neighbour",
        "refused": 111, "left": 1,
    }  # fmt: skip


def test_the_standard_librarys_syslog_handler() -> None:
    """`logging.handlers.SysLogHandler` speaks UDP; its lines arrive in virtual time."""
    said = fly(
        WORLD
        + """
handler = logging.handlers.SysLogHandler(address=ADDRESS)
log = logging.getLogger("bot")
log.addHandler(handler)
log.warning("gas is %d gwei", 40)
time.sleep(1)
said["came"] = Shout.came
handler.close()
"""
    )

    assert said == {"came": ["<12>gas is 40 gwei\x00"]}
