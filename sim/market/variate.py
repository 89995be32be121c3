"""Random variates of the market, each a function of one stream and the key of its draw."""

from __future__ import annotations

from typing import Protocol

from sim import numeric
from sim.rng import Key, Stream

POISSON_COUNT_MAX = 1_000
POISSON_MEAN_MAX = 500.0


class Distribution(Protocol):
    """A source of non-negative integers (wei, ns) in which the same key gives the same value: `sim.scenario`'s are."""

    def draw(self, stream: Stream, *key: Key) -> int:
        """Return the value that *key* has in *stream*."""
        ...


def scale_wei(amount_wei: int, factor: float) -> int:
    """Return *amount_wei* times *factor*, rounded half up: the one place where a float becomes money.

    >>> scale_wei(10**24 + 1, 0.5)
    500000000000000000000001
    """
    numerator, denominator = factor.as_integer_ratio()
    return (2 * amount_wei * numerator + denominator) // (2 * denominator)


def poisson(stream: Stream, mean: float, *key: Key) -> int:
    """Return a Poisson count with *mean*, from a single draw by inversion.

    Args:
        mean: in [0, 500]; above that e**-mean times its powers loses the digits the sum needs.

    Returns:
        The count, at most `POISSON_COUNT_MAX`.
    """
    if not 0.0 <= mean <= POISSON_MEAN_MAX:
        raise ValueError(f"Poisson mean {mean} is outside 0..{POISSON_MEAN_MAX}")
    draw = stream.unit(*key)
    term = numeric.exp(-mean)
    total, count = term, 0
    while draw >= total and count < POISSON_COUNT_MAX:
        count += 1
        term = term * mean / count
        total += term
    return count
