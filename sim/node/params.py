"""Plain arguments of requests, decoded with the words geth has for what is wrong with them.

Source:
    go-ethereum, `common/hexutil`, `rpc/json.go`, `rpc/types.go`.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sim.node.rpc import Number, invalid_params

INT64_MAX: Final = 2**63 - 1
TAGS: Final = frozenset(("latest", "pending", "safe", "finalized", "earliest"))

_digits: Final = re.compile(r"[0-9a-fA-F]*", re.ASCII).fullmatch
_decimal: Final = re.compile(r"[0-9]+", re.ASCII).fullmatch


class Wrong(ValueError):
    """An argument cannot be decoded; the text is what Go's decoder says."""


class BlockRef(NamedTuple):
    """Which block a request is about: a tag, a height or a hash; `canonical` demands that the hash is on the chain."""

    at: int | str | bytes
    canonical: bool = False


LATEST: Final = BlockRef("latest")
_TAG_REFS: Final = {tag: BlockRef(tag) for tag in TAGS}

Decoder = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a method takes: a decoder for each argument, the first `required` of which must be there."""

    decoders: tuple[Decoder, ...]
    required: int

    def decode(self, params: list[Any] | None) -> list[Any]:
        """Return the decoded arguments; an optional one that is missing or null is None.

        Raises:
            RpcError: -32602 with geth's text.
        """
        if params is None:
            raise invalid_params("non-array args")
        decoders, required = self.decoders, self.required
        arguments: list[Any] = []
        for index, value in enumerate(params):
            if index >= len(decoders):
                raise invalid_params(f"too many arguments, want at most {len(decoders)}")
            if value is None and index >= required:
                arguments.append(None)
                continue
            try:
                arguments.append(decoders[index](value))
            except Wrong as wrong:
                raise invalid_params(f"invalid argument {index}: {wrong}") from None
        missing = len(decoders) - len(arguments)
        if missing:
            if len(arguments) < required:
                raise invalid_params(f"missing value for required argument {len(arguments)}")
            arguments.extend([None] * missing)
        return arguments


def signature(*decoders: Decoder, optional: int = 0) -> Signature:
    """Return the signature of a method whose last *optional* arguments may be missing."""
    return Signature(decoders, len(decoders) - optional)


def type_error(what: str, go_type: str, field: str = "") -> Wrong:
    """Return what Go's decoder says of a JSON value that does not fit its type, or the field of a struct."""
    place = f"Go struct field {field}" if field else "Go value"
    return Wrong(f"json: cannot unmarshal {what} into {place} of type {go_type}")


def go_kind(value: Any) -> str:
    """Return Go's word for the kind of a JSON value."""
    kind = type(value)
    if kind is bool:
        return "bool"
    if kind is str:
        return "string"
    if kind is list:
        return "array"
    return "object" if kind is dict else "number"


def prefixed(text: str) -> bool:
    """Return whether *text* starts with 0x."""
    return text[:2] in ("0x", "0X")


def hex_bytes(value: Any, go_type: str = "hexutil.Bytes", field: str = "") -> bytes:
    """Return *value*, hex data of any length, as bytes."""
    if type(value) is not str:
        raise type_error("non-string", go_type, field)
    if not value:
        return b""
    if not prefixed(value):
        raise type_error("hex string without 0x prefix", go_type, field)
    if len(value) & 1:
        raise type_error("hex string of odd length", go_type, field)
    try:
        return unhexlify(value[2:])
    except ValueError:
        raise type_error("invalid hex string", go_type, field) from None


def _fixed(value: Any, size: int, go_type: str, field: str) -> bytes:
    if type(value) is str and len(value) != 2 * size + 2:
        digits = max(len(value) - 2, 0)
        if not value or (prefixed(value) and not len(value) & 1):
            raise Wrong(f"hex string has length {digits}, want {2 * size} for {go_type}")
    return hex_bytes(value, go_type, field)


def address(value: Any, field: str = "") -> bytes:
    """Return *value* as the 20 bytes of an address."""
    return _fixed(value, 20, "common.Address", field)


def hash32(value: Any, field: str = "") -> bytes:
    """Return *value* as a hash of 32 bytes."""
    return _fixed(value, 32, "common.Hash", field)


def _number(text: str, bits: int) -> tuple[int, str]:
    """Return the quantity in *text* and what is wrong with it, or ''."""
    if not prefixed(text):
        return 0, "hex string without 0x prefix" if text else "empty hex string"
    digits = text[2:]
    if not digits:
        return 0, 'hex string "0x"'
    if digits[0] == "0" and len(digits) > 1:
        return 0, "hex number with leading zero digits"
    if not _digits(digits):
        return 0, "invalid hex string"
    if len(digits) > bits // 4:
        return 0, f"hex number > {bits} bits"
    return int(digits, 16), ""


