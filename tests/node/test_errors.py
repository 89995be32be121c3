from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.node import rpc
from sim.units import ETHER, GWEI
from tests.node.small_world import ALICE, BOB, CONTRACT, Caller, SmallWorld, calling, talked

ALICE_HEX = "0x" + ALICE.address.hex()
CONTRACT_HEX = "0x" + CONTRACT.hex()
ZERO_HASH = "0x" + "00" * 32


def cannot(what: str, into: str) -> str:
    return f"json: cannot unmarshal {what} into Go {into}"


def fly(talk: Callable[[SmallWorld, Caller], Awaitable[Any]]) -> Any:
    """Serve a small world of one block and talk to it."""
    world = SmallWorld()
    world.propose()
    return talked(world, talk)


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("eth_foo", [], (-32601, "the method eth_foo does not exist/is not available")),
        ("eth_getProof", [], (-32601, "the method eth_getProof does not exist/is not available")),
        ("x" * 2049, [], (-32600, "method name too long: 2049 > 2048")),
        ("eth_subscribe", ["newHeads"], (-32601, "notifications not supported")),
        ("eth_unsubscribe", ["0x1"], (-32000, "subscription not found")),
        ("eth_getBalance", [], (-32602, "missing value for required argument 0")),
        ("eth_getBlockByNumber", ["latest"], (-32602, "missing value for required argument 1")),
        ("eth_chainId", [1], (-32602, "too many arguments, want at most 0")),
        (
            "eth_getBalance",
            ["0x12", "latest"],
            (-32602, "invalid argument 0: hex string has length 2, want 40 for common.Address"),
        ),
        (
            "eth_getBalance",
            ["12" * 21, "latest"],
            (
                -32602,
                "invalid argument 0: " + cannot("hex string without 0x prefix", "value of type common.Address"),
            ),
        ),
        (
            "eth_getBalance",
            [5],
            (-32602, "invalid argument 0: json: cannot unmarshal non-string into Go value of type common.Address"),
        ),
        ("eth_getBalance", [ALICE_HEX, "newest"], (-32602, "invalid argument 1: hex string without 0x prefix")),
        ("eth_getBalance", [ALICE_HEX, "0x"], (-32602, 'invalid argument 1: hex string "0x"')),
        ("eth_getBalance", [ALICE_HEX, "0x01"], (-32602, "invalid argument 1: hex number with leading zero digits")),
        (
            "eth_getBalance",
            [ALICE_HEX, 5],
            (-32602, "invalid argument 1: json: cannot unmarshal number into Go value of type string"),
        ),
        (
            "eth_getBalance",
            [ALICE_HEX, {}],
            (-32602, "invalid argument 1: must specify either BlockHash or BlockNumber"),
        ),
        (
            "eth_getBalance",
            [ALICE_HEX, {"blockHash": ZERO_HASH, "blockNumber": "0x1"}],
            (-32602, "invalid argument 1: cannot specify both BlockHash and BlockNumber, choose one or the other"),
        ),
        ("eth_getBalance", [ALICE_HEX, "0x63"], (-32000, "header not found")),
        ("eth_getBalance", [ALICE_HEX, {"blockHash": ZERO_HASH}], (-32000, "header for hash not found")),
        (
            "eth_getBlockByNumber",
            ["latest", "yes"],
            (-32602, "invalid argument 1: json: cannot unmarshal string into Go value of type bool"),
        ),
        (
            "eth_getStorageAt",
            [ALICE_HEX, "0xzz", "latest"],
            (-32602, 'invalid hex in storage key: "0xzz"'),
        ),
        (
            "eth_call",
            [{"to": "0x1"}],
            (
                -32602,
                "invalid argument 0: "
                + cannot("hex string of odd length", "struct field TransactionArgs.to of type common.Address"),
            ),
        ),
        (
            "eth_call",
            [{"to": ALICE_HEX, "gasPrice": "0x1", "maxFeePerGas": "0x1"}],
            (-32000, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"),
        ),
        (
            "eth_call",
            [{"to": ALICE_HEX, "chainId": "0x1"}],
            (-32000, "chainId does not match node's (have=1, want=1337)"),
        ),
        ("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x0"}], (-32602, "invalid block range params")),
        ("eth_getLogs", [{"toBlock": "0x63"}], (-32602, "block range extends beyond current head block")),
        ("eth_getLogs", [{"fromBlock": "pending"}], (-32602, "pending logs are not supported")),
        ("eth_getLogs", [{"blockHash": ZERO_HASH}], (-32000, "unknown block")),
        (
            "eth_getLogs",
            [{"blockHash": ZERO_HASH, "fromBlock": "0x0"}],
            (
                -32602,
                "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
            ),
        ),
        ("eth_getLogs", [{"topics": [None] * 5}], (-32602, "invalid argument 0: exceed max topics")),
        ("eth_getLogs", [{"address": 7}], (-32602, "invalid argument 0: invalid addresses in query")),
        ("eth_feeHistory", [1, "0x63", []], (-32000, "request beyond head block: requested 99, head 1")),
        (
            "eth_feeHistory",
            [1, "latest", [50, 10]],
            (-32000, "invalid reward percentile: #0:50.000000 >= #1:10.000000"),
        ),
        ("eth_sendRawTransaction", ["0x"], (-32000, "typed transaction too short")),
        ("eth_sendRawTransaction", ["0x05"], (-32000, "transaction type not supported")),
    ],
)
def test_errors_are_in_geths_words(method: str, params: list[Any], expected: tuple[int, str]) -> None:
    """Wrong methods, arguments, blocks and transactions get geth's code and text."""
    error = fly(lambda world, caller: caller.error(method, *params))

    assert error == expected


