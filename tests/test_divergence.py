"""Where two records part."""

from pathlib import Path

from sim.divergence import first_divergence
from sim.record import CHECKPOINT_EVENTS, Record, Recorder, open_record

EVENTS = 3 * CHECKPOINT_EVENTS + 7


def recorded(path: Path, changed: int | None = None, *, events: int = EVENTS, network: int = 0) -> Record:
    """Write a record with another event at *changed* and *network* as the network's trace from the third mark on."""
    with path.open("wb") as sink:
        count = 0
        recorder = Recorder(sink, lambda: count * 10)
        recorder.traces = lambda: {"loops": [1], "network": network * (count > 2 * CHECKPOINT_EVENTS), "draws": {}}
        recorder.header(seed=1)
        for number in range(events):
            count = number
            recorder.note("sample", "x", v=number)
            recorder.event("block", "builder", number=-1 if number == changed else number)
        recorder.checkpoint()
        recorder.close()
    return open_record(path)


def test_the_first_event_that_differs_is_found(tmp_path: Path) -> None:
    """Wherever one event differs, on either side of a checkpoint, it is the one that is named."""
    one = recorded(tmp_path / "one")
    places = (0, CHECKPOINT_EVENTS - 1, CHECKPOINT_EVENTS, 2 * CHECKPOINT_EVENTS + 5, EVENTS - 1)

    found = [first_divergence(one, recorded(tmp_path / f"other{place}", place)) for place in places]

    assert [each.events_equal for each in found if each] == list(places)
    assert [(each.first.data["number"], each.second.data["number"]) for each in found if each] == [
        (place, -1) for place in places
    ]
    assert all(each.since_ns <= each.events_equal * 10 <= each.until_ns for each in found if each)


def test_equal_records_do_not_part(tmp_path: Path) -> None:
    """Records with the same events have no divergence."""
    assert first_divergence(recorded(tmp_path / "one"), recorded(tmp_path / "other")) is None


def test_a_record_that_ends_sooner_parts_at_its_end(tmp_path: Path) -> None:
    """Where one record has no more events the other's next one is named."""
    found = first_divergence(recorded(tmp_path / "one"), recorded(tmp_path / "other", events=EVENTS - 3))

    assert found is not None
    assert found.events_equal == EVENTS - 3
    assert found.first is not None
    assert found.second is None


def test_a_trace_that_differs_without_an_event_is_named(tmp_path: Path) -> None:
    """Equal events with another network trace: the window between two checkpoints, and what differs."""
    found = first_divergence(recorded(tmp_path / "one"), recorded(tmp_path / "other", network=5))

    assert found is not None
    assert (found.first, found.second, found.traces) == (None, None, ("network",))
    assert found.since_ns == (2 * CHECKPOINT_EVENTS - 1) * 10
