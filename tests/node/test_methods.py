from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sim.units import ETHER, GWEI
from tests.node.small_world import ALICE, BOB, CONTRACT, PROPOSER, TOPIC, Caller, SmallWorld, talked

CONTRACT_HEX = "0x" + CONTRACT.hex()
ALICE_HEX = "0x" + ALICE.address.hex()
WORD_9 = "0x" + f"{9:064x}"


def fly(talk: Callable[[SmallWorld, Caller], Awaitable[Any]]) -> Any:
    """Serve a small world whose block 1 holds a logged write of 9 by Alice, and talk to it."""
    world = SmallWorld()
    world.mempool.add(world.signed(ALICE, CONTRACT, bytes.fromhex(WORD_9[2:])))
    world.propose()
    return talked(world, talk)


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("eth_chainId", [], "0x539"),
        ("net_version", [], "1337"),
        ("net_listening", [], True),
        ("eth_syncing", [], False),
        ("eth_accounts", [], []),
        ("web3_clientVersion", [], "Windtunnel"),
        ("web3_sha3", ["0x"], "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("eth_blockNumber", [], "0x1"),
        ("eth_getBlockTransactionCountByNumber", ["latest"], "0x1"),
        ("eth_getBlockTransactionCountByNumber", ["0x63"], None),
        ("eth_getUncleCountByBlockNumber", ["latest"], "0x0"),
        ("eth_getBalance", [ALICE_HEX, "earliest"], hex(100 * ETHER)),
        ("eth_getBalance", [CONTRACT_HEX], "0x0"),
        ("eth_getTransactionCount", [ALICE_HEX, "latest"], "0x1"),
        ("eth_getTransactionCount", [ALICE_HEX, "earliest"], "0x0"),
        ("eth_getCode", [ALICE_HEX, "latest"], "0x"),
        ("eth_getStorageAt", [CONTRACT_HEX, "0x0", "latest"], WORD_9),
        ("eth_getStorageAt", [CONTRACT_HEX, "0", {"blockNumber": "0x0"}], "0x" + f"{7:064x}"),
        ("eth_call", [{"to": CONTRACT_HEX}, "latest"], WORD_9),
        ("eth_call", [{"to": CONTRACT_HEX}, "0x0"], "0x" + f"{7:064x}"),
        ("eth_call", [{"to": CONTRACT_HEX}], WORD_9),
        ("eth_getBlockByNumber", ["0x63", False], None),
        ("eth_getBlockByHash", ["0x" + "00" * 32, True], None),
        ("eth_getBlockReceipts", ["0x63"], None),
        ("eth_getTransactionByHash", ["0x" + "00" * 32], None),
        ("eth_getTransactionReceipt", ["0x" + "00" * 32], None),
        ("eth_getTransactionByBlockNumberAndIndex", ["latest", "0x5"], None),
    ],
)
def test_reads_answer_like_a_node(method: str, params: list[Any], expected: object) -> None:
    """Each plain read gives what geth gives for the same chain."""
    result = fly(lambda world, caller: caller.result(method, *params))

    assert result == expected


def test_a_block_is_the_same_by_number_hash_and_tag() -> None:
    """A block comes with hashes or whole transactions, the same by number, hash and tag."""

    async def talk(world: SmallWorld, caller: Caller) -> list[Any]:
        block_hash = "0x" + world.chain.head.hash.hex()
        return [
            await caller.result("eth_getBlockByNumber", "latest", False),
            await caller.result("eth_getBlockByNumber", "0x1", False),
            await caller.result("eth_getBlockByHash", block_hash, False),
            await caller.result("eth_getBlockByHash", block_hash, True),
        ]

    latest, by_number, by_hash, whole = fly(talk)

    assert latest == by_number == by_hash
    assert latest["transactions"] == [tx["hash"] for tx in whole["transactions"]]
    assert (latest["number"], latest["miner"]) == ("0x1", "0x" + PROPOSER.hex())
    assert {tag: latest.get(tag) for tag in ("uncles", "withdrawals", "difficulty")} == {
        "uncles": [],
        "withdrawals": [],
        "difficulty": "0x0",
    }


