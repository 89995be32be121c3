"""The bot's wall clock can be wrong and can be set; its monotonic clock only goes forward."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fault.clock import ClockStep, ClockStepSpec
from sim.fault.schedule import When, schedule
from sim.host.clock import NsEnvironment
from sim.host.machine import Machine
from sim.rng import Streams
from sim.units import DAY, S
from tests.fault.records import MemoryRecord

EPOCH_NS = 1_700_000_000 * S


def readings(machine: Machine, instants_ns: list[int], *faults: ClockStep) -> list[tuple[int, int]]:
    """Return the wall clock since the epoch and the monotonic clock at some instants of a world with *faults*."""
    env, found = machine.env, []
    schedule(env, faults, Streams(1), MemoryRecord(env).recorder, until_ns=DAY)
    for instant_ns in instants_ns:
        env.at(instant_ns, lambda: found.append((machine.read_wall_ns() - EPOCH_NS, machine.read_monotonic_ns())))
    while env.peek() < DAY:
        env.step()
    return found


def machine() -> Machine:
    return Machine(NsEnvironment(), "bot", epoch_ns=EPOCH_NS, monotonic_base_ns=0)


def step(by_ns: int, at_ns: int, duration_ns: int = 0) -> tuple[str, When, int]:
    return "ntp", When(at_ns=(at_ns,), duration_ns=duration_ns), by_ns


def test_an_offset_is_there_from_the_start() -> None:
    """A clock 250 ms ahead stays 250 ms ahead; the monotonic clock knows nothing of it."""
    bot = machine()
    bot.set_wall(S // 4, (0, 1))

    assert readings(bot, [0, 7 * S]) == [(S // 4, 0), (7 * S + S // 4, 7 * S)]


def test_a_drift_gains_with_time() -> None:
    """20 ppm are 20 us a second, exactly; a negative drift loses as much."""
    fast, slow = machine(), machine()
    fast.set_wall(0, (20, 10**6))
    slow.set_wall(0, (-20, 10**6))

    assert readings(fast, [1000 * S]) == [(1000 * S + 20_000_000, 1000 * S)]
    assert readings(slow, [1000 * S]) == [(1000 * S - 20_000_000, 1000 * S)]


def test_a_step_sets_the_wall_clock_alone() -> None:
    """At 30 s the clock is set back by 2 s: time.time goes back, the monotonic clock does not notice."""
    bot = machine()
    fault = ClockStep(ClockStepSpec(*step(-2 * S, 30 * S)), bot)

    found = readings(bot, [30 * S - 1, 30 * S, 60 * S], fault)

    assert found == [(30 * S - 1, 30 * S - 1), (28 * S, 30 * S), (58 * S, 60 * S)]


def test_a_step_with_a_duration_is_undone() -> None:
    """A clock that somebody sets wrong for 10 s is right again afterwards; steps add up."""
    bot = machine()
    faults = [ClockStep(ClockStepSpec(*step(by_ns, at_ns, 10 * S)), bot) for by_ns, at_ns in ((5 * S, S), (-S, 3 * S))]

    walls = [wall_ns for wall_ns, _ in readings(bot, [2 * S, 4 * S, 12 * S, 14 * S], *faults)]

    assert walls == [7 * S, 8 * S, 11 * S, 14 * S]


@given(
    st.lists(st.tuples(st.integers(-DAY, DAY).filter(bool), st.integers(0, 99)), max_size=5),
    st.fractions(Fraction(-1, 10), Fraction(1, 10), max_denominator=10**6),
)
def test_the_monotonic_clock_never_goes_back(steps: list[tuple[int, int]], drift: Fraction) -> None:
    """Whatever is done to the wall clock, monotonic readings ascend and show the time that passed."""
    bot = machine()
    bot.set_wall(-S, (drift.numerator, drift.denominator))
    faults = [ClockStep(ClockStepSpec(*step(by_ns, at_s * S)), bot) for by_ns, at_s in steps]

    monotonic = [reading_ns for _, reading_ns in readings(bot, [second * S for second in range(100)], *faults)]

    assert monotonic == [second * S for second in range(100)]


def test_a_step_by_nothing_is_refused() -> None:
    """It would be an event without an effect."""
    with pytest.raises(ValueError, match="no fault"):
        ClockStepSpec(*step(0, 0))
