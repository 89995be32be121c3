from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from sim.node import wire
from tests.node.small_world import ALICE, BOB, CONTRACT, TOPIC, Served, SmallWorld, serving

CONTRACT_HEX = "0x" + CONTRACT.hex()
TOPIC_HEX = "0x" + TOPIC.hex()


class Wire:
    """A WebSocket client that counts its requests."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._sent = 0

    async def result(self, method: str, *params: Any) -> Any:
        """Return the result of a request; what comes before its answer fails the test."""
        self._sent += 1
        await self.socket.send_json({"jsonrpc": "2.0", "id": self._sent, "method": method, "params": params})
        answer = await self.socket.receive_json()
        assert answer["id"] == self._sent, answer
        return answer["result"] if "result" in answer else (answer["error"]["code"], answer["error"]["message"])

    async def events(self, count: int) -> list[tuple[str, Any]]:
        """Return the next notifications as pairs of subscription and result."""
        received = [await self.socket.receive_json() for _ in range(count)]
        assert {message["method"] for message in received} <= {"eth_subscription"}
        return [(message["params"]["subscription"], message["params"]["result"]) for message in received]


@asynccontextmanager
async def connected(world: SmallWorld) -> AsyncIterator[tuple[Served, Wire]]:
    async with (
        serving(world) as served,
        aiohttp.ClientSession() as session,
        session.ws_connect(served.ws + "/any/path", max_msg_size=0) as socket,
    ):
        yield served, Wire(socket)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_requests_are_answered_over_a_websocket() -> None:
    """Calls, batches and errors are answered over a WebSocket, text or binary."""

    async def run() -> Any:
        async with connected(SmallWorld()) as (served, wire_):
            one = await wire_.result("eth_chainId")
            missing = await wire_.result("eth_nothing")
            await wire_.socket.send_bytes(b'[{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber"}]')
            batch = await wire_.socket.receive_json()
            return one, missing[0], batch, {event["data"]["transport"] for event in served.world.events("rpc")}

    one, missing, batch, transports = asyncio.run(run())

    assert (one, missing, batch) == ("0x539", -32601, [{"jsonrpc": "2.0", "id": 7, "result": "0x0"}])
    assert transports == {"ws"}


def test_new_heads_and_logs_arrive_in_order() -> None:
    """Each new block brings its header, then its logs that match; the record has one `head` per block."""

    async def run() -> Any:
        world = SmallWorld()
        async with connected(world) as (_, wire_):
            heads = await wire_.result("eth_subscribe", "newHeads")
            logs = await wire_.result("eth_subscribe", "logs", {"address": CONTRACT_HEX, "topics": [TOPIC_HEX]})
            other = await wire_.result("eth_subscribe", "logs", {"address": "0x" + ALICE.address.hex()})
            world.mempool.add(world.signed(ALICE, CONTRACT, word(5)))
            world.propose()
            world.propose()
            events = await wire_.events(3)
            whole = await wire_.result("eth_getBlockByNumber", "0x1", False)
            return heads, logs, other, events, whole, world.events("head")

    heads, logs, other, events, whole, recorded = asyncio.run(run())

    assert len({heads, logs, other}) == 3
    assert [(subscription, int(result.get("number", "0x0"), 16)) for subscription, result in events] == [
        (heads, 1),
        (logs, 0),
        (heads, 2),
    ]
    assert events[0][1].items() <= whole.items()
    assert (events[1][1]["data"], events[1][1]["removed"]) == ("0x" + word(5).hex(), False)
    assert [event["data"]["number"] for event in recorded] == [1, 2]


def test_a_reorg_takes_logs_back_before_it_brings_new_ones() -> None:
    """After a reorg the old logs come again as removed, oldest first, then each new header with its logs."""

    async def run() -> Any:
        world = SmallWorld()
        for value in (1, 2):
            world.mempool.add(world.signed(ALICE, CONTRACT, word(value)))
            world.mempool.add(world.signed(BOB, CONTRACT, word(value + 10)))
            world.propose()
        late = world.chain.head.transactions[0].hash
        async with connected(world) as (_, wire_):
            heads = await wire_.result("eth_subscribe", "newHeads")
            await wire_.result("eth_subscribe", "logs", {})
            before = await wire_.result("eth_getLogs", {"fromBlock": "0x0"})
            world.reorg(2, skip=frozenset((late,)))
            events = await wire_.events(4 + 2 + 3)
            after = await wire_.result("eth_getLogs", {"fromBlock": "0x0"})
            return heads, before, events, after

    heads, before, events, after = asyncio.run(run())

    removed = [result for _, result in events[:4]]
    assert removed == [log | {"removed": True} for log in before]
    assert [subscription == heads for subscription, _ in events[4:]] == [True, False, False, True, False]
    assert [result for subscription, result in events[4:] if subscription != heads] == after
    assert len(after) == 3


def test_pending_transactions_are_announced() -> None:
    """A transaction is announced once, by hash or whole, after the answer to the request that sent it."""

    async def run() -> Any:
        world = SmallWorld()
        async with connected(world) as (_, wire_):
            hashes = await wire_.result("eth_subscribe", "newPendingTransactions")
            whole = await wire_.result("eth_subscribe", "newPendingTransactions", True)
            await wire_.result("eth_subscribe", "syncing")
            tx_hash = await wire_.result("eth_sendRawTransaction", "0x" + world.signed(ALICE, BOB.address).hex())
            events = await wire_.events(2)
            pending = await wire_.result("eth_getTransactionByHash", tx_hash)
            return hashes, whole, tx_hash, events, pending

    hashes, whole, tx_hash, events, pending = asyncio.run(run())

    assert events == [(hashes, tx_hash), (whole, pending)]


def test_unsubscribing_ends_it() -> None:
    """After eth_unsubscribe nothing more comes; a second one and odd subscriptions are refused in geth's words."""

    async def run() -> Any:
        world = SmallWorld()
        async with connected(world) as (_, wire_):
            heads = await wire_.result("eth_subscribe", "newHeads")
            answers = [
                await wire_.result("eth_unsubscribe", heads),
                await wire_.result("eth_unsubscribe", heads),
                await wire_.result("eth_subscribe", "newBlocks"),
                await wire_.result("eth_subscribe"),
                await wire_.result("eth_subscribe", "logs"),
                await wire_.result("eth_subscribe", "logs", {"fromBlock": "pending"}),
                await wire_.result("net_subscribe", "peers"),
            ]
            world.propose()
            return answers, await wire_.result("eth_blockNumber")

    answers, number = asyncio.run(run())

    assert answers == [
        True,
        (-32000, "subscription not found"),
        (-32601, 'no "newBlocks" subscription in eth namespace'),
        (-32602, "expected subscription name as first argument"),
        (-32602, "missing value for required argument 1"),
        (-32602, "pending logs are not supported"),
        (-32601, 'no "peers" subscription in net namespace'),
    ]
    assert number == "0x1"


