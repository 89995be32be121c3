"""The arguments of `eth_call` and `eth_estimateGas`: a transaction object, and state and block to pretend.

Source:
    go-ethereum, `internal/ethapi/transaction_args.go`, `internal/ethapi/override/override.go`.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sim.chain.engine import AccountOverride, CallRequest
from sim.chain.keccak import keccak
from sim.node.params import Wrong, address, go_kind, hash32, hex_bytes, prefixed, type_error, uint64, uint256
from sim.node.rpc import RpcError

CALL_GAS_MAX: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The transaction object of a call, as sent."""

    fields: Mapping[str, Any]

    def request(self, chain_id: int) -> CallRequest:
        """Return the call to run.

        Raises:
            RpcError: its fields contradict each other or the chain.
        """
        fields = self.fields
        price, fee, tip = fields.get("gasPrice"), fields.get("maxFeePerGas"), fields.get("maxPriorityFeePerGas")
        if price is not None and (fee is not None or tip is not None):
            raise RpcError("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
        chain = fields.get("chainId")
        if chain is not None and chain != chain_id:
            raise RpcError(f"chainId does not match node's (have={chain}, want={chain_id})")
        data = fields.get("input")
        if data is None:
            data = fields.get("data", b"")
        gas = fields.get("gas")
        return CallRequest(
            to=fields.get("to"),
            data=data,
            sender=fields.get("from", _ZERO_ADDRESS),
            value=fields.get("value", 0),
            gas=None if gas is None else min(gas, CALL_GAS_MAX),
            max_fee=price if price is not None else fee or 0,
            max_priority_fee=price if price is not None else tip or 0,
            access_list=fields.get("accessList", ()),
        )


_ZERO_ADDRESS: Final = bytes(20)


def _access_list(value: Any, field: str) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if type(value) is not list:
        raise type_error(go_kind(value), "types.AccessList", field)
    entries = []
    for entry in value:
        if type(entry) is not dict:
            raise type_error(go_kind(entry), "types.AccessTuple", field)
        keys = entry.get("storageKeys") or []
        if type(keys) is not list:
            raise type_error(go_kind(keys), "[]common.Hash", f"{field}.storageKeys")
        slots = tuple(int.from_bytes(hash32(key, f"{field}.storageKeys"), "big") for key in keys)
        entries.append((address(entry.get("address"), f"{field}.address"), slots))
    return tuple(entries)


_CALL_FIELDS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "from": address,
    "to": address,
    "gas": uint64,
    "gasPrice": uint256,
    "maxFeePerGas": uint256,
    "maxPriorityFeePerGas": uint256,
    "value": uint256,
    "nonce": uint64,
    "data": lambda value, field: hex_bytes(value, field=field),
    "input": lambda value, field: hex_bytes(value, field=field),
    "accessList": _access_list,
    "chainId": uint256,
}


def _fields(value: Any, known: Mapping[str, Callable[[Any, str], Any]], go_type: str) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise type_error(go_kind(value), go_type)
    name = go_type.rpartition(".")[2]
    fields = {}
    for key, item in value.items():
        decoder = known.get(key)
        if decoder is not None and item is not None:
            fields[key] = decoder(item, f"{name}.{key}")
    return fields


def call_arguments(value: Any) -> CallArguments:
    """Return *value*, the transaction object of a call."""
    return CallArguments(_fields(value, _CALL_FIELDS, "ethapi.TransactionArgs"))


def _slots(value: Any, field: str) -> dict[int, int]:
    if type(value) is not dict:
        raise type_error(go_kind(value), "map[common.Hash]common.Hash", field)
    slots = {}
    for key, item in value.items():
        slots[int.from_bytes(_map_key(key, 32, "Hash"), "big")] = int.from_bytes(hash32(item, field), "big")
    return slots


def _map_key(key: str, size: int, name: str) -> bytes:
    if not prefixed(key) and key:
        raise Wrong("hex string without 0x prefix")
    if len(key) & 1:
        raise Wrong("hex string of odd length")
    if len(key) != 2 * size + 2:
        raise Wrong(f"hex string has length {max(len(key) - 2, 0)}, want {2 * size} for {name}")
    try:
        return unhexlify(key[2:])
    except ValueError:
        raise Wrong("invalid hex string") from None


_OVERRIDE_FIELDS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "nonce": uint64,
    "code": lambda value, field: hex_bytes(value, field=field),
    "balance": uint256,
    "state": _slots,
    "stateDiff": _slots,
    "movePrecompileToAddress": address,
}


def state_overrides(value: Any) -> dict[bytes, dict[str, Any]]:
    """Return *value*, accounts as a call is to see them; `account_overrides` makes them the engine's."""
    if type(value) is not dict:
        raise type_error(go_kind(value), "override.StateOverride")
    return {
        _map_key(key, 20, "Address"): _fields(item, _OVERRIDE_FIELDS, "override.OverrideAccount")
        for key, item in value.items()
    }


def account_overrides(overrides: Mapping[bytes, Mapping[str, Any]] | None) -> dict[bytes, AccountOverride] | None:
    """Return the engine's form of *overrides*.

    Raises:
        RpcError: an account is overridden in a way that contradicts itself or cannot be done.
    """
    if not overrides:
        return None
    result = {}
    for at, fields in sorted(overrides.items()):
        if "state" in fields and "stateDiff" in fields:
            raise RpcError(f"account {checksummed(at)} has both 'state' and 'stateDiff'")
        if "movePrecompileToAddress" in fields:
            if not 0 < int.from_bytes(at, "big") <= _PRECOMPILES:
                raise RpcError(f"account {checksummed(at)} is not a precompile")
            raise RpcError("moving a precompile is not supported by this node")
        result[at] = AccountOverride(
            nonce=fields.get("nonce"),
            balance=fields.get("balance"),
            code=fields.get("code"),
            state=fields.get("state"),
            state_diff=fields.get("stateDiff"),
        )
    return result


_PRECOMPILES: Final = 0x11


def checksummed(at: bytes) -> str:
    """Return an address as EIP-55 spells it."""
    digits = at.hex()
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(char.upper() if mark > "7" else char for char, mark in zip(digits, marks, strict=False))


_BLOCK_FIELDS: Final[dict[str, tuple[str, Callable[[Any, str], Any]]]] = {
    "number": ("number", uint256),
    "difficulty": ("difficulty", uint256),
    "time": ("timestamp", uint64),
    "gaslimit": ("gas_limit", uint64),
    "feerecipient": ("coinbase", address),
    "prevrandao": ("prev_randao", hash32),
    "basefeepergas": ("base_fee", uint256),
}
_BLOCK_FIELDS_REFUSED: Final = {
    "blobbasefee": "blobBaseFee",
    "beaconroot": "beaconRoot",
    "withdrawals": "withdrawals",
}


def block_overrides(value: Any) -> dict[str, Any]:
    """Return *value*, header fields as a call is to see them, by the names `BlockEnvironment` has for them."""
    if type(value) is not dict:
        raise type_error(go_kind(value), "override.BlockOverrides")
    fields: dict[str, Any] = {}
    for key, item in value.items():
        if item is None:
            continue
        refused = _BLOCK_FIELDS_REFUSED.get(key.lower())
        if refused is not None:
            raise Wrong(f'block override "{refused}" is not supported for this RPC method')
        known = _BLOCK_FIELDS.get(key.lower())
        if known is not None:
            fields[known[0]] = known[1](item, f"BlockOverrides.{key}")
    return fields
