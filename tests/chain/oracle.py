"""eth-tester on the same start state: the second opinion on every receipt.

A block's transactions are replayed with its timestamp, base fee and coinbase, so everything in the receipt must agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from eth_tester.backends.pyevm.main import PyEVMBackend, get_default_genesis_params

from sim.chain.block import Block, Log, Receipt, bloom_of
from sim.chain.chain import Chain
from sim.chain.state import Layer


def everything(layer: Layer, chain: Chain) -> dict[bytes, dict[str, Any]]:
    """Return the whole state as a genesis allocation."""
    state, found = chain.state(chain.start), {}
    addresses: set[bytes] = set()
    below: Layer | None = layer
    while below is not None:
        addresses |= below.accounts.keys()
        below = below.parent
    for address in sorted(addresses):
        if layer.account(address) is not None:
            found[address] = {
                "balance": state.balance(address), "nonce": state.nonce(address), "code": state.code(address),
                "storage": layer.slots(address),
            }  # fmt: skip
    return found


class Oracle:
    """eth-tester's backend, started from a chain's start block."""

    def __init__(self, chain: Chain) -> None:
        fork = chain.config.fork
        vm = getattr(import_module(f"eth.vm.forks.{fork}"), f"{fork.capitalize()}VM")
        start = chain.start.header
        params = get_default_genesis_params({"timestamp": start.timestamp, "gas_limit": start.gas_limit})
        params["base_fee_per_gas"] = start.base_fee
        state = everything(chain.layer(chain.start), chain)
        self._backend = PyEVMBackend(params, state, vm_configuration=((0, vm),))
        type(self._backend.chain).chain_id = chain.config.chain_id

    def replay(self, block: Block) -> list[Receipt]:
        """Return eth-tester's receipts of the block's transactions."""
        hashes = self._send(block)
        found = [_receipt(self._backend.get_transaction_receipt(tx_hash)) for tx_hash in hashes]
        self._end(block)
        return found

    def mine(self, block: Block) -> None:
        """Let eth-tester run the block's transactions, and ask for no receipt."""
        self._send(block)
        self._end(block)

    def gas_used(self) -> int:
        """Return the gas of the newest block."""
        gas: int = self._backend.chain.get_canonical_head().gas_used
        return gas

    def _send(self, block: Block) -> list[bytes]:
        ours, chain = block.header, self._backend.chain
        chain.header = chain.header.copy(
            timestamp=ours.timestamp, base_fee_per_gas=ours.base_fee, coinbase=ours.coinbase, mix_hash=ours.prev_randao
        )
        return [self._backend.send_raw_transaction(tx.raw) for tx in block.transactions]

    def _end(self, block: Block) -> None:
        ours = block.header
        self._backend.chain.mine_block(coinbase=ours.coinbase, mix_hash=ours.prev_randao)


def differences(ours: Iterable[Receipt], theirs: Iterable[Receipt]) -> list[str]:
    """Return a sentence for each field of a receipt in which the two disagree."""
    found = []
    for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        for name in ("tx_hash", "status", "gas_used", "cumulative_gas_used", "logs", "bloom", "contract_address",
                     "effective_gas_price", "type"):  # fmt: skip
            left, right = getattr(mine, name), getattr(other, name)
            if left != right:
                found.append(f"transaction {index}: {name} {left!r}, eth-tester {right!r}")
    return found


def _receipt(data: dict[str, Any]) -> Receipt:
    logs = tuple(
        Log(log["address"], tuple(_word(topic) for topic in log["topics"]), log["data"]) for log in data["logs"]
    )
    return Receipt(
        tx_hash=data["transaction_hash"], status=data["status"], gas_used=data["gas_used"],
        cumulative_gas_used=data["cumulative_gas_used"], logs=logs, bloom=bloom_of(logs),
        contract_address=data["contract_address"] or None, effective_gas_price=data["effective_gas_price"],
        type=int(data["type"], 16) if isinstance(data["type"], str) else data["type"],
    )  # fmt: skip


def _word(topic: Any) -> bytes:
    return topic.to_bytes(32, "big") if isinstance(topic, int) else topic.rjust(32, b"\0")
