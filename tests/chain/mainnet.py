"""Recorded mainnet blocks as values of the chain."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sim.chain import rlp
from sim.chain.block import Header
from sim.chain.state import EMPTY_ACCOUNT, AccountState, Layer
from sim.chain.transaction import ACCESS_LIST, BLOB, Transaction, decode

FOLDER = Path(__file__).parent.parent / "data" / "mainnet_blocks"

FORKS = {
    4370000: "byzantium", 7280000: "petersburg", 9069000: "istanbul", 11114732: "muir_glacier",
    12047794: "muir_glacier", 12244000: "berlin", 12522062: "berlin", 15537394: "paris", 17034869: "paris",
    19426587: "cancun", 19929064: "cancun", 19933122: "cancun",
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    fork: str
    header: Header
    hash: bytes
    transactions: tuple[Transaction, ...]
    senders: tuple[bytes, ...]
    prestate: Layer


def recorded(number: int) -> Recorded:
    block = _load(FOLDER / "blocks" / str(number) / "block.json.gz")
    accounts: dict[bytes, AccountState | None] = {}
    storage: dict[bytes, dict[int, int]] = {}
    for text, entry in _load(FOLDER / "blocks" / str(number) / "prestate.json.gz").items():
        code_hash = _bytes(entry.get("code_hash")) or EMPTY_ACCOUNT.code_hash
        accounts[_bytes(text)] = AccountState(entry["nonce"], int(entry["balance"], 16), code_hash)
        storage[_bytes(text)] = {int(slot, 16): int(value, 16) for slot, value in entry["storage"].items()}
    return Recorded(
        fork=FORKS[number], header=_header(block), hash=_bytes(block["hash"]),
        transactions=tuple(decode(_raw(tx)) for tx in block["transactions"]),
        senders=tuple(_bytes(tx["from"]) for tx in block["transactions"]),
        prestate=Layer(None, accounts, storage),
    )  # fmt: skip


@cache
def codes() -> tuple[bytes, ...]:
    return tuple(_bytes(code) for code in _load(FOLDER / "codes.json.gz").values())


@cache
def block_hashes() -> dict[int, bytes]:
    return {
        int(number): _bytes(text) for number, text in json.loads((FOLDER / "block_hashes.json").read_text()).items()
    }


def _load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def _bytes(text: str | None) -> bytes:
    return bytes.fromhex(text[2:]) if text else b""


def _number(text: str | None) -> int | None:
    return int(text, 16) if text is not None else None


def _header(block: dict[str, Any]) -> Header:
    return Header(
        number=int(block["number"], 16), parent_hash=_bytes(block["parentHash"]), timestamp=int(block["timestamp"], 16),
        gas_limit=int(block["gasLimit"], 16), gas_used=int(block["gasUsed"], 16),
        base_fee=_number(block.get("baseFeePerGas")), coinbase=_bytes(block["miner"]),
        prev_randao=_bytes(block["mixHash"]), state_root=_bytes(block["stateRoot"]),
        transactions_root=_bytes(block["transactionsRoot"]), receipts_root=_bytes(block["receiptsRoot"]),
        logs_bloom=int(block["logsBloom"], 16), extra_data=_bytes(block["extraData"]),
        ommers_hash=_bytes(block["sha3Uncles"]), difficulty=int(block["difficulty"], 16), nonce=_bytes(block["nonce"]),
        withdrawals_root=_bytes(block.get("withdrawalsRoot")) or None, blob_gas_used=_number(block.get("blobGasUsed")),
        excess_blob_gas=_number(block.get("excessBlobGas")),
        parent_beacon_block_root=_bytes(block.get("parentBeaconBlockRoot")) or None,
    )  # fmt: skip


def _raw(tx: dict[str, Any]) -> bytes:
    kind = int(tx.get("type", "0x0"), 16)
    payload: list[Any] = [int(tx["gas"], 16), _bytes(tx.get("to")), int(tx["value"], 16), _bytes(tx["input"])]
    v = int(tx.get("yParity", tx["v"]) if kind else tx["v"], 16)
    signature = [v, int(tx["r"], 16), int(tx["s"], 16)]
    if kind == 0:
        return rlp.encode([int(tx["nonce"], 16), int(tx["gasPrice"], 16), *payload, *signature])
    slots = [
        [_bytes(entry["address"]), list(map(_bytes, entry["storageKeys"]))] for entry in tx.get("accessList") or []
    ]
    prices = ["gasPrice"] if kind == ACCESS_LIST else ["maxPriorityFeePerGas", "maxFeePerGas"]
    fields = [int(tx["chainId"], 16), int(tx["nonce"], 16), *(int(tx[price], 16) for price in prices), *payload, slots]
    if kind == BLOB:
        fields += [int(tx["maxFeePerBlobGas"], 16), list(map(_bytes, tx["blobVersionedHashes"]))]
    return bytes((kind,)) + rlp.encode(fields + signature)
