"""EIP-1559: how the base fee moves from a block to its child."""

from __future__ import annotations

ELASTICITY = 2
CHANGE_DENOMINATOR = 8


def next_base_fee(base_fee: int, gas_used: int, gas_limit: int) -> int:
    """Return the base fee of the block after one that used *gas_used* of *gas_limit*.

    The fee moves toward the point where blocks are half full, by at most one eighth a block.

    Returns:
        Fee of the child block, in wei per gas, rounded down.

    Source:
        EIP-1559; execution-specs, `calculate_base_fee_per_gas`.

    >>> next_base_fee(1_000_000_000, 30_000_000, 30_000_000), next_base_fee(1_000_000_000, 0, 30_000_000)
    (1125000000, 875000000)
    """
    target = gas_limit // ELASTICITY
    if gas_used > target:
        return base_fee + max(base_fee * (gas_used - target) // target // CHANGE_DENOMINATOR, 1)
    return base_fee - base_fee * (target - gas_used) // target // CHANGE_DENOMINATOR
