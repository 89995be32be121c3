"""When faults begin and end: at given instants or at a seeded rate, each fault on a stream of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from sim.errors import ScenarioError
from sim.host.clock import FAULT, NsEnvironment
from sim.record import Recorder
from sim.rng import Stream, Streams

OCCURRENCES_MAX = 10_000


class HasId(Protocol):
    """Anything a scenario names by an id."""

    @property
    def id(self) -> str:
        """The fault's id, unique in its scenario."""
        ...


_T = TypeVar("_T", bound=HasId)


@dataclass(frozen=True, slots=True)
class When:
    """When a fault occurs, and for how long: exactly one of `at_ns` and `mean_gap_ns` is given.

    Args:
        at_ns: instants since the start of the flight.
        mean_gap_ns: mean time from the end of one occurrence (or the start of the flight) to the next; the gaps are
            exponential, so without a duration the occurrences are a Poisson process.
        duration_ns: how long each lasts; 0 for what happens at an instant.
    """

    at_ns: tuple[int, ...] = ()
    mean_gap_ns: int | None = None
    duration_ns: int = 0

    def __post_init__(self) -> None:
        if bool(self.at_ns) == (self.mean_gap_ns is not None):
            raise ValueError(f"a fault has either instants or a rate: {self}")
        if self.duration_ns < 0 or min(self.at_ns, default=0) < 0:
            raise ValueError(f"a fault's times must be at least 0: {self}")
        if self.mean_gap_ns is not None and self.mean_gap_ns <= 0:
            raise ValueError(f"a fault's mean gap must be above 0: {self}")

    def instants(self, stream: Stream, until_ns: int) -> Iterator[int]:
        """Yield when the fault begins, in order, before *until_ns*; at most `OCCURRENCES_MAX` of them."""
        if self.mean_gap_ns is None:
            yield from (at_ns for at_ns in sorted(self.at_ns)[:OCCURRENCES_MAX] if at_ns < until_ns)
            return
        free_ns = 0
        for ordinal in range(OCCURRENCES_MAX):
            begin_ns = free_ns + max(1, round(stream.exponential(float(self.mean_gap_ns), "gap", ordinal)))
            if begin_ns >= until_ns:
                return
            yield begin_ns
            free_ns = begin_ns + self.duration_ns


class Fault(Protocol):
    """Something that goes wrong in one place of the world."""

    @property
    def id(self) -> str:
        """The fault's id in the scenario."""
        ...

    @property
    def kind(self) -> str:
        """What goes wrong."""
        ...

    @property
    def site(self) -> str:
        """Where: a node's name, `chain`."""
        ...

    @property
    def when(self) -> When:
        """When it occurs."""
        ...

    def begin(self, ordinal: int) -> dict[str, Any]:
        """Let occurrence number *ordinal* begin, and say for the record what was done."""
        ...

    def end(self) -> None:
        """Take back what `begin` did, if there is something to take back."""
        ...


def stream_name(fault_id: str) -> str:
    """Return the name of the stream that a fault draws from; no other fault shares it."""
    return f"fault.{fault_id}"


def schedule(env: NsEnvironment, faults: Sequence[Fault], streams: Streams, recorder: Recorder, until_ns: int) -> None:
    """Put every occurrence of *faults* before *until_ns* on the queue, ahead of what the world does at its instant."""
    for fault in faults:
        instants = fault.when.instants(streams.stream(stream_name(fault.id)), until_ns)
        for ordinal, begin_ns in enumerate(instants):
            env.at(begin_ns, _begin, env, fault, ordinal, recorder, priority=FAULT)


def select(faults: Sequence[_T], choice: str | None) -> tuple[_T, ...]:
    """Return the faults that `--faults` keeps, in the scenario's order.

    Args:
        choice: None keeps all, `none` keeps none, otherwise ids joined by commas.

    Raises:
        ScenarioError: an id is not in the scenario.
    """
    if choice is None:
        return tuple(faults)
    if choice.strip() == "none":
        return ()
    wanted = [part.strip() for part in choice.split(",")]
    ids = [fault.id for fault in faults]
    for name in wanted:
        if name not in ids:
            raise ScenarioError(_unknown(choice, name, ids))
    return tuple(fault for fault in faults if fault.id in wanted)


def _unknown(choice: str, name: str, ids: list[str]) -> str:
    near = get_close_matches(name, ids, n=1)
    mean = f"; did you mean {near[0]}?" if near else ""
    have = f"its faults are {', '.join(ids)}" if ids else "it has no faults"
    return f"--faults {choice}: the scenario has no fault {name!r}{mean} ({have}; `none` keeps none)"


def _begin(env: NsEnvironment, fault: Fault, ordinal: int, recorder: Recorder) -> None:
    details = fault.begin(ordinal)
    recorder.event("fault", fault.id, fault.site, kind=fault.kind, phase="begin", ordinal=ordinal, **details)
    if fault.when.duration_ns == 0:
        _end(fault, ordinal, recorder)
    else:
        env.after(fault.when.duration_ns, _end, fault, ordinal, recorder, priority=FAULT)


def _end(fault: Fault, ordinal: int, recorder: Recorder) -> None:
    fault.end()
    recorder.event("fault", fault.id, fault.site, kind=fault.kind, phase="end", ordinal=ordinal)
