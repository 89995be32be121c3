"""Blocks, transactions, receipts and logs as the JSON text that geth sends."""

from __future__ import annotations

from typing import Final

from sim.chain.block import Block, Header, Log
from sim.chain.transaction import Transaction
from sim.node.rpc import Fragment

_NULL: Final = Fragment("null")


def quantity(value: int) -> Fragment:
    """Return *value* as a JSON hex quantity.

    >>> quantity(0), quantity(1024)
    ('"0x0"', '"0x400"')
    """
    return Fragment(f'"{value:#x}"')


def data(value: bytes) -> Fragment:
    """Return *value* as JSON hex data.

    >>> data(b""), data(bytes([0, 255]))
    ('"0x"', '"0x00ff"')
    """
    return Fragment(f'"0x{value.hex()}"')


def word(value: int) -> Fragment:
    """Return *value* as 32 bytes of JSON hex data."""
    return Fragment(f'"0x{value:064x}"')


def header(block: Block, hashed: bool = True) -> str:
    """Return the members of a block's header, without the braces.

    Args:
        hashed: whether the block has a hash, nonce and proposer; the pending block has none.
    """
    head = block.header
    sealed = (
        f'"hash":"0x{block.hash.hex()}","nonce":"0x{head.nonce.hex()}","miner":"0x{head.coinbase.hex()}"'
        if hashed
        else '"hash":null,"nonce":null,"miner":null'
    )
    return (
        f'"number":"{head.number:#x}",{sealed},"parentHash":"0x{head.parent_hash.hex()}",'
        f'"mixHash":"0x{head.prev_randao.hex()}","sha3Uncles":"0x{head.ommers_hash.hex()}",'
        f'"logsBloom":"0x{head.logs_bloom:0512x}","stateRoot":"0x{head.state_root.hex()}",'
        f'"difficulty":"{head.difficulty:#x}","extraData":"0x{head.extra_data.hex()}",'
        f'"gasLimit":"{head.gas_limit:#x}","gasUsed":"{head.gas_used:#x}","timestamp":"{head.timestamp:#x}",'
        f'"transactionsRoot":"0x{head.transactions_root.hex()}","receiptsRoot":"0x{head.receipts_root.hex()}"'
        f"{_later_fields(head)}"
    )


def _later_fields(head: Header) -> str:
    parts = []
    for name, number in (
        ("baseFeePerGas", head.base_fee),
        ("blobGasUsed", head.blob_gas_used),
        ("excessBlobGas", head.excess_blob_gas),
    ):
        if number is not None:
            parts.append(f',"{name}":"{number:#x}"')
    for name, root in (
        ("withdrawalsRoot", head.withdrawals_root),
        ("parentBeaconBlockRoot", head.parent_beacon_block_root),
        ("requestsHash", head.requests_hash),
    ):
        if root is not None:
            parts.append(f',"{name}":"0x{root.hex()}"')
    return "".join(parts)


def block(found: Block, full: bool, hashed: bool = True) -> Fragment:
    """Return a block, with its transactions whole or as hashes."""
    if full:
        listed = ",".join(transaction(tx, found, index) for index, tx in enumerate(found.transactions))
    else:
        listed = ",".join(f'"0x{tx.hash.hex()}"' for tx in found.transactions)
    withdrawals = "" if found.header.withdrawals_root is None else ',"withdrawals":[]'
    return Fragment(
        f'{{{header(found, hashed)},"size":"{found.size:#x}","transactions":[{listed}],"uncles":[]{withdrawals}}}'
    )


def transaction(tx: Transaction, found: Block | None, index: int = 0) -> Fragment:
    """Return a transaction in block *found* at *index*, or one that is pending."""
    if found is None:
        place = '"blockHash":null,"blockNumber":null,"blockTimestamp":null,"transactionIndex":null'
        price = tx.max_fee
    else:
        place = (
            f'"blockHash":"0x{found.hash.hex()}","blockNumber":"{found.number:#x}",'
            f'"blockTimestamp":"{found.header.timestamp:#x}","transactionIndex":"{index:#x}"'
        )
        price = tx.effective_gas_price(found.header.base_fee or 0)
    return Fragment(
        f'{{{place},"from":"0x{tx.sender.hex()}","gas":"{tx.gas:#x}","gasPrice":"{price:#x}",'
        f'"hash":"0x{tx.hash.hex()}","input":"0x{tx.data.hex()}","nonce":"{tx.nonce:#x}",'
        f'"to":{_address(tx.to)},"value":"{tx.value:#x}","type":"{tx.type:#x}"{_typed_fields(tx)},'
        f'"v":"{tx.v:#x}","r":"{tx.r:#x}","s":"{tx.s:#x}"}}'
    )


