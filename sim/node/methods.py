"""Which methods a node serves, and how a request becomes a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sim.node import block_methods as blocks
from sim.node import fee_methods as fees
from sim.node import identity_methods as identity
from sim.node import state_methods as states
from sim.node.call_methods import call, estimate_gas
from sim.node.call_params import block_overrides, call_arguments, state_overrides
from sim.node.filters import criteria
from sim.node.log_methods import get_logs
from sim.node.params import (
    Signature,
    address,
    block_number,
    block_ref,
    boolean,
    count,
    hash32,
    hex_bytes,
    index,
    percentiles,
    signature,
    string,
)
from sim.node.rpc import INVALID_REQUEST, METHOD_NAME_CHARS_MAX, Fragment, RpcError, method_not_found
from sim.node.view import NodeView


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes, and the function that answers it."""

    takes: Signature
    run: Callable[..., Fragment]


_NOTHING: Final = signature()
_CALL: Final = signature(call_arguments, block_ref, state_overrides, block_overrides, optional=3)

READS: Final[Mapping[str, Method]] = {
    "eth_chainId": Method(_NOTHING, identity.chain_id),
    "eth_syncing": Method(_NOTHING, identity.syncing),
    "eth_accounts": Method(_NOTHING, identity.accounts),
    "net_version": Method(_NOTHING, identity.net_version),
    "net_listening": Method(_NOTHING, identity.net_listening),
    "net_peerCount": Method(_NOTHING, identity.net_peer_count),
    "web3_clientVersion": Method(_NOTHING, identity.client_version),
    "web3_sha3": Method(signature(hex_bytes), identity.sha3),
    "rpc_modules": Method(_NOTHING, identity.rpc_modules),
    "eth_blockNumber": Method(_NOTHING, blocks.block_number),
    "eth_getBlockByNumber": Method(signature(block_number, boolean), blocks.get_block),
    "eth_getBlockByHash": Method(signature(hash32, boolean), blocks.get_block_by_hash),
    "eth_getBlockReceipts": Method(signature(block_ref), blocks.get_block_receipts),
    "eth_getBlockTransactionCountByNumber": Method(signature(block_number), blocks.count_transactions),
    "eth_getBlockTransactionCountByHash": Method(signature(hash32), blocks.count_transactions_by_hash),
    "eth_getUncleCountByBlockNumber": Method(signature(block_number), blocks.count_uncles),
    "eth_getUncleCountByBlockHash": Method(signature(hash32), blocks.count_uncles_by_hash),
    "eth_getTransactionByHash": Method(signature(hash32), blocks.get_transaction),
    "eth_getTransactionByBlockNumberAndIndex": Method(signature(block_number, index), blocks.get_transaction_at),
    "eth_getTransactionByBlockHashAndIndex": Method(signature(hash32, index), blocks.get_transaction_at_hash),
    "eth_getRawTransactionByHash": Method(signature(hash32), blocks.get_raw_transaction),
    "eth_getTransactionReceipt": Method(signature(hash32), blocks.get_receipt),
    "eth_getBalance": Method(signature(address, block_ref, optional=1), states.get_balance),
    "eth_getCode": Method(signature(address, block_ref, optional=1), states.get_code),
    "eth_getStorageAt": Method(signature(address, string, block_ref, optional=1), states.get_storage_at),
    "eth_getTransactionCount": Method(signature(address, block_ref, optional=1), states.get_transaction_count),
    "eth_call": Method(_CALL, call),
    "eth_estimateGas": Method(_CALL, estimate_gas),
    "eth_gasPrice": Method(_NOTHING, fees.gas_price),
    "eth_maxPriorityFeePerGas": Method(_NOTHING, fees.max_priority_fee),
    "eth_feeHistory": Method(signature(count, block_number, percentiles), fees.fee_history),
    "eth_getLogs": Method(signature(criteria), get_logs),
}


class Methods:
    """The methods of one node over its view.

    Args:
        writes: methods beyond `READS`, by name.
    """

    def __init__(self, view: NodeView, writes: Mapping[str, Method]) -> None:
        self._view = view
        self._table = {**READS, **writes}

    def names(self) -> list[str]:
        """Return the names of all methods."""
        return sorted(self._table)

    def handle(self, method: str, params: list[Any] | None) -> Fragment:
        """Return the result of a request as JSON text.

        Raises:
            RpcError: there is no such method, the arguments are wrong, or the answer is an error.
        """
        found = self._table.get(method)
        if found is None:
            if len(method) > METHOD_NAME_CHARS_MAX:
                length, limit = len(method), METHOD_NAME_CHARS_MAX
                raise RpcError(f"method name too long: {length} > {limit}", INVALID_REQUEST)
            raise method_not_found(method)
        return found.run(self._view, *found.takes.decode(params))
