"""What constant-product pools pay, in integers, equal to the EVM to the wei."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Side:
    """One pool seen from one direction: what goes in, what comes out, and the pool's fee."""

    reserve_in: int
    reserve_out: int
    fee_bps: int = 30


@dataclass(frozen=True, slots=True)
class Cycle:
    """A round trip: `token_wei` bought for `repay_wei` on one pool and sold for `proceeds_wei` on the other."""

    token_wei: int
    repay_wei: int
    proceeds_wei: int

    @property
    def gross_wei(self) -> int:
        """What the trip leaves before gas; negative where it loses."""
        return self.proceeds_wei - self.repay_wei


def quote_out(amount_in: int, side: Side) -> int:
    """Return what a pool pays for *amount_in*, rounded down as the contract does.

    Source:
        `UniswapV2Library.getAmountOut`; with the fee in bps the fraction is the same one, so the floor is too.

    >>> quote_out(10**18, Side(100 * 10**18, 200_000 * 10**18))
    1974316068794122597700
    """
    if amount_in <= 0 or side.reserve_in <= 0 or side.reserve_out <= 0:
        return 0
    paid = amount_in * (BPS - side.fee_bps)
    return side.reserve_out * paid // (side.reserve_in * BPS + paid)


def quote_in(amount_out: int, side: Side) -> int | None:
    """Return what buys exactly *amount_out*, or None where the pool does not hold that much.

    Source:
        `UniswapV2Library.getAmountIn`, its `add(1)` included.
    """
    if amount_out <= 0 or amount_out >= side.reserve_out:
        return None
    return side.reserve_in * amount_out * BPS // ((side.reserve_out - amount_out) * (BPS - side.fee_bps)) + 1


def optimal_input(buy: Side, sell: Side) -> int:
    """Return the input of *buy* whose output, sold on *sell*, leaves most; 0 where no size gains.

    Two constant-product pools in a row pay `N x / (D0 + D1 x)`; the gain is greatest where its slope is one, at
    `x = (sqrt(N D0) - D0) / D1`. Without the pools' rounding that is exact; with it, within the rounding of one swap.
    """
    if min(buy.reserve_in, buy.reserve_out, sell.reserve_in, sell.reserve_out) <= 0:
        return 0
    keep_buy, keep_sell = BPS - buy.fee_bps, BPS - sell.fee_bps
    numerator = keep_buy * keep_sell * buy.reserve_out * sell.reserve_out
    fixed = BPS * BPS * buy.reserve_in * sell.reserve_in
    slope = keep_buy * (BPS * sell.reserve_in + keep_sell * buy.reserve_out)
    # Rounded up, so that pools too lopsided for a whole wei still get one.
    return max(-((fixed - isqrt(numerator * fixed)) // slope), 0)


def quote_cycle(amount_in: int, buy: Side, sell: Side) -> Cycle | None:
    """Return the round trip that spends at most *amount_in* on *buy*, or None where it buys nothing.

    The pool rounds down, so several inputs buy the same amount; the trip repays the least of them.
    """
    token_wei = quote_out(amount_in, buy)
    repay_wei = quote_in(token_wei, buy)
    if repay_wei is None:
        return None
    return Cycle(token_wei, repay_wei, quote_out(token_wei, sell))


def next_base_fee(base_fee_wei: int, gas_used: int, gas_limit: int) -> int:
    """Return the base fee of the block after one that used *gas_used*.

    Source:
        EIP-1559; execution-specs, `calculate_base_fee_per_gas`.
    """
    target = gas_limit // 2
    if target in (gas_used, 0):
        return base_fee_wei
    change = base_fee_wei * abs(gas_used - target) // target // 8
    return base_fee_wei + max(change, 1) if gas_used > target else base_fee_wei - change
