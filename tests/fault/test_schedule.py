"""When faults happen follows from the seed and the fault's own id, whatever else is scheduled."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isclose, sqrt
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.fault.schedule import When, schedule, select, stream_name
from sim.host.clock import NsEnvironment
from sim.rng import Stream, Streams
from sim.units import MINUTE, S
from tests.fault.records import MemoryRecord

UNTIL_NS = 10 * MINUTE
RATES = st.builds(When, mean_gap_ns=st.integers(S, 20 * MINUTE), duration_ns=st.integers(0, MINUTE))
INSTANTS = st.builds(
    When,
    at_ns=st.lists(st.integers(0, 2 * UNTIL_NS), min_size=1, max_size=5).map(tuple),
    duration_ns=st.integers(0, MINUTE),
)
IDS = st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


@dataclass
class Flag:
    """A place that a fault can hold down."""

    id: str
    when: When
    kind: str = "flag"
    site: str = "test"
    held: int = 0

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Hold it down."""
        self.held += 1
        return {}

    def end(self) -> None:
        """Let it go."""
        self.held -= 1


def times(faults: list[Flag], seed: int) -> dict[str, list[tuple[int, str]]]:
    """Return when each fault begins and ends, by id, as the record has it."""
    env = NsEnvironment()
    record = MemoryRecord(env)
    schedule(env, faults, Streams(seed), record.recorder, UNTIL_NS)
    env.run(until=UNTIL_NS + 2 * MINUTE)
    seen: dict[str, list[tuple[int, str]]] = {fault.id: [] for fault in faults}
    for event in record.events("fault"):
        seen[event.actor].append((event.t_ns, event.data["phase"]))
    return seen


@settings(max_examples=40)
@given(st.integers(0, 2**64 - 1), IDS, st.data())
def test_removing_faults_moves_no_other(seed: int, ids: list[str], data: st.DataObject) -> None:
    """Whichever faults are kept, each begins and ends exactly when it does among all of them."""
    faults = [Flag(each, data.draw(RATES | INSTANTS)) for each in ids]
    kept = data.draw(st.lists(st.sampled_from(ids), unique=True))

    alone = times(list(select(faults, ",".join(kept) or "none")), seed)

    together = times(faults, seed)
    assert alone == {each: together[each] for each in ids if each in kept}


@given(st.integers(0, 2**64 - 1), RATES | INSTANTS)
def test_instants_lie_in_the_flight_in_order(seed: int, when: When) -> None:
    """A fault begins inside the flight, in order, and at a rate never before its last occurrence ended."""
    begins_ns = list(when.instants(Stream(seed, stream_name("it")), UNTIL_NS))

    gap_ns = when.duration_ns if when.mean_gap_ns is not None else 0
    assert all(0 <= begin_ns < UNTIL_NS for begin_ns in begins_ns)
    assert all(late - early >= gap_ns for early, late in pairwise(begins_ns))


@given(st.integers(0, 2**64 - 1), RATES | INSTANTS)
def test_every_begin_has_its_end_after_the_duration(seed: int, when: When) -> None:
    """The record pairs each begin with an end one duration later, and nothing is held down after the last."""
    flag = Flag("it", when)

    seen = times([flag], seed)["it"]

    begins = [t_ns for t_ns, phase in seen if phase == "begin"]
    ends = [t_ns for t_ns, phase in seen if phase == "end"]
    assert sorted(ends) == sorted(begin + when.duration_ns for begin in begins)
    assert flag.held == 0


def test_gaps_have_the_mean_they_were_given() -> None:
    """Over 10,000 occurrences the mean gap is the given one, within five standard errors."""
    when = When(mean_gap_ns=30 * S)

    begins_ns = list(when.instants(Stream(3, stream_name("it")), 10**18))

    gaps_ns = [late - early for early, late in pairwise(begins_ns)]
    assert len(begins_ns) == 10_000
    assert isclose(mean(gaps_ns), 30 * S, rel_tol=5 / sqrt(len(gaps_ns)))


def test_a_fault_comes_before_what_the_world_does_at_its_instant() -> None:
    """At one instant the fault acts first, even if the world's step was scheduled earlier."""
    env = NsEnvironment()
    flag = Flag("it", When(at_ns=(5 * S,), duration_ns=S))
    seen = []
    for second in (4, 5, 6):
        env.at(second * S, lambda: seen.append(flag.held))

    schedule(env, [flag], Streams(1), MemoryRecord(env).recorder, UNTIL_NS)
    env.run(until=10 * S)

    assert seen == [0, 1, 0]


def test_select_keeps_all_none_or_the_named_in_the_scenarios_order() -> None:
    """No choice keeps all, `none` keeps none, ids keep theirs."""
    faults = [Flag(each, When(at_ns=(S,))) for each in ("deep", "drop", "slow")]

    kept = [[fault.id for fault in select(faults, choice)] for choice in (None, "none", "slow,deep", " drop ")]

    assert kept == [["deep", "drop", "slow"], [], ["deep", "slow"], ["drop"]]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("depp", "the scenario has no fault 'depp'; did you mean deep? (its faults are deep, drop; `none` keeps none)"),
        ("deep,none", "the scenario has no fault 'none' (its faults are deep, drop; `none` keeps none)"),
        ("", "the scenario has no fault '' (its faults are deep, drop; `none` keeps none)"),
    ],
)
def test_select_refuses_what_is_not_there(choice: str, message: str) -> None:
    """An unknown id is refused with the ids there are, and the nearest of them."""
    faults = [Flag(each, When(at_ns=(S,))) for each in ("deep", "drop")]

    with pytest.raises(ScenarioError) as refused:
        select(faults, choice)

    assert str(refused.value) == f"--faults {choice}: {message}"


@pytest.mark.parametrize(
    "fields",
    [{}, {"at_ns": (1,), "mean_gap_ns": 1}, {"at_ns": (-1,)}, {"mean_gap_ns": 0}, {"at_ns": (1,), "duration_ns": -1}],
)
def test_a_fault_needs_instants_or_a_rate(fields: dict[str, Any]) -> None:
    """Neither, both, or times below zero are refused."""
    with pytest.raises(ValueError, match="fault"):
        When(**fields)
