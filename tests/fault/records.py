"""Records kept in memory, so that a test can read back what a world said."""

from __future__ import annotations

import io
import json

import zstandard

from sim.host.clock import NsEnvironment
from sim.record import Event, Recorder


class MemoryRecord:
    """A real recorder that writes to memory."""

    def __init__(self, env: NsEnvironment) -> None:
        self._sink = io.BytesIO()
        self.recorder = Recorder(self._sink, lambda: env.now)

    def events(self, kind: str | None = None) -> list[Event]:
        """Return what was recorded so far, or the events of one kind."""
        self.recorder.flush()
        written = io.BytesIO(self._sink.getvalue())
        with zstandard.ZstdDecompressor().stream_reader(written, read_across_frames=True) as reader:
            text = reader.read().decode()
        found = [Event(**json.loads(line)) for line in text.splitlines()]
        return [event for event in found if kind in (None, event.kind)]