def _quantity(value: Any, bits: int, go_type: str, field: str) -> int:
    if type(value) is not str:
        raise type_error("non-string", go_type, field)
    if not value:
        return 0
    number, wrong = _number(value, bits)
    if wrong:
        raise type_error(wrong, go_type, field)
    return number


def uint64(value: Any, field: str = "") -> int:
    """Return *value*, a hex quantity, as an integer below 2**64."""
    return _quantity(value, 64, "hexutil.Uint64", field)


def index(value: Any) -> int:
    """Return *value*, a position in a block."""
    return _quantity(value, 64, "hexutil.Uint", "")


def uint256(value: Any, field: str = "") -> int:
    """Return *value*, a hex quantity, as an integer below 2**256."""
    return _quantity(value, 256, "*hexutil.Big", field)


def boolean(value: Any) -> bool:
    """Return *value*; null is false."""
    if value is None:
        return False
    if type(value) is not bool:
        raise type_error(go_kind(value), "bool")
    return value


def string(value: Any, go_type: str = "string") -> str:
    """Return *value*, a string; null is empty."""
    if value is None:
        return ""
    if type(value) is not str:
        raise type_error(go_kind(value), go_type)
    return value


def subscription_id(value: Any) -> str:
    """Return *value*, a subscription's id."""
    return string(value, "rpc.ID")


def count(value: Any) -> int:
    """Return *value*, an integer as a JSON number, a decimal or a hex string."""
    if type(value) is int and 0 <= value < 2**64:
        return value
    text = value if type(value) is str else ""
    digits = text[2:].lstrip("0") if prefixed(text) else ""
    if prefixed(text) and len(text) > 2 and _digits(digits) and len(digits) <= 16:
        return int(digits or "0", 16)
    if _decimal(text) and len(text) <= 20 and int(text) < 2**64:
        return int(text)
    shown = value if type(value) is str else "null" if value is None else value
    raise Wrong(f'invalid hex or decimal integer "{shown}"')


def percentiles(value: Any) -> list[float]:
    """Return *value*, a list of numbers."""
    if value is None:
        return []
    if type(value) is not list:
        raise type_error(go_kind(value), "[]float64")
    for item in value:
        if type(item) is not int and type(item) is not Number:
            raise type_error(go_kind(item), "float64")
    if any(type(item) is int and abs(item) > INT64_MAX for item in value):
        raise type_error("number", "float64")
    return [float(item) for item in value]


def block_number(value: Any) -> BlockRef:
    """Return *value*, a tag or a height."""
    if type(value) is str:
        tag = _TAG_REFS.get(value)
        if tag is not None:
            return tag
        number, wrong = _number(value, 64)
    else:
        number, wrong = 0, "hex string without 0x prefix"
    if wrong:
        raise Wrong(wrong)
    if number > INT64_MAX:
        raise Wrong("block number larger than int64")
    return BlockRef(number)


def block_ref(value: Any) -> BlockRef:
    """Return *value*, a tag, a height, a hash, or an EIP-1898 object."""
    if type(value) is str:
        tag = _TAG_REFS.get(value)
        if tag is not None:
            return tag
        if len(value) == 66:
            try:
                return BlockRef(unhexlify(value[2:]) if prefixed(value) else b"")
            except ValueError:
                raise Wrong("invalid hex string") from None
        number, wrong = _number(value, 64)
        if wrong:
            raise Wrong(wrong)
        if number > INT64_MAX:
            raise Wrong("blocknumber too high")
        return BlockRef(number)
    if value is not None and type(value) is not dict:
        raise type_error(go_kind(value), "string")
    return _block_object(value or {})


def _block_object(value: dict[str, Any]) -> BlockRef:
    try:
        number, found = value.get("blockNumber"), value.get("blockHash")
        height = None if number is None else block_number(number)
        block_hash = None if found is None else hash32(found)
        canonical = boolean(value.get("requireCanonical"))
    except Wrong:
        raise type_error("object", "string") from None
    if height is not None and block_hash is not None:
        raise Wrong("cannot specify both BlockHash and BlockNumber, choose one or the other")
    if height is not None:
        return height
    if block_hash is None:
        raise Wrong("must specify either BlockHash or BlockNumber")
    return BlockRef(block_hash, canonical)


def storage_key(text: str) -> int:
    """Return the slot in *text*, which may be short and lack its prefix.

    Raises:
        RpcError: -32602 with geth's text.
    """
    digits = text[2:] if prefixed(text) else text
    if len(digits) > 64:
        raise invalid_params(f'storage key too long (want at most 32 bytes): "{text}"')
    if not _digits(digits):
        raise invalid_params(f'invalid hex in storage key: "{text}"')
    return int(digits or "0", 16)
