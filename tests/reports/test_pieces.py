from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.render.plots import thinned
from reports.render.timeline import FAULT_LANES_MAX, WIDTH, lay_out
from reports.spelling import plain, spell, spell_instant
from reports.story import FaultSpan, Story, tell
from tests.reports.records import ETHER, SLOT_NS, Tape, flight

points = st.lists(st.integers(-(10**20), 10**20), max_size=400).map(lambda values: list(enumerate(values)))


@given(points, st.integers(8, 60))
def test_thinning_keeps_order_ends_and_extremes(series: list[tuple[int, int]], limit: int) -> None:
    """A thinned series is a subsequence within its limit that keeps the ends, the least and the greatest value."""
    kept = thinned(series, limit)

    assert len(kept) <= max(limit, 0)
    assert set(kept) <= set(series)
    assert kept == sorted(kept)
    if series:
        values = [value for _at, value in series]
        assert (kept[0], kept[-1]) == (series[0], series[-1])
        assert {min(values), max(values)} <= {value for _at, value in kept}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ns", "\u2013"),
        (0, "ns", "0 ns"),
        (12_500, "ns", "12.5 us"),
        (90_000_000_000, "ns", "1 min 30 s"),
        (-1_500_000, "ns", "\u22121.5 ms"),
        (ETHER, "wei", "1 ETH"),
        (-ETHER // 4, "wei", "\u22120.25 ETH"),
        (25 * 10**9, "wei", "25 gwei"),
        (999, "wei", "999 wei"),
        (0.12345, "ratio", "12.345 %"),
        (1_234_567, "gas", "1,234,567 gas"),
        (3 << 20, "bytes", "3 MiB"),
        (5 << 30, "bytes", "5 GiB"),
        (0.5, "count", "0.5"),
    ],
)
def test_values_are_spelled_in_their_unit(value: float | None, unit: str, text: str) -> None:
    """Each unit has its spelling, with a true minus and no needless digits."""
    assert spell(value, unit) == text


@given(st.text())
def test_plain_text_is_harmless(text: str) -> None:
    """No control, direction or surrogate character is left; the rest is as it was."""
    kept = plain(text)

    assert len(kept) == len(text)
    assert all(a in (b, "\ufffd") for a, b in zip(kept, text, strict=True))
    assert not [char for char in kept if (ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0]


def test_instants_are_utc_whatever_the_zone() -> None:
    """Times are written as UTC with milliseconds, rounded down."""
    assert spell_instant(1_700_000_000, 1_999_999) == "2023-11-14T22:13:20.001Z"


def test_faults_are_spans(tmp_path: Path) -> None:
    """A fault's begin and end make one bar; one that lasts reaches the end of the flight."""
    tape = flight(slots=4)
    for t_ns, id_, phase in ((1, "spike", "begin"), (3, "spike", "end"), (2, "drop", "begin")):
        tape.at(t_ns * SLOT_NS).event("fault", id_, "", kind="latency", phase=phase)
    tape.at(4 * SLOT_NS)

    story = tell(tape.end().save(tmp_path))
    lanes = {lane.label: lane for lane in lay_out(story).lanes}

    assert [(span.id, span.begin_ns, span.end_ns) for span in story.faults] == [
        ("spike", SLOT_NS, 3 * SLOT_NS),
        ("drop", 2 * SLOT_NS, None),
    ]
    (spike,), (drop,) = lanes["fault spike"].marks, lanes["fault drop"].marks
    assert spike.width == pytest.approx(WIDTH * 2 * SLOT_NS / story.end_ns, abs=0.02)
    assert drop.x + drop.width == pytest.approx(WIDTH, abs=0.02)
    assert drop.title == "drop (latency), 0:24.000 to the end"


def test_a_timeline_has_limits() -> None:
    """Lanes beyond the limit are left out and counted."""
    story = Story(end_ns=SLOT_NS, faults=[FaultSpan(f"f{at}", "latency", at) for at in range(FAULT_LANES_MAX + 3)])

    timeline = lay_out(story)

    assert len(timeline.lanes) == 3 + FAULT_LANES_MAX
    assert timeline.left_out == 3


def test_gas_of_an_orphaned_transaction_is_not_paid(tmp_path: Path) -> None:
    """The gas line falls when a block is replaced, and rises once when the transaction is included again."""
    tape = Tape()
    cost = {"hash": "0x1", "gas_used": 10, "gas_price_wei": 3, "status": 1}
    tape.at(1).event("tx.included", "bot", "", block=1, **cost)
    tape.at(2).event("tx.orphaned", "bot", "", hash="0x1", block=1)
    tape.at(3).event("tx.included", "bot", "", block=2, **cost)

    story = tell(tape.save(tmp_path))

    assert story.gas_cost == [(1, 30), (2, 0), (3, 30)]