def _typed_fields(tx: Transaction) -> str:
    chain = "" if tx.chain_id is None else f',"chainId":"{tx.chain_id:#x}"'
    if tx.type == 0:
        return chain
    entries = ",".join(
        f'{{"address":"0x{address.hex()}","storageKeys":[{",".join(word(slot) for slot in slots)}]}}'
        for address, slots in tx.access_list
    )
    fees = ""
    if tx.type >= 2:
        fees = f',"maxFeePerGas":"{tx.max_fee:#x}","maxPriorityFeePerGas":"{tx.max_priority_fee:#x}"'
    if tx.blob_hashes:
        hashes = ",".join(data(blob) for blob in tx.blob_hashes)
        fees += f',"maxFeePerBlobGas":"{tx.max_fee_per_blob_gas:#x}","blobVersionedHashes":[{hashes}]'
    return f'{chain},"accessList":[{entries}]{fees},"yParity":"{tx.v:#x}"'


def _address(address: bytes | None) -> str:
    return "null" if address is None else f'"0x{address.hex()}"'


def log(written: Log, found: Block, tx_hash: bytes, tx_index: int, log_index: int) -> Fragment:
    """Return a log of block *found*, not removed."""
    topics = ",".join(f'"0x{topic.hex()}"' for topic in written.topics)
    return Fragment(
        f'{{"address":"0x{written.address.hex()}","topics":[{topics}],"data":"0x{written.data.hex()}",'
        f'"blockNumber":"{found.number:#x}","transactionHash":"0x{tx_hash.hex()}","transactionIndex":"{tx_index:#x}",'
        f'"blockHash":"0x{found.hash.hex()}","blockTimestamp":"{found.header.timestamp:#x}",'
        f'"logIndex":"{log_index:#x}","removed":false}}'
    )


def removed(sent: Fragment) -> Fragment:
    """Return a log as it is sent again when its block is no longer canonical."""
    assert sent.endswith('"removed":false}'), "a log ends with its removed flag"
    return Fragment(sent[:-6] + "true}")


def receipt(found: Block, index: int, logs: list[Fragment]) -> Fragment:
    """Return the receipt of the transaction at *index* of block *found*.

    Args:
        logs: the transaction's logs as `log` gives them.
    """
    tx, result = found.transactions[index], found.receipts[index]
    blobs = f',"blobGasUsed":"{tx.blob_gas:#x}"' if tx.blob_hashes else ""
    return Fragment(
        f'{{"blockHash":"0x{found.hash.hex()}","blockNumber":"{found.number:#x}",'
        f'"transactionHash":"0x{tx.hash.hex()}","transactionIndex":"{index:#x}","from":"0x{tx.sender.hex()}",'
        f'"to":{_address(tx.to)},"gasUsed":"{result.gas_used:#x}","cumulativeGasUsed":"{result.cumulative_gas_used:#x}",'
        f'"contractAddress":{_address(result.contract_address)},"logs":[{",".join(logs)}],'
        f'"logsBloom":"0x{result.bloom:0512x}","status":"{result.status:#x}","type":"{tx.type:#x}",'
        f'"effectiveGasPrice":"{result.effective_gas_price:#x}"{blobs}}}'
    )


class BlockText:
    """The JSON texts of one block, made when first asked for."""

    __slots__ = ("_blocks", "_header", "_logs", "found")

    def __init__(self, found: Block) -> None:
        self.found = found
        self._header: Fragment | None = None
        self._blocks: dict[bool, Fragment] = {}
        self._logs: list[list[Fragment]] | None = None

    def header(self) -> Fragment:
        """Return what a `newHeads` subscriber gets."""
        if self._header is None:
            self._header = Fragment(f"{{{header(self.found)}}}")
        return self._header

    def block(self, full: bool) -> Fragment:
        """Return the block with its transactions whole or as hashes."""
        text = self._blocks.get(full)
        if text is None:
            text = self._blocks[full] = block(self.found, full)
        return text

    def logs(self) -> list[list[Fragment]]:
        """Return the logs of each transaction."""
        if self._logs is None:
            self._logs, count = [], 0
            for index, result in enumerate(self.found.receipts):
                self._logs.append(
                    [log(item, self.found, result.tx_hash, index, count + at) for at, item in enumerate(result.logs)]
                )
                count += len(result.logs)
        return self._logs

    def receipt(self, index: int) -> Fragment:
        """Return the receipt of the transaction at *index*."""
        return receipt(self.found, index, self.logs()[index])

    def receipts(self) -> Fragment:
        """Return all receipts."""
        return Fragment(f"[{','.join(self.receipt(index) for index in range(len(self.found.receipts)))}]")
