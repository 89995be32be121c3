"""A tenth of the long proofs; `make proof` runs them in full."""

from pathlib import Path

import pytest

from tests.proof.proofs import QUICKSTART, SMOKE, TORTURE, fly_pairs

TORTURE_CHUNK = 10


def check(scenario: Path, first: int, seeds: int) -> None:
    told: list[int] = []

    differing = fly_pairs(scenario, seeds, 1, told.append, first)

    assert not differing, "\n".join(differing)
    assert told == list(range(1, seeds + 1))


def test_the_torture_program_repeats_itself() -> None:
    """The libraries a bot leans on, all at once: two flights of a seed have one digest."""
    check(TORTURE, 0, 1)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, 100, TORTURE_CHUNK))
def test_the_torture_program_repeats_itself_on_a_hundred_seeds(first: int) -> None:
    """So on a hundred seeds."""
    check(TORTURE, first, TORTURE_CHUNK)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(5))
def test_the_quickstart_repeats_itself(seed: int) -> None:
    """Two flights of the quickstart on one seed have one digest."""
    check(QUICKSTART, seed, 1)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2))
def test_the_smoke_scenario_repeats_itself(seed: int) -> None:
    """Two flights of the smoke scenario on one seed have one digest."""
    check(SMOKE, seed, 1)
