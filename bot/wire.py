"""The shapes of JSON-RPC turned into the mind's values, and calls turned into calldata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from bot.errors import NodeError
from bot.lifecycle import Inclusion
from bot.strategy import Plan
from bot.view import Header, Reserves, SyncLog

# Anything a node or web3.py hands over: decoded JSON, or web3.py's mapping with ints and HexBytes in it.
Json = Mapping[str, Any]

SYNC_TOPIC = keccak(text="Sync(uint112,uint112)")
EXECUTED_TOPIC = keccak(text="Executed(address,address,uint256,uint256)")
GET_PAIR = keccak(text="getPair(address,address)")[:4]
GET_RESERVES = keccak(text="getReserves()")[:4]
OWNER = keccak(text="OWNER()")[:4]
EXECUTE_TYPES = ("address", "address", "address", "uint256", "uint256", "uint256", "uint256")
EXECUTE = keccak(text=f"execute({','.join(EXECUTE_TYPES)})")[:4]


def quantity(value: int | str) -> int:
    """Return a JSON-RPC quantity, which web3.py may already have turned into an int."""
    return value if isinstance(value, int) else int(value, 16)


def data(value: bytes | str) -> bytes:
    """Return JSON-RPC bytes, which web3.py may already have turned into HexBytes."""
    return bytes(value) if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))


def hexed(value: bytes | int) -> str:
    """Return bytes as JSON-RPC data, an int as a quantity."""
    return hex(value) if isinstance(value, int) else "0x" + value.hex()


def at_block(block_hash: bytes) -> dict[str, str]:
    """Return the block parameter that pins a read to one block (EIP-1898)."""
    return {"blockHash": hexed(block_hash)}


def header(raw: Json) -> Header:
    """Return a header as of `newHeads` or `eth_getBlockBy...`."""
    bloom = raw.get("logsBloom")
    return Header(
        number=quantity(raw["number"]),
        hash=data(raw["hash"]),
        parent_hash=data(raw["parentHash"]),
        timestamp_s=quantity(raw["timestamp"]),
        base_fee_wei=quantity(raw["baseFeePerGas"]),
        gas_used=quantity(raw["gasUsed"]),
        gas_limit=quantity(raw["gasLimit"]),
        logs_bloom=None if bloom is None else int.from_bytes(data(bloom), "big"),
    )


def sync_log(raw: Json) -> SyncLog:
    """Return a pool's Sync log; `removed` is kept, which web3.py's event decoding loses."""
    payload = data(raw["data"])
    return SyncLog(
        pool=data(raw["address"]),
        block_hash=data(raw["blockHash"]),
        block_number=quantity(raw["blockNumber"]),
        log_index=quantity(raw["logIndex"]),
        reserves=Reserves(int.from_bytes(payload[:32], "big"), int.from_bytes(payload[32:64], "big")),
        tx_hash=data(raw["transactionHash"]),
        removed=bool(raw.get("removed", False)),
    )


def reserves(answer: str) -> Reserves:
    """Return the answer of `getReserves()`."""
    payload = data(answer)
    if len(payload) != 96:
        raise NodeError(-32000, f"getReserves() answered {len(payload)} bytes, 96 expected: no pair at that address?")
    return Reserves(int.from_bytes(payload[:32], "big"), int.from_bytes(payload[32:64], "big"))


def address_of(answer: str) -> bytes:
    """Return the one address a call answered."""
    payload = data(answer)
    if len(payload) != 32:
        raise NodeError(-32000, f"an address was expected, {len(payload)} bytes came: no contract at that address?")
    return payload[12:]


def get_pair_call(factory: bytes, one: bytes, other: bytes) -> dict[str, str]:
    """Return the call that asks a factory for its pair of two tokens."""
    return {"to": hexed(factory), "data": hexed(GET_PAIR + encode(["address", "address"], [one, other]))}


def get_reserves_call(pool: bytes) -> dict[str, str]:
    """Return the call that asks a pool for its reserves."""
    return {"to": hexed(pool), "data": hexed(GET_RESERVES)}


def owner_call(executor: bytes) -> dict[str, str]:
    """Return the call that asks the executor for its owner."""
    return {"to": hexed(executor), "data": hexed(OWNER)}


def execute_calldata(plan: Plan, token: bytes) -> bytes:
    """Return the executor's calldata for a plan."""
    return EXECUTE + encode(
        EXECUTE_TYPES,
        [
            plan.buy.pool,
            plan.sell.pool,
            token,
            plan.cycle.token_wei,
            plan.buy.fee_bps,
            plan.sell.fee_bps,
            plan.profit_min_wei,
        ],
    )


def inclusion(raw: Json, executor: bytes) -> Inclusion:
    """Return what the receipt of one of the bot's transactions says."""
    gross_wei = 0
    for log in raw["logs"]:
        if data(log["address"]) == executor and log["topics"] and data(log["topics"][0]) == EXECUTED_TOPIC:
            gross_wei += int(decode(["uint256", "uint256"], data(log["data"]))[1])
    return Inclusion(
        tx_hash=data(raw["transactionHash"]),
        block_hash=data(raw["blockHash"]),
        block_number=quantity(raw["blockNumber"]),
        succeeded=quantity(raw["status"]) == 1,
        gas_used_gas=quantity(raw["gasUsed"]),
        gas_price_wei=quantity(raw["effectiveGasPrice"]),
        gross_wei=gross_wei,
    )


def bloom_bits(item: bytes) -> int:
    """Return the three bits an address or topic sets in a block's log filter.

    Source:
        Yellow paper 4.3.1, the function M.
    """
    digest = keccak(item)
    bits = 0
    for place in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[place : place + 2], "big") & 2047)
    return bits
