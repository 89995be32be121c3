"""Call data of the few contract functions that market actors use: Uniswap's Router02 and ERC-20.

Every argument of these functions is one word, but for the swap path, a dynamic array of addresses that comes last.
"""

from __future__ import annotations

# First four bytes of the keccak of each signature, as in the contracts' ABI.
SWAP_EXACT_ETH_FOR_TOKENS = bytes.fromhex("7ff36ab5")  # (uint256,address[],address,uint256)
SWAP_EXACT_TOKENS_FOR_ETH = bytes.fromhex("18cbafe5")  # (uint256,uint256,address[],address,uint256)
APPROVE = bytes.fromhex("095ea7b3")  # (address,uint256)
BALANCE_OF = bytes.fromhex("70a08231")  # (address)

AMOUNT_MAX = 2**256 - 1


def approve(spender: bytes, amount: int = AMOUNT_MAX) -> bytes:
    """Return the call `approve(spender, amount)` of an ERC-20 token."""
    return APPROVE + _address(spender) + _uint(amount)


def balance_of(owner: bytes) -> bytes:
    """Return the call `balanceOf(owner)` of an ERC-20 token."""
    return BALANCE_OF + _address(owner)


def swap_exact_eth_for_tokens(amount_out_min: int, path: tuple[bytes, ...], to: bytes, deadline_s: int) -> bytes:
    """Return the router call that buys *path[-1]* with the ether sent along; *path[0]* is WETH."""
    head = _uint(amount_out_min) + _uint(4 * 32) + _address(to) + _uint(deadline_s)
    return SWAP_EXACT_ETH_FOR_TOKENS + head + _path(path)


def swap_exact_tokens_for_eth(
    amount_in: int, amount_out_min: int, path: tuple[bytes, ...], to: bytes, deadline_s: int
) -> bytes:
    """Return the router call that sells *amount_in* of *path[0]* for ether; *path[-1]* is WETH."""
    head = _uint(amount_in) + _uint(amount_out_min) + _uint(5 * 32) + _address(to) + _uint(deadline_s)
    return SWAP_EXACT_TOKENS_FOR_ETH + head + _path(path)


def _uint(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _address(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


def _path(path: tuple[bytes, ...]) -> bytes:
    return _uint(len(path)) + b"".join(map(_address, path))
