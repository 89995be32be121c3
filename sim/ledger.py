"""What the record says of the chain at each new head: blocks, transactions, the subject's balances and trades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.chain.block import Block, Log, Receipt
from sim.chain.chain import Chain, HeadChange
from sim.chain.engine import CallRequest
from sim.chain.keccak import keccak
from sim.chain.transaction import Transaction
from sim.record import Recorder

SUBJECT = "bot"
"""The label under which the record keeps what the bot owns and earns."""

_TRANSFER = keccak(b"Transfer(address,address,uint256)")
_SWAP_V2 = keccak(b"Swap(address,uint256,uint256,uint256,uint256,address)")
_BALANCE_OF = keccak(b"balanceOf(address)")[:4]


@dataclass(frozen=True, slots=True)
class Token:
    """A token the subject may hold, and what one whole one is worth now, in wei."""

    address: bytes
    unit: int
    wei_per_token: Callable[[], int]


class Ledger:
    """Listens to the head and writes events.

    Args:
        labels: names of accounts by address; contracts that the subject deploys are added.
        owned: addresses whose holdings are the subject's.
        weth: the wrapped ether's address.
        tokens: what else counts, valued at its reference price.
        pairs: names of pools by address, for a trade's path.
    """

    def __init__(
        self,
        chain: Chain,
        recorder: Recorder,
        labels: dict[bytes, str],
        owned: Iterable[bytes],
        weth: bytes,
        tokens: Iterable[Token],
        pairs: Mapping[bytes, str],
    ) -> None:
        self._chain = chain
        self._recorder = recorder
        self._labels = labels
        self._owned = list(owned)
        self._weth = weth
        self._tokens = tuple(tokens)
        self._pairs = pairs
        self._senders = frozenset(address for address in self._owned)

    def start(self) -> None:
        """Write the balance at the start block and follow the head from there."""
        self._balance(self._chain.head)
        self._chain.on_head.append(self._on_head)

    def _on_head(self, change: HeadChange) -> None:
        if change.removed:
            self._recorder.event(
                "reorg",
                "chain",
                depth=len(change.removed),
                old=_hex(change.removed[0].hash),
                new=_hex(change.added[-1].hash),
            )
        for block in change.removed:
            for tx, receipt in zip(block.transactions, block.receipts, strict=True):
                label = self._label(tx.sender)
                self._recorder.event("tx.orphaned", label, hash=_hex(tx.hash), block=block.number)
                if tx.sender in self._senders:
                    self._trade(block, tx, receipt, orphaned=True)
        for block in change.added:
            self._block(block)
        self._balance(self._chain.head)

    def _block(self, block: Block) -> None:
        header = block.header
        self._recorder.event(
            "block",
            "builder",
            number=block.number,
            hash=_hex(block.hash),
            parent=_hex(header.parent_hash),
            digest=block.digest.hex(),
            timestamp=header.timestamp,
            gas_used=header.gas_used,
            gas_limit=header.gas_limit,
            base_fee_wei=header.base_fee,
            txs=len(block.transactions),
        )
        for index, (tx, receipt) in enumerate(zip(block.transactions, block.receipts, strict=True)):
            self._recorder.event(
                "tx.included",
                self._label(tx.sender),
                hash=_hex(tx.hash),
                block=block.number,
                block_hash=_hex(block.hash),
                index=index,
                status=receipt.status,
                gas_used=receipt.gas_used,
                gas_price_wei=receipt.effective_gas_price,
                tip_wei=tx.effective_tip(header.base_fee or 0),
                nonce=tx.nonce,
                to=None if tx.to is None else _hex(tx.to),
            )
            if tx.sender in self._senders:
                created = receipt.contract_address
                if created is not None and created not in self._owned:
                    self._owned.append(created)
                self._trade(block, tx, receipt)

    def _trade(self, block: Block, tx: Transaction, receipt: Receipt, *, orphaned: bool = False) -> None:
        """Write what a transaction of the subject swapped; one that failed at a contract counts as a try."""
        path = [self._step(log) for log in receipt.logs if log.topics and log.topics[0] == _SWAP_V2]
        if not path and (receipt.status or not tx.data or tx.to is None):
            return
        status = "orphaned" if orphaned else "included" if receipt.status else "reverted"
        self._recorder.event(
            "trade",
            SUBJECT,
            hash=_hex(tx.hash),
            block=block.number,
            path=path,
            realised_wei=self._weth_gained(receipt.logs),
            gas_used=receipt.gas_used,
            gas_cost_wei=receipt.gas_used * receipt.effective_gas_price,
            tip_wei=tx.effective_tip(block.header.base_fee or 0),
            status=status,
            reason="reorg" if orphaned else "" if receipt.status else "execution reverted",
        )

    def _step(self, log: Log) -> str:
        return self._pairs.get(log.address, _hex(log.address))

    def _weth_gained(self, logs: Iterable[Log]) -> int:
        gained_wei = 0
        for log in logs:
            if log.address == self._weth and len(log.topics) == 3 and log.topics[0] == _TRANSFER:
                amount_wei = int.from_bytes(log.data, "big")
                gained_wei += amount_wei * (log.topics[2][12:] in self._owned)
                gained_wei -= amount_wei * (log.topics[1][12:] in self._owned)
        return gained_wei

    def _balance(self, block: Block) -> None:
        if not self._owned:
            return
        state = self._chain.state(block)
        eth_wei = sum(state.balance(address) for address in self._owned)
        weth_wei = sum(self._held(self._weth, address, block) for address in self._owned)
        token_wei = 0
        for token in self._tokens:
            units = sum(self._held(token.address, address, block) for address in self._owned)
            token_wei += units * token.wei_per_token() // token.unit
        self._recorder.event(
            "balance",
            SUBJECT,
            block=block.number,
            eth_wei=eth_wei,
            weth_wei=weth_wei,
            token_wei=token_wei,
            total_wei=eth_wei + weth_wei + token_wei,
        )

    def _held(self, token: bytes, owner: bytes, block: Block) -> int:
        result = self._chain.call(CallRequest(to=token, data=_BALANCE_OF + owner.rjust(32, b"\0")), block)
        return int.from_bytes(result.output, "big") if result.success and len(result.output) == 32 else 0

    def _label(self, address: bytes) -> str:
        return self._labels.get(address) or _hex(address)


def _hex(value: Any) -> str:
    return f"0x{value.hex()}"
