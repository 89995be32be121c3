"""The deployed start state on disk, by the hash of all that it depends on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import zstandard

from sim.chain.block import Block, Header, Log, Receipt
from sim.chain.state import AccountState, CodeStore, Layer
from sim.chain.transaction import decode

FORMAT = 1
_CHECKSUM_BYTES = 32


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return where start states are cached under an environment.

    It is `$WINDTUNNEL_CACHE`, else `$XDG_CACHE_HOME/windtunnel`, else `~/.cache/windtunnel`.
    """
    if environ.get("WINDTUNNEL_CACHE"):
        return Path(environ["WINDTUNNEL_CACHE"])
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / "windtunnel"
    return Path(environ.get("HOME") or "~").expanduser() / ".cache" / "windtunnel"


def start_key(parts: Sequence[object], lock_hash: str) -> str:
    """Return the name of the start state that follows from *parts*: dataclasses, bytes, and sequences of these."""
    text = json.dumps([FORMAT, lock_hash, *parts], default=_plain, sort_keys=True)
    return blake2b(text.encode(), digest_size=20).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    assert is_dataclass(value), f"{value!r} has no place in a key"
    assert not isinstance(value, type)
    return asdict(value)


class StartCache:
    """One file of a cache folder."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / "start" / f"{key}.zst"

    def load(self, codes: CodeStore) -> list[tuple[Block, Layer]] | None:
        """Return the cached blocks and layers, or None if there is no whole file; put their code into *codes*."""
        try:
            raw = self.path.read_bytes()
        except OSError:
            return None
        checksum, packed = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
        if blake2b(packed, digest_size=_CHECKSUM_BYTES).digest() != checksum:
            return None
        data = json.loads(zstandard.ZstdDecompressor().decompress(packed))
        for code in data["codes"]:
            codes.add(bytes.fromhex(code))
        blocks: list[tuple[Block, Layer]] = []
        for entry in data["blocks"]:
            blocks.append((_block(entry["block"]), _layer(entry["layer"], blocks[-1][1] if blocks else None)))
        return blocks

    def store(self, blocks: Sequence[tuple[Block, Layer]], codes: CodeStore) -> None:
        """Write *blocks* so that a reader sees all of them or none; a folder that cannot be written is no error."""
        used = {account.code_hash for _, layer in blocks for account in layer.accounts.values() if account}
        data = {
            "codes": [codes.get(code_hash).hex() for code_hash in sorted(used)],
            "blocks": [{"block": _block_data(block), "layer": _layer_data(layer)} for block, layer in blocks],
        }
        packed = zstandard.ZstdCompressor(level=3).compress(json.dumps(data, separators=(",", ":")).encode())
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(blake2b(packed, digest_size=_CHECKSUM_BYTES).digest() + packed)
            part.replace(self.path)
        except OSError:
            part.unlink(missing_ok=True)


_HEADER_BYTES = {
    "parent_hash", "coinbase", "prev_randao", "state_root", "transactions_root", "receipts_root", "extra_data",
    "ommers_hash", "nonce", "withdrawals_root", "parent_beacon_block_root", "requests_hash",
}  # fmt: skip


def _block_data(block: Block) -> dict[str, Any]:
    header = asdict(block.header)
    receipts = [asdict(receipt) for receipt in block.receipts]
    return {
        "header": {name: _hex(value) for name, value in header.items()},
        "transactions": [tx.raw.hex() for tx in block.transactions],
        "receipts": [
            {name: _hex(value) for name, value in receipt.items() if name != "logs"}
            | {
                "logs": [
                    [log["address"].hex(), [topic.hex() for topic in log["topics"]], log["data"].hex()]
                    for log in receipt["logs"]
                ]
            }
            for receipt in receipts
        ],
        "digest": block.digest.hex(),
    }


def _hex(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _block(data: Mapping[str, Any]) -> Block:
    header: dict[str, Any] = {
        name: bytes.fromhex(value) if name in _HEADER_BYTES and value is not None else value
        for name, value in data["header"].items()
    }
    return Block(
        Header(**header), tuple(decode(bytes.fromhex(raw)) for raw in data["transactions"]),
        tuple(_receipt(receipt) for receipt in data["receipts"]), bytes.fromhex(data["digest"]),
    )  # fmt: skip


def _receipt(data: Mapping[str, Any]) -> Receipt:
    address = data["contract_address"]
    logs = tuple(
        Log(bytes.fromhex(where), tuple(map(bytes.fromhex, topics)), bytes.fromhex(body))
        for where, topics, body in data["logs"]
    )
    changed = {
        "tx_hash": bytes.fromhex(data["tx_hash"]), "output": bytes.fromhex(data["output"]), "logs": logs,
        "contract_address": bytes.fromhex(address) if address is not None else None,
    }  # fmt: skip
    return Receipt(**(dict(data) | changed))


def _layer_data(layer: Layer) -> dict[str, Any]:
    return {
        "accounts": {
            address.hex(): [account.nonce, account.balance, account.code_hash.hex()] if account else None
            for address, account in layer.accounts.items()
        },
        "storage": {address.hex(): list(slots.items()) for address, slots in layer.storage.items()},
        "wiped": [address.hex() for address in sorted(layer.wiped)],
    }


def _layer(data: Mapping[str, Any], parent: Layer | None) -> Layer:
    return Layer(
        parent,
        {
            bytes.fromhex(address): AccountState(account[0], account[1], bytes.fromhex(account[2])) if account else None
            for address, account in data["accounts"].items()
        },
        {bytes.fromhex(address): dict(map(tuple, slots)) for address, slots in data["storage"].items()},
        frozenset(map(bytes.fromhex, data["wiped"])),
    )
