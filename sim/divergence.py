"""Where two records of one scenario and seed part: the first checkpoint, then the first event, that differ."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import zstandard

from sim.record import Event, Record

NOTES = frozenset({"sample", "finding", "metric", "digest", "checkpoint", "stream", "examined", "said", "flight.end"})
"""Lines that no digest covers."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first difference of two records.

    Args:
        events_equal: how many events the two share before it.
        since_ns: virtual time up to which a checkpoint proves them equal.
        until_ns: virtual time of the first checkpoint that differs, or of the shorter record's end.
        first: the first event that differs, of the first record; None where it has no more.
        second: the same of the second record. Both None: no event differs, only what `traces` names.
        traces: what else differs at that checkpoint: `loop 0`, `network`, `draws of bot.urandom`.
    """

    events_equal: int
    since_ns: int
    until_ns: int
    first: Event | None
    second: Event | None
    traces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turns:
    """The first difference of two traces of `sim/probe/turns.py`: the last line they share, then each one's next."""

    shared: list[Any] | None
    first: list[Any] | None
    second: list[Any] | None


def digest_of(record: Record) -> str | None:
    """Return the record's digest; None where the flight did not close it."""
    found = None
    for event in record.events():
        if event.kind == "digest":
            found = str(event.data["digest"])
    return found


def first_divergence(one: Record, other: Record) -> Divergence | None:
    """Compare two records of one scenario and seed; return where they part, or None.

    The checkpoints are bisected: once the rolling digest differs it stays different, so only the events between the
    last equal checkpoint and the first other one are compared.
    """
    points, points_other = _checkpoints(one), _checkpoints(other)
    shared = min(len(points), len(points_other))
    at = bisect_left(range(shared), True, key=lambda index: points[index].data != points_other[index].data)
    since_ns, events_equal = (points[at - 1].t_ns, int(points[at - 1].data["events"])) if at else (0, 0)
    traces: tuple[str, ...] = ()
    if at < shared:
        traces = tuple(_differing(points[at].data, points_other[at].data))
        until_ns = max(points[at].t_ns, points_other[at].t_ns)
    else:
        until_ns = max((each[-1].t_ns for each in (points, points_other) if each), default=0)
    for mine, theirs in zip_longest(_events(one, events_equal), _events(other, events_equal)):
        if mine != theirs:
            return Divergence(events_equal, since_ns, until_ns, mine, theirs, traces)
        events_equal += 1
    return Divergence(events_equal, since_ns, until_ns, None, None, traces) if at < shared else None


def first_turn(one: Path, other: Path) -> Turns | None:
    """Compare two traces line by line; return where they part, or None."""
    shared = None
    for mine, theirs in zip_longest(_lines(one), _lines(other)):
        if mine != theirs:
            return Turns(*(None if line is None else json.loads(line) for line in (shared, mine, theirs)))
        shared = mine
    return None


def _checkpoints(record: Record) -> list[Event]:
    return [event for event in record.events() if event.kind == "checkpoint"]


def _events(record: Record, skipped: int) -> Iterator[Event]:
    for event in record.events():
        if event.kind in NOTES:
            continue
        if skipped:
            skipped -= 1
        else:
            yield event


def _differing(mine: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for number, (a, b) in enumerate(zip_longest(mine["loops"], theirs["loops"])):
        if a != b:
            yield f"loop {number}"
    if mine["network"] != theirs["network"]:
        yield "network"
    for name in sorted({*mine["draws"], *theirs["draws"]}):
        if mine["draws"].get(name) != theirs["draws"].get(name):
            yield f"draws of {name}"


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        rest = b""
        while chunk := plain.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(bytes.decode, lines)
