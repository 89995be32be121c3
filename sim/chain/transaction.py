"""Signed transactions: decoding, signing, what they cost and the gas they need before the first instruction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from coincurve import PrivateKey, PublicKey

from sim.chain import rlp
from sim.chain.keccak import keccak
from sim.rng import Stream

LEGACY, ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = range(5)
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BLOB_GAS = 1 << 17

AccessList = tuple[tuple[bytes, tuple[int, ...]], ...]


class TransactionRejected(Exception):
    """A node does not take the transaction; the text is geth's.

    Args:
        code: JSON-RPC error code.
    """

    def __init__(self, message: str, code: int = -32000) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded, signed transaction.

    Args:
        to: recipient, or None for a creation.
        gas_price: of a legacy or access-list transaction; there `max_fee` and `max_priority_fee` equal it.
        v: as on the wire: the parity of a typed transaction, 27/28 or EIP-155's value of a legacy one.
        raw: the bytes as sent, without blobs.
    """

    hash: bytes
    sender: bytes
    nonce: int
    to: bytes | None
    value: int
    data: bytes
    gas: int
    type: int
    chain_id: int | None
    gas_price: int | None
    max_fee: int
    max_priority_fee: int
    access_list: AccessList
    v: int
    r: int
    s: int
    raw: bytes = field(repr=False)
    max_fee_per_blob_gas: int = 0
    blob_hashes: tuple[bytes, ...] = ()

    def effective_gas_price(self, base_fee: int) -> int:
        """Return what a unit of gas costs the sender in a block with *base_fee*, in wei."""
        return min(self.max_fee, base_fee + self.max_priority_fee)

    def effective_tip(self, base_fee: int) -> int:
        """Return what a unit of gas pays the proposer in a block with *base_fee*, in wei; negative if it cannot pay."""
        return min(self.max_priority_fee, self.max_fee - base_fee)

    @property
    def blob_gas(self) -> int:
        """Gas of the blobs it carries."""
        return len(self.blob_hashes) * BLOB_GAS

    @property
    def cost(self) -> int:
        """The most it can take from its sender, in wei."""
        return self.value + self.gas * self.max_fee + self.blob_gas * self.max_fee_per_blob_gas


def decode(raw: bytes) -> Transaction:
    """Return the transaction in *raw* with its sender recovered.

    Types 0, 1 and 2 are what a bot may send; type 3 is read because mainnet's blocks hold it.

    Raises:
        TransactionRejected: the bytes are no transaction, with geth's text.
    """
    if not raw:
        raise TransactionRejected("typed transaction too short")
    try:
        if raw[0] >= 0xC0:
            return _decode_legacy(raw, _items(raw, 9))
        kind = raw[0]
        if kind not in (ACCESS_LIST, DYNAMIC_FEE, BLOB):
            raise TransactionRejected("transaction type not supported")
        return _decode_typed(raw, kind, _items(raw[1:], {ACCESS_LIST: 11, DYNAMIC_FEE: 12, BLOB: 14}[kind]))
    except ValueError as error:
        raise TransactionRejected(str(error)) from None


def _items(encoded: bytes, count: int) -> list[Any]:
    fields = rlp.decode(encoded)
    if not isinstance(fields, list):
        raise ValueError("rlp: expected input list for types.Transaction")
    if len(fields) != count:
        few = len(fields) < count
        raise ValueError(f"rlp: too {'few' if few else 'many'} elements for types.Transaction")
    return list(fields)