def test_the_pending_block_follows_the_head() -> None:
    """The pending block has the next height and base fee, and no hash, nonce or proposer."""

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        return (
            await caller.result("eth_getBlockByNumber", "pending", False),
            await caller.result("eth_feeHistory", "0x1", "latest", []),
        )

    pending, history = fly(talk)

    assert (pending["hash"], pending["nonce"], pending["miner"], pending["number"]) == (None, None, None, "0x2")
    assert pending["baseFeePerGas"] == history["baseFeePerGas"][1]


def test_a_transaction_is_the_same_wherever_it_is_found() -> None:
    """A transaction by hash, by block and index, and in its block are one; its receipt carries the log."""

    async def talk(world: SmallWorld, caller: Caller) -> Any:
        block_hash = "0x" + world.chain.head.hash.hex()
        tx_hash = "0x" + world.chain.head.transactions[0].hash.hex()
        return (
            await caller.result("eth_getTransactionByHash", tx_hash),
            await caller.result("eth_getTransactionByBlockNumberAndIndex", "latest", "0x0"),
            await caller.result("eth_getTransactionByBlockHashAndIndex", block_hash, "0x0"),
            await caller.result("eth_getTransactionReceipt", tx_hash),
            await caller.result("eth_getBlockReceipts", {"blockHash": block_hash}),
            await caller.result("eth_getLogs", {"blockHash": block_hash}),
        )

    by_hash, by_number, by_block_hash, receipt, receipts, logs = fly(talk)

    assert by_hash == by_number == by_block_hash
    assert (by_hash["from"], by_hash["to"], by_hash["input"]) == (ALICE_HEX, CONTRACT_HEX, WORD_9)
    assert receipts == [receipt]
    assert receipt["logs"] == logs
    assert (receipt["status"], receipt["gasUsed"]) == ("0x1", receipt["cumulativeGasUsed"])
    assert (logs[0]["topics"], logs[0]["data"], logs[0]["removed"]) == (["0x" + TOPIC.hex(), WORD_9], WORD_9, False)


def test_the_pending_nonce_counts_the_mempool() -> None:
    """A sent transaction is found pending, and counts in the pending nonce alone."""

    async def talk(world: SmallWorld, caller: Caller) -> Any:
        raw = world.signed(ALICE, BOB.address, value=5)
        tx_hash = await caller.result("eth_sendRawTransaction", "0x" + raw.hex())
        return (
            await caller.result("eth_getTransactionByHash", tx_hash),
            await caller.result("eth_getTransactionReceipt", tx_hash),
            await caller.result("eth_getRawTransactionByHash", tx_hash) == "0x" + raw.hex(),
            await caller.result("eth_getTransactionCount", ALICE_HEX, "latest"),
            await caller.result("eth_getTransactionCount", ALICE_HEX, "pending"),
            world.events("tx.sent"),
        )

    tx, receipt, same, latest, pending, sent = fly(talk)

    assert (tx["blockHash"], tx["blockNumber"], tx["transactionIndex"], tx["value"]) == (None, None, None, "0x5")
    assert (receipt, same, latest, pending) == (None, True, "0x1", "0x2")
    assert [(event["actor"], event["site"], event["data"]["hash"]) for event in sent] == [("alice", "a", tx["hash"])]


def test_calls_see_overridden_state() -> None:
    """Code, balance and storage of a call can be overridden, and so can the block it runs in."""
    returns_balance_xor_time = "0x303142185f5260205ff3"

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        return (
            await caller.result(
                "eth_call", {"to": CONTRACT_HEX}, "latest", {CONTRACT_HEX: {"stateDiff": {"0x" + "00" * 32: WORD_9}}}
            ),
            await caller.result("eth_call", {"to": CONTRACT_HEX}, "latest", {CONTRACT_HEX: {"state": {}}}),
            await caller.result(
                "eth_call",
                {"to": ALICE_HEX},
                "latest",
                {ALICE_HEX: {"code": returns_balance_xor_time, "balance": "0xf0"}},
                {"time": "0xf"},
            ),
            await caller.result("eth_call", {"to": CONTRACT_HEX}, "latest"),
        )

    replaced, cleared, pretended, after = fly(talk)

    assert (replaced, cleared, after) == (WORD_9, "0x" + "00" * 32, WORD_9)
    assert int(pretended, 16) == 0xFF


