"""A fixed sample of the torture program; `make proof` flies a thousand seeds, tests/laws the shipped scenarios."""

import pytest

from tests.proof.proofs import TORTURE, fly_pairs

TORTURE_CHUNK = 10


def check(first: int, seeds: int) -> None:
    told: list[int] = []

    differing = fly_pairs(TORTURE, seeds, 1, told.append, lambda: False, first)

    assert not differing, "\n".join(differing)
    assert told == list(range(1, seeds + 1))


def test_the_torture_program_repeats_itself() -> None:
    """The libraries a bot leans on, all at once: two flights of a seed have one digest."""
    check(0, 1)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, 100, TORTURE_CHUNK))
def test_the_torture_program_repeats_itself_on_a_hundred_seeds(first: int) -> None:
    """So on a hundred seeds, a tenth of the proof."""
    check(first, TORTURE_CHUNK)
