"""Law 5: the loop's callback order equals stock asyncio's on generated programs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import FREE, CostModel, Machine
from tests.laws.programs import Action, Reading, Writer
from tests.laws.stock import BASE_NS, StockLoop, uncollected

COSTS = {"free": FREE, "charged": CostModel(), "slow": CostModel(iteration_ns=200_000, handle_ns=5_000)}


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    with uncollected():
        yield


def sim_loop(cost: CostModel) -> SimLoop:
    return SimLoop(Machine(NsEnvironment(), "bot", epoch_ns=0, monotonic_base_ns=BASE_NS, cost=cost))


def both(program: list[Action], cost: CostModel) -> tuple[list[tuple[int, str, float]], list[tuple[int, str, float]]]:
    return Reading(StockLoop(cost), program).run(), Reading(sim_loop(cost), program).run()


@pytest.mark.parametrize("cost", COSTS)
@settings(max_examples=100)
@given(random=st.randoms(use_true_random=False))
def test_callbacks_run_in_the_order_of_stock_asyncio(cost: str, random: Random) -> None:
    """Timers with ties, call_soon, cancels, tasks, futures and locks run in stock order, at the same instants."""
    program = Writer(random).program()

    stock, ours = both(program, COSTS[cost])

    assert ours == stock


@pytest.mark.full
@pytest.mark.parametrize("cost", COSTS)
def test_callbacks_run_in_the_order_of_stock_asyncio_on_a_thousand_programs(cost: str) -> None:
    """The same over a fixed thousand; `make proof` runs ten thousand."""
    differing = []
    for seed in range(1_000):
        stock, ours = both(Writer(Random(seed)).program(), COSTS[cost])
        if ours != stock:
            differing.append(seed)

    assert not differing


class TiesInOrder(SimLoop):
    """A loop that runs equal timers in the order they were set, as one might expect; stock asyncio does not."""

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._scheduled.sort(key=lambda each: each._when)
        return timer


def test_a_loop_with_another_order_of_ties_is_found_out() -> None:
    """The programs tell stock asyncio from a loop that differs in the order of ties alone."""
    differing = 0
    for seed in range(150):
        program = Writer(Random(seed)).program()
        stock = Reading(StockLoop(FREE), program).run()
        planted = TiesInOrder(Machine(NsEnvironment(), "bot", epoch_ns=0, monotonic_base_ns=BASE_NS, cost=FREE))
        differing += Reading(planted, program).run() != stock

    assert differing > 0


def test_the_programs_are_worth_comparing() -> None:
    """The generated programs hold ties, cancelled timers, timeouts, cancelled tasks and a compacted heap."""
    programs = [Writer(Random(seed)).program() for seed in range(200)]
    logs = [Reading(StockLoop(FREE), program).run() for program in programs]

    words = {what for log in logs for _, what, _ in log}
    storms = [action for program in programs for action in program if action[0] == "storm" and action[1]]

    assert {"ran", "ended", "cancelled", "timed out", "locked", "get", "wait", "gather", "timeout"} <= words
    assert storms
    assert sum(len(log) for log in logs) > 4000
