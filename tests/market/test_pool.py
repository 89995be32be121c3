"""Quotes and best sizes of a constant-product pool, against exhaustive search and the pool's invariant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.market.pool import RESERVES_SLOT, Pool, Reserves, amount_out, best_amount_in
from sim.units import ETHER

RESERVES = st.integers(10**6, 10**28)
SMALL = st.integers(1_000, 20_000)


@given(RESERVES, RESERVES, st.integers(1, 10**28))
def test_a_swap_never_shrinks_the_invariant(reserve_in: int, reserve_out: int, amount_in: int) -> None:
    """The product of reserves, with the fee taken off the input, does not fall, and one unit more would make it."""
    out = amount_out(amount_in, reserve_in, reserve_out)

    after_in = reserve_in * 1000 + amount_in * 997
    assert after_in * (reserve_out - out) >= reserve_in * reserve_out * 1000
    assert after_in * (reserve_out - out - 1) < reserve_in * reserve_out * 1000


@given(SMALL, SMALL, st.integers(1, 50), st.integers(1, 50))
def test_the_best_size_beats_every_other_size(
    reserve_in: int, reserve_out: int, numerator: int, denominator: int
) -> None:
    """No input earns more than the closed form's, but for what rounding the output down to a whole unit moves."""
    best = best_amount_in(reserve_in, reserve_out, numerator, denominator)

    def profit(amount_in: int) -> float:
        exact_out = amount_in * 997 * reserve_out / (reserve_in * 1000 + amount_in * 997)
        return exact_out * numerator / denominator - amount_in

    sizes = range(0, 4 * reserve_in, max(1, reserve_in // 200))
    assert all(profit(size) <= max(profit(best), profit(best + 1)) + 1e-6 for size in sizes)


@given(RESERVES, RESERVES)
def test_no_size_is_best_within_the_fee_band(reserve_in: int, reserve_out: int) -> None:
    """At the pool's own price nothing profits: the fee keeps both sides out."""
    pays_in, pays_out = (
        best_amount_in(reserve_in, reserve_out, reserve_in, reserve_out),
        best_amount_in(reserve_out, reserve_in, reserve_out, reserve_in),
    )

    assert (pays_in, pays_out) == (0, 0)


@given(RESERVES, RESERVES, st.booleans())
def test_reserves_are_read_from_the_pairs_storage_by_token_order(weth: int, token: int, weth_first: bool) -> None:
    """The packed word gives each token its reserve, whichever of the two the pair calls token0."""
    low, high = b"\x01" * 20, b"\x02" * 20
    weth_address, token_address = (low, high) if weth_first else (high, low)
    pool = Pool("venue", "token", b"r" * 20, b"p" * 20, weth_address, token_address)
    first, second = (weth, token) if weth_first else (token, weth)
    word = first | second << 112 | 1_700_000_000 << 224

    reserves = pool.reserves(OneWord(pool.pair, RESERVES_SLOT, word))

    assert reserves == Reserves(weth, token)


def test_a_cheap_pool_is_bought_from_and_a_dear_one_sold_to() -> None:
    """Ten percent off the reference price either way gives a size on the side that brings the pool back."""
    cheap, dear = Reserves(900 * ETHER, 1_000 * ETHER), Reserves(1_100 * ETHER, 1_000 * ETHER)

    sizes = [(r.best_buy_wei(ETHER, ETHER), r.best_sell(ETHER, ETHER)) for r in (cheap, dear)]

    assert sizes[0][0] > 0 == sizes[0][1]
    assert sizes[1][1] > 0 == sizes[1][0]


class OneWord:
    """A state that holds a single word."""

    def __init__(self, address: bytes, slot: int, word: int) -> None:
        self._words = {(address, slot): word}

    def storage(self, address: bytes, slot: int, /) -> int:
        """Return the word, or zero anywhere else."""
        return self._words.get((address, slot), 0)
