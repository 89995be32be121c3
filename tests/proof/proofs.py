"""The proofs of determinism and fidelity: what each counts, how many in full, and how to run a number of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

from sim.orders import orders_of
from sim.verify import story, verify
from tests.chain.mainnet import FORKS
from tests.laws.programs import Writer
from tests.laws.stock import uncollected
from tests.laws.test_callback_order import COSTS, both
from tests.laws.test_mainnet_blocks import check

ROOT = Path(__file__).resolve().parents[2]
TORTURE = ROOT / "tests" / "zoo" / "torture.yaml"
SMOKE = ROOT / "scenarios" / "smoke.yaml"
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"
CHUNK = 250

_T = TypeVar("_T")
Run = Callable[[int, int, Callable[[int], None], Callable[[], bool]], list[str]]


@dataclass(frozen=True, slots=True)
class Proof:
    """One claim that is counted.

    Args:
        unit: what is counted, in the plural.
        full: how many `make proof` runs; CI runs a tenth.
        run: given a count, the jobs at a time, whom to tell how many are done and whom to ask whether to stop there,
            returns a text for each mismatch.
    """

    name: str
    unit: str
    full: int
    run: Run

    @property
    def tenth(self) -> int:
        """How many CI runs."""
        return -(-self.full // 10)


def fly_pairs(
    scenario: Path, seeds: int, jobs: int, told: Callable[[int], None], stopping: Callable[[], bool], first: int = 0
) -> list[str]:
    """Fly *seeds* seeds twice each, from seed *first* on; return the story of each that differs."""
    orders = orders_of([scenario], None, f"{first}..{first + seeds - 1}", "pyevm", None, [], None)
    differing = []
    for done, pair in enumerate(verify(orders, jobs, stopping), 1):
        if stopping():
            break
        told(done)
        if not pair.equal:
            differing.append(story(pair))
            print(f"\n{differing[-1]}", file=sys.stderr, flush=True)  # at once: the rest may take an hour
    return differing


def _order_of_programs(seeds: range) -> list[str]:
    found = []
    with uncollected():
        for seed in seeds:
            for name, cost in COSTS.items():
                stock, ours = both(Writer(Random(seed)).program(), cost)
                if stock != ours:
                    found.append(f"program {seed} at cost {name}")
    return found


def _callback_order(count: int, jobs: int, told: Callable[[int], None], stopping: Callable[[], bool]) -> list[str]:
    chunks = [range(at, min(at + CHUNK, count)) for at in range(0, count, CHUNK)]
    return _in_processes(_order_of_programs, chunks, jobs, lambda done: told(min(done * CHUNK, count)), stopping)


def _replayed(number: int) -> list[str]:
    try:
        check(number)
    except AssertionError as error:
        return [f"block {number}: {error}"]
    return []


def _mainnet(count: int, jobs: int, told: Callable[[int], None], stopping: Callable[[], bool]) -> list[str]:
    return _in_processes(_replayed, sorted(FORKS)[:count], jobs, told, stopping)


def _in_processes(
    function: Callable[[_T], list[str]],
    items: Iterable[_T],
    jobs: int,
    told: Callable[[int], None],
    stopping: Callable[[], bool],
) -> list[str]:
    found = []
    with ProcessPoolExecutor(jobs) as pool:
        for done, mismatches in enumerate(pool.map(function, items), 1):
            told(done)
            found += mismatches
            if stopping():
                pool.shutdown(wait=False, cancel_futures=True)
                break
    return found


CALLBACK_ORDER = Proof("callback order of stock asyncio, at three costs", "programs", 10_000, _callback_order)
PROOFS = (
    Proof("quickstart, two flights a seed", "seeds", 50, partial(fly_pairs, QUICKSTART)),
    Proof("smoke, two flights a seed", "seeds", 20, partial(fly_pairs, SMOKE)),
    CALLBACK_ORDER,
    Proof("mainnet blocks replayed", "blocks", len(FORKS), _mainnet),
    Proof("torture program, two flights a seed", "seeds", 1000, partial(fly_pairs, TORTURE)),
)
