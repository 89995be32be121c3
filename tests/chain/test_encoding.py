"""RLP, tries, blooms and fees against the libraries that have them too."""

from __future__ import annotations

import pytest
import rlp as reference_rlp
from eth.vm.forks.london.blocks import LondonBlockHeader
from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas
from eth_bloom import BloomFilter
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from sim.chain import rlp
from sim.chain.block import Header, Log, bloom_of, in_bloom
from sim.chain.fee import next_base_fee
from sim.chain.keccak import EMPTY_HASH, EMPTY_LIST_HASH, EMPTY_TRIE_HASH, keccak
from sim.chain.trie import ordered_root

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=6), max_leaves=30)


@given(ITEMS)
def test_rlp_equals_the_library(item: object) -> None:
    """Encoding gives the bytes that the rlp library gives, and decoding takes them back."""
    encoded = rlp.encode(item)  # type: ignore[arg-type]

    assert encoded == reference_rlp.encode(item)
    assert rlp.decode(encoded) == item


@given(st.binary(max_size=60))
def test_malformed_rlp_is_refused(data: bytes) -> None:
    """Bytes decode exactly when the rlp library takes them, and then to the same item."""
    try:
        expected = reference_rlp.decode(data)
    except reference_rlp.DecodingError:
        with pytest.raises(rlp.DecodingError):
            rlp.decode(data)
        return

    assert rlp.decode(data) == expected


@given(st.lists(st.binary(min_size=1, max_size=90), max_size=150))
def test_ordered_root_equals_a_real_trie(items: list[bytes]) -> None:
    """The root over a list equals that of a trie built key by key."""
    trie = HexaryTrie({})
    for index, item in enumerate(items):
        trie[reference_rlp.encode(index)] = item

    assert ordered_root(items) == trie.root_hash


def test_known_hashes() -> None:
    """Keccak and the hashes of nothing are Ethereum's."""
    assert EMPTY_HASH.hex().startswith("c5d2460186f7233c")
    assert EMPTY_LIST_HASH.hex().startswith("1dcc4de8dec75d7a")
    assert EMPTY_TRIE_HASH.hex().startswith("56e81f171bcc55a6")
    assert keccak(b"transfer(address,uint256)")[:4].hex() == "a9059cbb"


@given(
    st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.lists(st.binary(min_size=32, max_size=32), max_size=4)))
)
def test_bloom_equals_the_library(entries: list[tuple[bytes, list[bytes]]]) -> None:
    """The bloom over logs equals eth-bloom's, and everything in the logs may be in it."""
    logs = [Log(address, tuple(topics), b"") for address, topics in entries]
    expected = BloomFilter()
    for log in logs:
        expected.extend([log.address, *log.topics])

    bloom = bloom_of(logs)

    assert bloom == int(expected)
    assert all(in_bloom(bloom, item) for log in logs for item in (log.address, *log.topics))


@given(
    base_fee=st.integers(7, 10**13), gas_limit=st.integers(10_000, 10**8), share=st.integers(0, 10_000),
)  # fmt: skip
def test_base_fee_equals_py_evms(base_fee: int, gas_limit: int, share: int) -> None:
    """The next base fee equals py-evm's for any parent, full and empty blocks included."""
    gas_used = gas_limit * share // 10_000
    parent = LondonBlockHeader(
        difficulty=0, block_number=5, gas_limit=gas_limit, gas_used=gas_used, base_fee_per_gas=base_fee, timestamp=1
    )

    assert next_base_fee(base_fee, gas_used, gas_limit) == calculate_expected_base_fee_per_gas(parent)


def test_a_header_without_later_fields_hashes_as_before_them() -> None:
    """Fields that a fork does not have yet take no room in a header."""
    old = Header(number=1, parent_hash=bytes(32), timestamp=1, gas_limit=5_000, base_fee=None)
    new = Header(number=1, parent_hash=bytes(32), timestamp=1, gas_limit=5_000, base_fee=0)

    assert len(rlp.decode(old.encode())) == 15
    assert len(rlp.decode(new.encode())) == 16
