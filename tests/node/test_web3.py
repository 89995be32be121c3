from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
from web3.exceptions import BlockNotFound, ContractLogicError, TransactionNotFound, Web3RPCError
from web3.utils.subscriptions import NewHeadsSubscription

from sim.node import rpc
from tests.node.small_world import ALICE, CONTRACT, TOPIC, SmallWorld, serving

ERROR_ABC = "0x08c379a0" + f"{32:064x}{3:064x}" + b"abc".ljust(32, b"\0").hex()
ADDRESS = AsyncWeb3.to_checksum_address(CONTRACT)


def over_http(talk: Callable[[SmallWorld, AsyncWeb3[Any]], Awaitable[Any]]) -> Any:
    """Talk to a small world through web3.py's HTTP provider."""
    world = SmallWorld()

    async def run() -> Any:
        async with serving(world) as served:
            w3 = AsyncWeb3(AsyncHTTPProvider(served.http))
            try:
                return await talk(world, w3)
            finally:
                await w3.provider.disconnect()

    return asyncio.run(run())


def test_web3_reads_blocks_and_receipts() -> None:
    """web3.py's own formatters take every answer: a sent transaction, its receipt, its block, its log, the fees."""

    async def talk(world: SmallWorld, w3: AsyncWeb3[Any]) -> Any:
        raw = world.signed(ALICE, CONTRACT, bytes(31) + b"\x05")
        tx_hash = await w3.eth.send_raw_transaction(raw)
        pending = await w3.eth.get_transaction(tx_hash)
        world.propose()
        receipt = await w3.eth.wait_for_transaction_receipt(tx_hash)
        block = await w3.eth.get_block("latest", full_transactions=True)
        logs = await w3.eth.get_logs({"address": ADDRESS, "fromBlock": 0})
        history = await w3.eth.fee_history(2, "latest", [50.0])
        return pending, receipt, block, logs, history, await w3.eth.get_storage_at(ADDRESS, 0), await w3.is_connected()

    pending, receipt, block, logs, history, slot, up = over_http(talk)

    assert pending["blockNumber"] is None
    assert (receipt["status"], receipt["blockHash"], receipt["logs"]) == (1, block["hash"], logs)
    assert block["transactions"][0]["hash"] == receipt["transactionHash"]
    assert logs[0]["topics"][0] == TOPIC
    assert (history["oldestBlock"], len(history["reward"]), slot[-1], up) == (0, 2, 5, True)


def test_web3_raises_what_it_raises_on_geth() -> None:
    """Reverts, unknown blocks and transactions, and refusals become web3.py's own exceptions."""

    async def talk(world: SmallWorld, w3: AsyncWeb3[Any]) -> None:
        with pytest.raises(ContractLogicError, match="execution reverted: abc"):
            await w3.eth.call({"to": ADDRESS, "data": ERROR_ABC})
        with pytest.raises(BlockNotFound):
            await w3.eth.get_block(99)
        with pytest.raises(TransactionNotFound):
            await w3.eth.get_transaction_receipt(bytes(32))
        world.mempool.add(raw := world.signed(ALICE, CONTRACT))
        with pytest.raises(Web3RPCError, match="already known") as refused:
            await w3.eth.send_raw_transaction(raw)
        assert refused.value.rpc_response is not None
        assert refused.value.rpc_response["error"]["code"] == rpc.DEFAULT

    over_http(talk)


def test_web3_subscribes_and_batches_over_a_websocket() -> None:
    """web3.py's WebSocket provider subscribes to heads, logs and transactions, and sends a batch."""

    async def run() -> Any:
        world = SmallWorld()
        async with serving(world) as served, AsyncWeb3(WebSocketProvider(served.ws)) as w3:
            names = {
                await w3.eth.subscribe("newHeads"): "head",
                await w3.eth.subscribe("logs", {"address": ADDRESS, "topics": [TOPIC]}): "log",
                await w3.eth.subscribe("newPendingTransactions"): "tx",
            }
            async with w3.batch_requests() as batch:
                batch.add(w3.eth.get_balance(ADDRESS))
                batch.add(w3.eth.get_block(0))
                balance, block = await batch.async_execute()
            tx_hash = await w3.eth.send_raw_transaction(world.signed(ALICE, CONTRACT, bytes(32)))
            world.propose()
            got = {}
            async for message in w3.socket.process_subscriptions():
                got[names[message["subscription"]]] = message["result"]
                if len(got) == 3:
                    break
            return balance, block["number"], tx_hash, got, world.chain.head.hash

    balance, number, tx_hash, got, head_hash = asyncio.run(run())

    assert (balance, number) == (0, 0)
    assert (got["head"]["hash"], got["tx"], got["log"]["transactionHash"]) == (head_hash, tx_hash, tx_hash)


def test_web3_handlers_get_their_events() -> None:
    """web3.py's subscription manager runs its handlers on what the node publishes."""
    seen: list[int] = []

    async def on_head(context: Any) -> None:
        seen.append(context.result["number"])
        if len(seen) == 2:
            await context.subscription.unsubscribe()

    async def run() -> int:
        world = SmallWorld()
        async with serving(world) as served, AsyncWeb3(WebSocketProvider(served.ws)) as w3:
            await w3.subscription_manager.subscribe(NewHeadsSubscription(handler=on_head))
            world.propose()
            world.propose()
            await w3.subscription_manager.handle_subscriptions()
            return await w3.eth.block_number

    number = asyncio.run(run())

    assert (seen, number) == ([1, 2], 2)