def test_the_mempool_refuses_in_geths_words() -> None:
    """A nonce too low, a double, a cheap replacement, a poor sender and a fee over the cap are refused as geth does."""

    async def talk(world: SmallWorld, caller: Caller) -> Any:
        async def send(raw: bytes) -> tuple[int, str]:
            return await caller.error("eth_sendRawTransaction", "0x" + raw.hex())

        world.mempool.add(world.signed(ALICE, BOB.address))
        world.propose()
        waiting = world.signed(ALICE, BOB.address)
        world.mempool.add(waiting)
        return [
            await send(world.signed(ALICE, BOB.address, nonce=0)),
            await send(waiting),
            await send(world.signed(ALICE, BOB.address, nonce=1, value=1)),
            await send(world.signed(ALICE, BOB.address, nonce=2, max_fee=9 * ETHER // 10**6)),
            (await send(world.signed(BOB, ALICE.address, nonce=0, value=100 * ETHER)))[1][:46],
        ], world.events("tx.rejected")

    answers, rejected = fly(talk)

    assert answers == [
        (-32000, "nonce too low: next nonce 1, tx nonce 0"),
        (-32000, "already known"),
        (-32000, "replacement transaction underpriced"),
        (-32000, "tx fee (1.80 ether) exceeds the configured cap (1.00 ether)"),
        "insufficient funds for gas * price + value: ba",
    ]
    assert [event["data"]["message"][:13] for event in rejected][:3] == [
        "nonce too low",
        "already known",
        "replacement t",
    ]


def test_batches_answer_in_order() -> None:
    """A batch's members are answered in order, each with its id; notifications get no answer; errors stay in place."""
    batch = [
        {"jsonrpc": "2.0", "id": "one", "method": "eth_chainId"},
        {"jsonrpc": "2.0", "method": "eth_blockNumber"},
        7,
        {"jsonrpc": "2.0", "id": 1.50, "method": "eth_foo", "params": None},
        {"jsonrpc": "2.0", "id": None, "method": "eth_blockNumber", "params": []},
        {"jsonrpc": "2.0", "id": 4, "method": "eth_blockNumber", "params": {}},
        {"id": 5, "method": "eth_blockNumber"},
        {"jsonrpc": "2.0", "id": 6, "result": "0x"},
    ]

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        return await caller.post(json.dumps(batch).encode())

    status, answer = fly(talk)

    replies = json.loads(answer)
    assert status == 200
    assert [(reply["id"], reply.get("result"), reply.get("error", {}).get("code")) for reply in replies] == [
        ("one", "0x539", None),
        (None, None, -32600),
        (1.5, None, -32601),
        (None, "0x1", None),
        (4, None, -32602),
        (5, None, -32600),
    ]


def test_a_batch_has_limits() -> None:
    """A batch of more than 1,000 is refused whole, under the first id; answers beyond 25 MB are refused one by one."""
    over = [{"jsonrpc": "2.0", "id": number, "method": "eth_chainId"} for number in range(7, 1008)]

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        return await caller.post(json.dumps(over).encode())

    _, answer = fly(talk)

    assert json.loads(answer) == [
        {"jsonrpc": "2.0", "id": 7, "error": {"code": -32600, "message": "batch too large"}},
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", b""),
        (b"  \n", b""),
        (b"{", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'),
        (b"[" * 100_000, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'),
        (b"[]", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}'),
        (b"NaN", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'),
        (b'"x"', b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}'),
        (
            b'{"jsonrpc":"2.0","id":1e999,"method":"eth_chainId"} trailing',
            b'{"jsonrpc":"2.0","id":1e999,"result":"0x539"}',
        ),
        (b'{"jsonrpc":"2.0","method":"eth_chainId"}', b""),
        (b"9" * 5000, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'),
        (
            b'{"jsonrpc":"2.0","id":"\xff\\ud800","method":"eth_chainId"}',
            b'{"jsonrpc":"2.0","id":"\\ufffd\\ud800","result":"0x539"}',
        ),
    ],
)
def test_odd_bodies_get_an_answer(body: bytes, expected: bytes) -> None:
    """A body that is empty, cut, too deep or no request is answered as geth answers it."""
    status, answer = fly(lambda world, caller: caller.post(body))

    assert (status, answer) == (200, expected)


def test_http_is_checked_before_json() -> None:
    """Method, content type and length are checked with geth's texts, and what is sent names no server and no date."""

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        session, url = caller._session, caller._url
        answers = []
        for method, kind in (("PUT", None), ("GET", None), ("POST", "text/plain"), ("POST", "application/json; a=b")):
            headers = {} if kind is None else {"Content-Type": kind}
            body = None if kind is None else b"[]"
            async with session.request(method, url, data=body, headers=headers) as response:
                answers.append((response.status, (await response.read())[:36]))
                answers[-1] += tuple(name for name in ("Date", "Server") if name in response.headers)
        answers.append(await caller.post(io.BytesIO(b" " * (rpc.BODY_BYTES_MAX + 1))))
        return answers

    answers = fly(talk)

    assert answers == [
        (405, b"method not allowed\n"),
        (200, b""),
        (415, b"invalid content type, only applicati"),
        (200, b'{"jsonrpc":"2.0","id":null,"error":{'),
        (413, b"content length too large (5242881>5242880)\n"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.sampled_from(["latest", "0x", "0x1", ALICE_HEX, CONTRACT_HEX, ZERO_HASH, "2.0"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["jsonrpc", "id", "method", "params", "to", "from", "data", "address", "topics", "fromBlock",
                         "blockHash", "blockNumber", "gas", "value", "accessList", "state", "stateDiff", "code"])
        | st.text(max_size=4),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def test_hostile_input_never_takes_the_node_down() -> None:
    """Whatever is sent as body or as arguments, the answer is JSON or nothing, and the node goes on answering."""
    world = SmallWorld()
    world.mempool.add(world.signed(ALICE, CONTRACT, bytes(32)))
    world.propose()
    methods = sorted(
        ["eth_subscribe", "eth_sendRawTransaction", "eth_call", "eth_estimateGas", "eth_getLogs", "eth_feeHistory",
         "eth_getBlockByNumber", "eth_getStorageAt", "eth_getTransactionCount", "eth_getBlockReceipts", "web3_sha3"]
    )  # fmt: skip
    loop = asyncio.new_event_loop()
    context = calling(world)
    caller = loop.run_until_complete(context.__aenter__())

    @settings(max_examples=60)
    @given(
        st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()),
        st.sampled_from(methods),
        st.lists(JSON, max_size=4),
    )
    def attack(body: bytes, method: str, params: list[Any]) -> None:
        status, answer = loop.run_until_complete(caller.post(body))
        response = loop.run_until_complete(caller.ask(method, *params))

        assert status == 200
        assert not answer or json.loads(answer)
        assert ("result" in response) != ("error" in response)
        assert response.get("error", {"code": 0})["code"] != -32603

    try:
        attack()
        alive = loop.run_until_complete(caller.result("eth_blockNumber"))
    finally:
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.close()

    assert alive == "0x1"


def test_a_required_canonical_hash_must_be_canonical() -> None:
    """State at an orphaned block's hash can be read, unless the client asks that it be canonical."""

    async def talk(world: SmallWorld, caller: Caller) -> Any:
        orphan = "0x" + world.chain.head.hash.hex()
        world.reorg(1)
        return (
            await caller.result("eth_getTransactionCount", ALICE_HEX, {"blockHash": orphan}),
            await caller.error("eth_getTransactionCount", ALICE_HEX, {"blockHash": orphan, "requireCanonical": True}),
        )

    assert fly(talk) == ("0x0", (-32000, "hash is not currently canonical"))


def test_a_call_that_cannot_pay_is_refused() -> None:
    """A call that offers less than the base fee, or more value than its sender has, is refused as geth does."""

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        return [
            (await caller.error("eth_call", {"from": ALICE_HEX, "to": CONTRACT_HEX, **fields}))[1]
            for fields in ({"maxFeePerGas": "0x1"}, {"value": hex(ETHER * 1000)}, {"gas": "0x64"})
        ]

    cheap, poor, starved = fly(talk)

    assert cheap.startswith("err: max fee per gas less than block base fee: address 0x")
    assert cheap.endswith(f"maxFeePerGas: 1, baseFee: {875 * GWEI // 1000} (supplied gas 50000000)")
    assert poor.startswith("err: insufficient funds for")
    assert starved == "err: intrinsic gas too low: have 100, want 21000 (supplied gas 100)"
