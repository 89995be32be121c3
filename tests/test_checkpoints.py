"""The rolling digest: what stands at a checkpoint, and what one digest per stream of chance tells apart."""

import io
import json

import zstandard

from sim.record import CHECKPOINT_EVENTS, Recorder
from sim.rng import Streams


def written(events: int, notes: int = 0) -> list[dict]:
    sink = io.BytesIO()
    recorder = Recorder(sink, lambda: 7)
    recorder.traces = lambda: {"network": 5}
    for number in range(events):
        recorder.event("block", "builder", number=number)
        for _ in range(notes):
            recorder.note("sample", "x", v=1)
    recorder.close()
    text = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(sink.getvalue()), read_across_frames=True).read()
    return [json.loads(line) for line in text.splitlines()]


def test_checkpoints_stand_after_a_fixed_number_of_events() -> None:
    """A checkpoint follows every 256th event, says what came so far, and notes move none of it."""
    plain = [line["data"] for line in written(3 * CHECKPOINT_EVENTS + 1) if line["kind"] == "checkpoint"]

    noted = [line["data"] for line in written(3 * CHECKPOINT_EVENTS + 1, notes=2) if line["kind"] == "checkpoint"]

    assert [each["events"] for each in plain] == [CHECKPOINT_EVENTS * n for n in (1, 2, 3)]
    assert len({each["digest"] for each in plain}) == 3
    assert {each["network"] for each in plain} == {5}
    assert noted == plain


def test_a_stream_digest_tells_keys_and_order_apart() -> None:
    """As many draws of one stream give another digest when a key or the order differs, the same when none does."""

    def digest(*keys: int) -> str:
        stream = Streams(1).stream("market.flow")
        for key in keys:
            stream.unit(key)
        return stream.digest()

    assert digest(1, 2) == digest(1, 2)
    assert len({digest(1, 2), digest(2, 1), digest(1, 3)}) == 3


def test_only_streams_that_were_drawn_from_count() -> None:
    """A stream that was only looked up is not among those drawn from."""
    streams = Streams(1)
    streams.stream("b").unit()
    streams.stream("a").unit()
    streams.stream("c")

    drawn = [stream.name for stream in streams.drawn()]

    assert drawn == ["a", "b"]
