"""A Uniswap V2 pool of WETH with one token: its reserves in the chain's state, quotes and the best size of a trade."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Protocol

# What a swap leaves of its input after the pool's fee of 0.3 %: UniswapV2Library.getAmountOut.
FEE_NUMERATOR = 997
FEE_DENOMINATOR = 1000

# Storage of UniswapV2Pair: `reserve0 | reserve1 << 112 | blockTimestampLast << 224` is its ninth word; slots 0-4 are
# UniswapV2ERC20's, 5-7 are factory, token0 and token1.
RESERVES_SLOT = 8
_RESERVE_MASK = (1 << 112) - 1


class ReadsStorage(Protocol):
    """State of the chain as of one block."""

    def storage(self, address: bytes, slot: int, /) -> int:
        """Return one word of an account's storage."""
        ...


@dataclass(frozen=True, slots=True)
class Pool:
    """One venue's market of a token against WETH.

    Args:
        venue: the venue's label, e.g. `uniswap_v2`.
        token: the token's label, the key of its reference price.
        unit: smallest units of the token in one whole token, 10**decimals.
    """

    venue: str
    token: str
    router: bytes
    pair: bytes
    weth_address: bytes
    token_address: bytes
    unit: int = 10**18

    def reserves(self, state: ReadsStorage) -> Reserves:
        """Return what the pool holds in *state*."""
        word = state.storage(self.pair, RESERVES_SLOT)
        first, second = word & _RESERVE_MASK, word >> 112 & _RESERVE_MASK
        if self.weth_address < self.token_address:  # a V2 pair sorts its tokens by address
            return Reserves(weth=first, token=second)
        return Reserves(weth=second, token=first)


@dataclass(frozen=True, slots=True)
class Reserves:
    """What a pool holds, in wei of WETH and smallest units of the token."""

    weth: int
    token: int

    def quote_buy(self, amount_wei: int) -> int:
        """Return the token units that *amount_wei* of WETH buys."""
        return amount_out(amount_wei, self.weth, self.token)

    def quote_sell(self, amount: int) -> int:
        """Return the wei of WETH that *amount* units of the token bring."""
        return amount_out(amount, self.token, self.weth)

    def best_buy_wei(self, price_wei: int, unit: int) -> int:
        """Return the WETH to spend here so that the tokens bought, sold at *price_wei* a whole token, profit most.

        Returns:
            The size in wei, rounded down; 0 if the pool is not cheaper than the price after its fee.
        """
        return best_amount_in(self.weth, self.token, price_wei, unit)

    def best_sell(self, price_wei: int, unit: int) -> int:
        """Return the token units to sell here, bought at *price_wei* a whole token, that profit most; 0 if none do."""
        return best_amount_in(self.token, self.weth, unit, price_wei)


def amount_out(amount_in: int, reserve_in: int, reserve_out: int) -> int:
    """Return what a constant-product pool pays for *amount_in*, rounded down.

    Source:
        UniswapV2Library.getAmountOut.
    """
    if amount_in <= 0 or reserve_in <= 0 or reserve_out <= 0:
        return 0
    after_fee = amount_in * FEE_NUMERATOR
    return after_fee * reserve_out // (reserve_in * FEE_DENOMINATOR + after_fee)


def best_amount_in(reserve_in: int, reserve_out: int, value_numerator: int, value_denominator: int) -> int:
    """Return the input that maximises `out(x) * value - x`, where one unit out is worth *value* units in.

    The derivative of 997 x Rout v / (1000 Rin + 997 x) - x vanishes at
    x = (sqrt(997 * 1000 * Rin * Rout * v) - 1000 Rin) / 997.

    Returns:
        The input, rounded down; 0 if no input profits.
    """
    if reserve_in <= 0 or reserve_out <= 0:
        return 0
    square = FEE_NUMERATOR * FEE_DENOMINATOR * reserve_in * reserve_out * value_numerator // value_denominator
    return max(0, (isqrt(square) - FEE_DENOMINATOR * reserve_in) // FEE_NUMERATOR)
