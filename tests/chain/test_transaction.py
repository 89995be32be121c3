from __future__ import annotations

import pytest
from eth_account import Account as EthAccount
from hypothesis import given
from hypothesis import strategies as st

from sim.chain import rlp
from sim.chain.pyevm import checksum_address
from sim.chain.transaction import (
    CURVE_ORDER,
    Account,
    TransactionRejected,
    decode,
    floor_gas,
    intrinsic_gas,
    sign,
    sign_access_list,
    sign_legacy,
)
from sim.rng import Streams

KEYS = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
ADDRESSES = st.one_of(st.none(), st.binary(min_size=20, max_size=20))
SLOTS = st.lists(st.integers(0, 2**256 - 1), max_size=3).map(tuple)
ACCESS = st.lists(st.tuples(st.binary(min_size=20, max_size=20), SLOTS), max_size=3).map(tuple)


@given(
    key=KEYS, chain_id=st.integers(1, 2**40), nonce=st.integers(0, 2**63), to=ADDRESSES, value=st.integers(0, 2**100),
    data=st.binary(max_size=100), gas=st.integers(21_000, 10**8), tip=st.integers(0, 10**12),
    more=st.integers(0, 10**12), access_list=ACCESS,
)  # fmt: skip
def test_signing_equals_eth_account(
    key: bytes, chain_id: int, nonce: int, to: bytes | None, value: int, data: bytes, gas: int, tip: int, more: int,
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...],
) -> None:  # fmt: skip
    """A signed type 2 transaction is byte for byte eth-account's, and decodes to its own fields and sender."""
    raw = sign(
        key, chain_id=chain_id, nonce=nonce, to=to, value=value, data=data, gas=gas, max_fee=tip + more,
        max_priority_fee=tip, access_list=access_list,
    )  # fmt: skip
    fields = {
        "type": 2, "chainId": chain_id, "nonce": nonce, "value": value, "data": data, "gas": gas,
        "maxFeePerGas": tip + more, "maxPriorityFeePerGas": tip,
        "accessList": [
            {"address": "0x" + address.hex(), "storageKeys": [f"0x{slot:064x}" for slot in slots]}
            for address, slots in access_list
        ],
    }  # fmt: skip
    if to is not None:
        fields["to"] = checksum_address(to)

    tx = decode(raw)

    assert raw == bytes(EthAccount.from_key(key).sign_transaction(fields).raw_transaction)
    assert tx.sender == Account.from_key(key).address == bytes.fromhex(EthAccount.from_key(key).address[2:])
    assert (tx.nonce, tx.to, tx.value, tx.data, tx.gas) == (nonce, to, value, data, gas)
    assert (tx.max_fee, tx.max_priority_fee, tx.access_list) == (tip + more, tip, access_list)


@given(key=KEYS, chain_id=st.integers(1, 2**40), to=ADDRESSES, price=st.integers(0, 10**12))
def test_legacy_transactions_keep_their_chain(key: bytes, chain_id: int, to: bytes | None, price: int) -> None:
    """A legacy transaction decodes to its sender, chain and price, and pays that price whatever the base fee."""
    tx = decode(sign_legacy(key, chain_id=chain_id, nonce=1, to=to, gas=60_000, gas_price=price))

    assert tx.sender == Account.from_key(key).address
    assert (tx.chain_id, tx.gas_price, tx.type) == (chain_id, price, 0)
    assert tx.effective_gas_price(5) == price
    assert tx.effective_tip(5) == price - 5


@given(key=KEYS, to=ADDRESSES, price=st.integers(0, 10**12), access_list=ACCESS)
def test_access_list_transactions_keep_their_list(
    key: bytes, to: bytes | None, price: int, access_list: tuple[tuple[bytes, tuple[int, ...]], ...]
) -> None:
    """A type 1 transaction decodes to its sender, price and access list."""
    tx = decode(sign_access_list(key, chain_id=5, nonce=1, to=to, gas=60_000, gas_price=price, access_list=access_list))

    assert tx.sender == Account.from_key(key).address
    assert (tx.type, tx.chain_id, tx.gas_price, tx.max_fee, tx.access_list) == (1, 5, price, price, access_list)


RAW = sign(b"\x01" * 32, chain_id=1, nonce=0, to=b"\x02" * 20, gas=21_000, max_fee=1, max_priority_fee=1)


def tampered(**changes: object) -> bytes:
    names = ["chain_id", "nonce", "tip", "fee", "gas", "to", "value", "data", "access", "v", "r", "s"]
    fields = dict(zip(names, rlp.decode(RAW[1:]), strict=True)) | changes
    return b"\x02" + rlp.encode([fields[name] for name in names])  # type: ignore[misc]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "typed transaction too short"),
        (b"\x05" + RAW[1:], "transaction type not supported"),
        (b"\x04" + RAW[1:], "transaction type not supported"),
        (RAW + b"\x00", "rlp: input contains more than one value"),
        (RAW[:-1], "rlp: value size exceeds available input length"),
        (b"\x02\x80", "rlp: expected input list for types.Transaction"),
        (b"\x02" + rlp.encode([1, 2]), "rlp: too few elements for types.Transaction"),
        (tampered(to=b"\x01" * 19), "rlp: input string too short for common.Address"),
        (tampered(nonce=b"\x00\x01"), "rlp: non-canonical integer (leading zero bytes) for *big.Int"),
        (tampered(v=2), "invalid transaction v, r, s values"),
        (tampered(r=0), "invalid transaction v, r, s values"),
        (tampered(s=CURVE_ORDER - 1), "invalid transaction v, r, s values"),
    ],
)
def test_bad_bytes_are_refused_in_geths_words(raw: bytes, message: str) -> None:
    """Bytes that are no signed transaction are refused with what geth says of them."""
    with pytest.raises(TransactionRejected) as refused:
        decode(raw)

    assert refused.value.message == message
    assert refused.value.code == -32000


def test_intrinsic_gas_counts_every_part() -> None:
    """Data, creation, init code words and access lists each add what their EIPs say."""
    assert intrinsic_gas(b"\x00\x01", creation=False) == 21_000 + 4 + 16
    assert intrinsic_gas(b"\x01", creation=False, fork="petersburg") == 21_000 + 68
    assert intrinsic_gas(b"\x01" * 33, creation=True) == 53_000 + 33 * 16 + 4
    assert intrinsic_gas(b"\x01" * 33, creation=True, fork="london") == 53_000 + 33 * 16
    assert intrinsic_gas(b"", creation=False, access_list=((b"\x01" * 20, (1, 2)),)) == 21_000 + 2400 + 3800
    assert floor_gas(b"\x00\x01") == 21_000 + 50


def test_accounts_follow_from_the_seed() -> None:
    """The same seed and label give the same account, any other another; the key is not shown."""
    first = Account.from_seed(Streams(1).stream("accounts"), "bot")

    assert first == Account.from_seed(Streams(1).stream("accounts"), "bot")
    assert first != Account.from_seed(Streams(1).stream("accounts"), "rival")
    assert first != Account.from_seed(Streams(2).stream("accounts"), "bot")
    assert first.key.hex() not in repr(first)
