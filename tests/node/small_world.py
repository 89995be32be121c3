"""A chain of a few blocks behind a node on a real loop: what the tests of this room talk to."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import zstandard

from sim.chain.block import ZERO_HASH, Block
from sim.chain.builder import Builder, new_header, seal_block
from sim.chain.chain import Chain, ChainConfig
from sim.chain.engine import AccountOverride, BlockEnvironment
from sim.chain.mempool import Mempool
from sim.chain.pyevm import make_engine
from sim.chain.state import Layer
from sim.chain.transaction import Account, sign
from sim.node.node import Node
from sim.node.view import NodeView
from sim.record import Recorder
from sim.units import ETHER, GWEI

TOPIC = bytes.fromhex("11" * 32)
CONTRACT = bytes.fromhex("c0" * 20)
PROPOSER = bytes.fromhex("0b" * 20)
ALICE = Account.from_key(bytes.fromhex("a1" * 32))
BOB = Account.from_key(bytes.fromhex("b2" * 32))
LABELS = {ALICE.address: "alice"}

# Without call data it returns slot 0; with one word it stores it there and logs it under TOPIC; with more it reverts
# with what it was given.
_STORE = bytes.fromhex("5f35805f555f355f52 7f") + TOPIC + bytes.fromhex("6020 5f a2 00")
_BEGIN = bytes.fromhex("3615 60 00 57 6020 36 11 60 00 57".replace(" ", ""))
_READ_AT = len(_BEGIN) + len(_STORE)
_READ = bytes.fromhex("5b5f545f5260205ff3")
_REVERT = bytes.fromhex("5b365f5f37365ffd")


def contract_code() -> bytes:
    begin = bytearray(_BEGIN)
    begin[3], begin[10] = _READ_AT, _READ_AT + len(_READ)
    return bytes(begin) + _STORE + _READ + _REVERT


class SmallWorld:
    """A chain with two rich accounts and one contract, and the node that serves it."""

    def __init__(self) -> None:
        self.config = ChainConfig(chain_id=1337)
        engine = make_engine("pyevm", self.config.fork)
        empty = Layer(None, {}, {})
        header = new_header(
            self.config, 0, ZERO_HASH, self.config.epoch_s, self.config.base_fee_wei, PROPOSER, ZERO_HASH
        )
        env = BlockEnvironment.of(header, self.config.chain_id, lambda number: b"")
        session = engine.open_block(empty, env)
        for account in (ALICE, BOB):
            session.set_account(account.address, AccountOverride(balance=100 * ETHER))
        session.set_account(CONTRACT, AccountOverride(code=contract_code(), nonce=1, state_diff={0: 7}))
        start, layer = seal_block(header, session, (), ())
        self.chain = Chain(self.config, engine, [(start, layer)])
        self.mempool = Mempool(self.chain)
        self.builder = Builder(self.chain, self.mempool)
        self.sink = io.BytesIO()
        self.recorder = Recorder(self.sink, lambda: self.chain.head.number)
        self.nonces = {ALICE.address: 0, BOB.address: 0}

    def signed(self, account: Account, to: bytes | None, data: bytes = b"", **fields: Any) -> bytes:
        """Return a signed transaction with the account's next nonce, unless another is given."""
        nonce = fields.pop("nonce", self.nonces[account.address])
        self.nonces[account.address] = nonce + 1
        settings = {"gas": 200_000, "max_fee": 50 * GWEI, "max_priority_fee": GWEI, "value": 0} | fields
        return sign(account.key, chain_id=self.config.chain_id, nonce=nonce, to=to, data=data, **settings)

    def propose(self) -> Block:
        """Build a block of what waits and make it the head."""
        head = self.chain.head
        block = self.builder.build(head, head.header.timestamp + 12, PROPOSER)
        self.chain.append(block)
        return block

    def reorg(self, depth: int, skip: frozenset[bytes] = frozenset()) -> None:
        """Replace the last blocks by another proposer's."""
        self.chain.reorg(self.builder.competing(depth, bytes.fromhex("0c" * 20), skip=skip))

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what was recorded so far of one kind."""
        self.recorder.flush()
        reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(self.sink.getvalue()), read_across_frames=True)
        lines = reader.read().decode().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == kind]


class Served:
    """A small world's node, listening on free ports of this machine."""

    def __init__(self, world: SmallWorld, node: Node, ports: tuple[int, int]) -> None:
        self.world = world
        self.node = node
        self.http = f"http://127.0.0.1:{ports[0]}"
        self.ws = f"ws://127.0.0.1:{ports[1]}"
        self.http_port, self.ws_port = ports


@asynccontextmanager
async def serving(world: SmallWorld) -> AsyncIterator[Served]:
    """Serve *world* for as long as the block lasts."""
    node = Node("a", NodeView(world.chain, world.mempool), asyncio.get_running_loop(), world.recorder, LABELS)
    world.chain.on_head.append(node.on_head)
    world.mempool.on_transaction.append(node.on_transaction)
    ports = await node.start("127.0.0.1", 0, 0)
    try:
        yield Served(world, node, ports)
    finally:
        await node.stop()


class Caller:
    """A plain client: one HTTP session, raw bodies and calls."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def post(self, body: bytes | io.BytesIO, **headers: str) -> tuple[int, bytes]:
        """Send a body as it is and return status and answer."""
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.post(self._url, data=body, headers=sent) as response:
            return response.status, await response.read()

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        """Return the whole response to one request."""
        _, answer = await self.post(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        )
        response: dict[str, Any] = json.loads(answer)
        return response

    async def result(self, method: str, *params: Any) -> Any:
        """Return the result of one request, which must succeed."""
        response = await self.ask(method, *params)
        assert "error" not in response, response
        return response["result"]

    async def error(self, method: str, *params: Any) -> tuple[int, str]:
        """Return code and message of one request, which must fail."""
        response = await self.ask(method, *params)
        return response["error"]["code"], response["error"]["message"]


@asynccontextmanager
async def calling(world: SmallWorld) -> AsyncIterator[Caller]:
    """Serve *world* and yield a plain client of it."""
    async with serving(world) as served, aiohttp.ClientSession() as session:
        yield Caller(served.http, session)


def talked(world: SmallWorld, talk: Callable[[SmallWorld, Caller], Awaitable[Any]]) -> Any:
    """Serve *world*, let *talk* have a client of it, and return what it returns."""

    async def run() -> Any:
        async with calling(world) as caller:
            return await talk(world, caller)

    return asyncio.run(run())