def test_malformed_json_ends_the_connection() -> None:
    """A frame that is not JSON gets a parse error and the connection is closed; one cut short is closed in silence."""

    async def run() -> Any:
        endings = []
        for frame in ("{x", '{"a":'):
            async with connected(SmallWorld()) as (_, wire_):
                await wire_.socket.send_str(frame)
                received = [message async for message in wire_.socket]
                endings.append([json.loads(message.data)["error"] for message in received])
        return endings

    endings = asyncio.run(run())

    assert endings == [
        [{"code": -32700, "message": "invalid character 'x' looking for beginning of object key string"}],
        [],
    ]


def test_disconnect_all_drops_every_connection() -> None:
    """All connections end without a close frame, subscriptions with them, and the node takes new ones."""

    async def run() -> Any:
        world = SmallWorld()
        async with connected(world) as (served, first), aiohttp.ClientSession() as session:
            await first.result("eth_subscribe", "newHeads")
            async with session.ws_connect(served.ws) as second:
                served.node.disconnect_all()
                endings = [(await first.socket.receive()).type, (await second.receive()).type]
            async with session.ws_connect(served.ws) as third:
                again = await Wire(third).result("eth_blockNumber")
            world.propose()
            await asyncio.sleep(0)
            return endings, first.socket.close_code, again, world.events("head")

    endings, code, again, recorded = asyncio.run(run())

    assert set(endings) <= {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    assert code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    assert (again, recorded) == ("0x0", [])


class DeafTransport(asyncio.Transport):
    """A transport whose peer reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = bytearray()
        self.aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return len(self.kept)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.kept += data

    def abort(self) -> None:
        self.aborted = True


def test_a_client_that_does_not_read_is_dropped() -> None:
    """What a deaf client leaves unread is bounded; beyond the limit its connection is dropped and reported."""
    reported: list[int] = []
    transport = DeafTransport()
    connection = wire._Connection(transport, reported.append)
    message = "x" * (1 << 20)

    sent = 0
    while not transport.aborted:
        connection.send(message)
        sent += 1
    connection.send(message)

    assert wire.OUTGOING_BYTES_MAX <= len(transport.kept) <= wire.OUTGOING_BYTES_MAX + 2 * len(message)
    assert reported == [len(transport.kept)]


def test_a_port_speaks_one_language() -> None:
    """The HTTP port answers an upgrade as a health check, the WebSocket port knows no pages; `listen` does both."""

    async def run() -> Any:
        async with serving(SmallWorld()) as served, aiohttp.ClientSession() as session:
            both = await served.node.listen("127.0.0.1", 0)
            body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
            async with session.post(f"http://127.0.0.1:{served.ws_port}", json=body) as refused:
                statuses = [refused.status]
            try:
                await session.ws_connect(served.http.replace("http", "ws"))
            except aiohttp.WSServerHandshakeError as error:
                statuses.append(error.status)
            async with session.post(f"http://127.0.0.1:{both}", json=body) as taken:
                statuses.append(taken.status)
            async with session.ws_connect(f"ws://127.0.0.1:{both}") as socket:
                return statuses, await Wire(socket).result("eth_chainId")

    assert asyncio.run(run()) == ([404, 200, 200], "0x539")
