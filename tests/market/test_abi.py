"""Call data is what the contracts' ABI asks for, byte for byte."""

from __future__ import annotations

import eth_abi
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from sim.market import abi

AMOUNTS = st.integers(0, 2**256 - 1)
ADDRESSES = st.binary(min_size=20, max_size=20)
PATHS = st.lists(ADDRESSES, min_size=2, max_size=4).map(tuple)


def encoded(signature: str, *values: object) -> bytes:
    """Encode a call with eth_abi, from the function's signature."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    return keccak(text=signature)[:4] + eth_abi.encode(types, values)


@given(AMOUNTS, PATHS, ADDRESSES, AMOUNTS)
def test_buys_encode_as_eth_abi_does(least: int, path: tuple[bytes, ...], to: bytes, deadline_s: int) -> None:
    """Our encoding of the router's buy equals eth_abi's for any arguments."""
    data = abi.swap_exact_eth_for_tokens(least, path, to, deadline_s)

    signature = "swapExactETHForTokens(uint256,address[],address,uint256)"
    assert data == encoded(signature, least, list(path), to, deadline_s)


@given(AMOUNTS, AMOUNTS, PATHS, ADDRESSES, AMOUNTS)
def test_sales_encode_as_eth_abi_does(
    amount: int, least: int, path: tuple[bytes, ...], to: bytes, deadline_s: int
) -> None:
    """Our encoding of the router's sale equals eth_abi's for any arguments."""
    data = abi.swap_exact_tokens_for_eth(amount, least, path, to, deadline_s)

    signature = "swapExactTokensForETH(uint256,uint256,address[],address,uint256)"
    assert data == encoded(signature, amount, least, list(path), to, deadline_s)


@given(ADDRESSES, AMOUNTS)
def test_token_calls_encode_as_eth_abi_does(address: bytes, amount: int) -> None:
    """Approvals and balance queries equal eth_abi's encoding."""
    approval, query = abi.approve(address, amount), abi.balance_of(address)

    assert approval == encoded("approve(address,uint256)", address, amount)
    assert query == encoded("balanceOf(address)", address)