def test_a_revert_carries_its_reason_and_data() -> None:
    """A call and an estimate that revert answer code 3 with the reason in words and the data."""
    reason = "0x08c379a0" + f"{32:064x}{3:064x}" + b"abc".ljust(32, b"\0").hex()
    panic = "0x4e487b71" + f"{0x11:064x}"

    async def talk(_world: SmallWorld, caller: Caller) -> Any:
        return [
            (await caller.ask(method, {"to": CONTRACT_HEX, "data": data}))["error"]
            for method in ("eth_call", "eth_estimateGas")
            for data in (reason, panic, "0x" + "ff" * 40)
        ]

    errors = fly(talk)

    expected = [
        {"code": 3, "message": "execution reverted: abc", "data": reason},
        {"code": 3, "message": "execution reverted: arithmetic underflow or overflow", "data": panic},
        {"code": 3, "message": "execution reverted", "data": "0x" + "ff" * 40},
    ]
    assert errors == expected * 2


def test_an_estimate_is_enough_gas() -> None:
    """A transaction sent with the estimated gas goes through."""

    async def talk(world: SmallWorld, caller: Caller) -> int:
        wanted = {"from": ALICE_HEX, "to": CONTRACT_HEX, "data": "0x" + f"{1:064x}"}
        gas = int(await caller.result("eth_estimateGas", wanted), 16)
        world.mempool.add(world.signed(ALICE, CONTRACT, bytes(31) + b"\x01", gas=gas))
        return world.propose().receipts[0].status

    assert fly(talk) == 1


def test_fees_follow_what_was_paid() -> None:
    """The suggested tip is what was paid lately; the history holds each block's fees and the next one's."""

    async def talk(world: SmallWorld, caller: Caller) -> Any:
        return (
            int(await caller.result("eth_maxPriorityFeePerGas"), 16),
            int(await caller.result("eth_gasPrice"), 16),
            await caller.result("eth_feeHistory", 5, "latest", [0, 50.5, 100]),
            world.chain.head.header,
        )

    tip, price, history, head = fly(talk)

    assert (tip, price) == (GWEI, GWEI + head.base_fee)
    assert history["oldestBlock"] == "0x0"
    assert history["reward"] == [["0x0"] * 3, [hex(GWEI)] * 3]
    assert history["baseFeePerGas"][:2] == [hex(GWEI), hex(head.base_fee)]
    assert history["gasUsedRatio"] == [0.0, head.gas_used / head.gas_limit]
    assert len(history["baseFeePerGas"]) == 3


def test_logs_are_found_by_address_and_topic() -> None:
    """Logs are selected by range, address and topic, with null and alternatives in a topic's place."""
    topic, other = "0x" + TOPIC.hex(), "0x" + "22" * 32

    async def talk(_world: SmallWorld, caller: Caller) -> list[int]:
        wanted: list[dict[str, Any]] = [
            {"fromBlock": "earliest"},
            {"fromBlock": "0x0", "toBlock": "0x0"},
            {"address": CONTRACT_HEX},
            {"address": [ALICE_HEX, CONTRACT_HEX]},
            {"address": ALICE_HEX},
            {"topics": [topic]},
            {"topics": [None, WORD_9]},
            {"topics": [[other, topic], [WORD_9]]},
            {"topics": [other]},
            {"topics": [topic, WORD_9, None]},
        ]
        return [len(await caller.result("eth_getLogs", criteria)) for criteria in wanted]

    assert fly(talk) == [1, 0, 1, 1, 0, 1, 1, 1, 0, 0]
