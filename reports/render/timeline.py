"""The timeline of a flight as lanes (blocks, the bot's transactions, each fault): coordinates only, no markup."""

from __future__ import annotations

from dataclasses import dataclass

from reports.spelling import clock, plain, spell_time, time_step_s
from reports.story import Story
from sim.units import S

WIDTH = 1000
LANE_HEIGHT = 26
FAULT_LANES_MAX = 12
MARKS_MAX = 1000
_LEAST_WIDTH = 2.5


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle on a lane; *title* is what a pointer resting on it shows."""

    x: float
    width: float
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline."""

    label: str
    y: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lanes, with the ticks of the time axis."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int
    left_out: int


def lay_out(story: Story) -> Timeline:
    """Return the timeline of *story*; what exceeds its limits is left out and counted."""
    end_ns = max(story.end_ns, S)
    rows: list[tuple[str, list[Mark]]] = [("blocks", _blocks(story, end_ns))]
    if story.reorgs:
        rows.append(("reorgs", _reorgs(story, end_ns)))
    rows.append(("bot sends", [_point(t_ns, end_ns, "sent", "send") for t_ns in story.sends_ns]))
    rows.append(("bot included", [_point(t_ns, end_ns, "included", "land") for t_ns in story.inclusions_ns]))
    faults = _faults(story, end_ns)
    rows += [(label, marks) for label, marks in list(faults.items())[:FAULT_LANES_MAX]]
    left_out = sum(max(0, len(marks) - MARKS_MAX) for _label, marks in rows) + max(0, len(faults) - FAULT_LANES_MAX)
    lanes = tuple(Lane(label, at * LANE_HEIGHT, tuple(marks[:MARKS_MAX])) for at, (label, marks) in enumerate(rows))
    step_s = time_step_s(end_ns / S)
    ticks = tuple((_x(at * S, end_ns), clock(at)) for at in range(0, end_ns // S + 1, step_s))
    return Timeline(lanes, ticks, len(lanes) * LANE_HEIGHT, left_out)


def _blocks(story: Story, end_ns: int) -> list[Mark]:
    return [_point(block.t_ns, end_ns, f"block {block.number}", "block") for block in story.blocks]


def _reorgs(story: Story, end_ns: int) -> list[Mark]:
    return [_point(t_ns, end_ns, f"reorg of depth {depth}", "reorg") for t_ns, depth in story.reorgs]


def _faults(story: Story, end_ns: int) -> dict[str, list[Mark]]:
    lanes: dict[str, list[Mark]] = {}
    for span in story.faults:
        last_ns = story.end_ns if span.end_ns is None else span.end_ns
        until = "the end" if span.end_ns is None else spell_time(last_ns)
        title = plain(f"{span.id} ({span.kind}), {spell_time(span.begin_ns)} to {until}")
        x = _x(span.begin_ns, end_ns)
        width = max(_LEAST_WIDTH, _x(last_ns, end_ns) - x)
        lanes.setdefault(plain(f"fault {span.id}"), []).append(Mark(x, round(width, 2), title, "fault"))
    return lanes


def _point(t_ns: int, end_ns: int, what: str, kind: str) -> Mark:
    return Mark(min(_x(t_ns, end_ns), WIDTH - _LEAST_WIDTH), _LEAST_WIDTH, f"{what} at {spell_time(t_ns)}", kind)


def _x(t_ns: int, end_ns: int) -> float:
    return round(WIDTH * t_ns / end_ns, 2)
