"""Calls to a pool's router that an account can sign: buy the token with ether, sell it for ether, allow the sale."""

from __future__ import annotations

from dataclasses import dataclass

from sim.market import abi
from sim.market.pool import Pool

# Gas limits, well above what the calls use (measured in tests/market/test_swap.py), so that none runs out of gas.
SWAP_GAS_MAX = 200_000
APPROVE_GAS_MAX = 80_000


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction does, before it has a sender, a nonce and a fee."""

    action: str
    venue: str
    to: bytes
    value_wei: int
    data: bytes
    gas: int


def buy(pool: Pool, amount_wei: int, amount_out_min: int, to: bytes, deadline_s: int) -> Call:
    """Return the call that spends *amount_wei* of ether on the pool's token."""
    path = (pool.weth_address, pool.token_address)
    data = abi.swap_exact_eth_for_tokens(amount_out_min, path, to, deadline_s)
    return Call("buy", pool.venue, pool.router, amount_wei, data, SWAP_GAS_MAX)


def sell(pool: Pool, amount: int, amount_out_min_wei: int, to: bytes, deadline_s: int) -> Call:
    """Return the call that sells *amount* units of the pool's token for ether."""
    path = (pool.token_address, pool.weth_address)
    data = abi.swap_exact_tokens_for_eth(amount, amount_out_min_wei, path, to, deadline_s)
    return Call("sell", pool.venue, pool.router, 0, data, SWAP_GAS_MAX)


def approve(pool: Pool) -> Call:
    """Return the call that lets the pool's router take the token from the signer, without limit."""
    return Call("approve", pool.venue, pool.token_address, 0, abi.approve(pool.router), APPROVE_GAS_MAX)