def _decode_legacy(raw: bytes, fields: list[Any]) -> Transaction:
    nonce, gas_price, gas, to, value, data, v, r, s = fields
    v_int = _integer(v)
    if v_int in (27, 28):
        chain_id, parity, unsigned = None, v_int - 27, fields[:6]
    elif v_int >= 35:
        chain_id, parity = (v_int - 35) // 2, (v_int - 35) % 2
        unsigned = [*fields[:6], chain_id, b"", b""]
    else:
        raise TransactionRejected("invalid transaction v, r, s values")
    price = _integer(gas_price)
    return Transaction(
        hash=keccak(raw), sender=_recover(rlp.encode(unsigned), parity, _integer(r), _integer(s)),
        nonce=_integer(nonce), to=_recipient(to), value=_integer(value), data=_bytes(data), gas=_integer(gas),
        type=LEGACY, chain_id=chain_id, gas_price=price, max_fee=price, max_priority_fee=price, access_list=(),
        v=v_int, r=_integer(r), s=_integer(s), raw=raw,
    )  # fmt: skip


def _decode_typed(raw: bytes, kind: int, fields: list[Any]) -> Transaction:
    *unsigned, v, r, s = fields
    rest = iter(unsigned)
    chain_id, nonce = _integer(next(rest)), _integer(next(rest))
    tip = _integer(next(rest))
    fee = tip if kind == ACCESS_LIST else _integer(next(rest))
    gas, to, value, data = _integer(next(rest)), _recipient(next(rest)), _integer(next(rest)), _bytes(next(rest))
    access_list = _access_list(next(rest))
    blob_fee, blob_hashes = (_integer(next(rest)), tuple(next(rest))) if kind == BLOB else (0, ())
    sender = _recover(bytes((kind,)) + rlp.encode(unsigned), _integer(v), _integer(r), _integer(s))
    return Transaction(
        hash=keccak(raw), sender=sender, nonce=nonce, to=to, value=value, data=data, gas=gas, type=kind,
        chain_id=chain_id, gas_price=tip if kind == ACCESS_LIST else None, max_fee=fee, max_priority_fee=tip,
        access_list=access_list, v=_integer(v), r=_integer(r), s=_integer(s), raw=raw,
        max_fee_per_blob_gas=blob_fee, blob_hashes=blob_hashes,
    )  # fmt: skip


def _integer(item: Any) -> int:
    if not isinstance(item, bytes):
        raise ValueError("rlp: expected input string or byte for *big.Int")
    if item[:1] == b"\x00":
        raise ValueError("rlp: non-canonical integer (leading zero bytes) for *big.Int")
    if len(item) > 32:
        raise ValueError("rlp: value too large for *big.Int")
    return int.from_bytes(item, "big")


def _bytes(item: Any) -> bytes:
    if not isinstance(item, bytes):
        raise ValueError("rlp: expected input string or byte for []uint8")
    return item


def _recipient(item: Any) -> bytes | None:
    if _bytes(item) == b"":
        return None
    if len(item) != 20:
        raise ValueError(f"rlp: input string too {'short' if len(item) < 20 else 'long'} for common.Address")
    return _bytes(item)


def _access_list(item: Any) -> AccessList:
    entries = []
    for address, slots in item:
        if len(address) != 20 or any(len(slot) != 32 for slot in slots):
            raise ValueError("rlp: input string too short for types.AccessTuple")
        entries.append((_bytes(address), tuple(int.from_bytes(slot, "big") for slot in slots)))
    return tuple(entries)


def _recover(signed: bytes, parity: int, r: int, s: int) -> bytes:
    if parity not in (0, 1) or not 0 < r < CURVE_ORDER or not 0 < s <= CURVE_ORDER // 2:
        raise TransactionRejected("invalid transaction v, r, s values")
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((parity,))
    try:
        key = PublicKey.from_signature_and_message(signature, keccak(signed), hasher=None)
    except ValueError:  # coincurve's answer to an r that is no point of the curve
        raise TransactionRejected("invalid sender: recovery failed") from None
    return keccak(key.format(compressed=False)[1:])[12:]


@dataclass(frozen=True, slots=True)
class Account:
    """A key and the address it controls."""

    key: bytes = field(repr=False)
    address: bytes

    @classmethod
    def from_key(cls, key: bytes) -> Account:
        """Return the account of a 32-byte private *key*."""
        public = PrivateKey(key).public_key.format(compressed=False)
        return cls(key, keccak(public[1:])[12:])

    @classmethod
    def from_seed(cls, stream: Stream, label: str) -> Account:
        """Return the account called *label* under the seed of *stream*."""
        return cls.from_key((stream.bits("key", label, n=512) % (CURVE_ORDER - 1) + 1).to_bytes(32, "big"))


def sign(
    account_key: bytes, *, chain_id: int, nonce: int, to: bytes | None, value: int = 0, data: bytes = b"", gas: int,
    max_fee: int, max_priority_fee: int, access_list: AccessList = (),
) -> bytes:  # fmt: skip
    """Return a signed transaction of type 2, ready to be sent.

    Signatures are deterministic (RFC 6979), so the same fields give the same bytes on every machine.

    Args:
        max_fee: the most a unit of gas may cost, in wei.
        max_priority_fee: the most of it that goes to the proposer, in wei.
    """
    slots = [[address, [slot.to_bytes(32, "big") for slot in keys]] for address, keys in access_list]
    fields: list[Any] = [chain_id, nonce, max_priority_fee, max_fee, gas, to or b"", value, data, slots]
    prefix = bytes((DYNAMIC_FEE,))
    return prefix + rlp.encode(fields + _signature(account_key, prefix + rlp.encode(fields)))


def sign_access_list(
    account_key: bytes, *, chain_id: int, nonce: int, to: bytes | None, value: int = 0, data: bytes = b"", gas: int,
    gas_price: int, access_list: AccessList = (),
) -> bytes:  # fmt: skip
    """Return a signed transaction of type 1."""
    slots = [[address, [slot.to_bytes(32, "big") for slot in keys]] for address, keys in access_list]
    fields: list[Any] = [chain_id, nonce, gas_price, gas, to or b"", value, data, slots]
    prefix = bytes((ACCESS_LIST,))
    return prefix + rlp.encode(fields + _signature(account_key, prefix + rlp.encode(fields)))


def sign_legacy(
    account_key: bytes, *, chain_id: int, nonce: int, to: bytes | None, value: int = 0, data: bytes = b"", gas: int,
    gas_price: int,
) -> bytes:  # fmt: skip
    """Return a signed legacy transaction, replay-protected as EIP-155 has it."""
    fields: list[Any] = [nonce, gas_price, gas, to or b"", value, data]
    parity, r, s = _signature(account_key, rlp.encode([*fields, chain_id, b"", b""]))
    return rlp.encode([*fields, parity + 35 + 2 * chain_id, r, s])


def _signature(key: bytes, signed: bytes) -> list[int]:
    raw = PrivateKey(key).sign_recoverable(keccak(signed), hasher=None)
    return [raw[64], int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")]


def data_gas(data: bytes, nonzero_gas: int = 16) -> int:
    """Return the gas of call data: four for a zero byte, *nonzero_gas* for any other."""
    zeros = data.count(0)
    return 4 * zeros + nonzero_gas * (len(data) - zeros)


def intrinsic_gas(data: bytes, *, creation: bool, access_list: AccessList = (), fork: str = "cancun") -> int:
    """Return the gas a transaction pays before its first instruction.

    Source:
        EIP-2028 (data), EIP-2930 (access lists), EIP-3860 (init code).

    >>> intrinsic_gas(b"", creation=False)
    21000
    """
    gas = 21_000 + data_gas(data, 68 if fork in ("byzantium", "constantinople", "petersburg") else 16)
    if creation:
        gas += 32_000
        if fork in ("shanghai", "cancun", "prague"):
            gas += 2 * ((len(data) + 31) // 32)
    return gas + sum(2400 + 1900 * len(slots) for _, slots in access_list)


def floor_gas(data: bytes) -> int:
    """Return the least gas a transaction with *data* uses from Prague on.

    Source:
        EIP-7623.
    """
    zeros = data.count(0)
    return 21_000 + 10 * (zeros + 4 * (len(data) - zeros))
