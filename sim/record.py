"""A run's record: append-only, typed events in a zstd stream, with the digest that proves two runs equal.

Layout of `record.jsonl.zst`: one JSON object a line. The first is the header (`{"schema": 1, ...}`), each other one an
event `{"t_ns", "kind", "actor", "site", "data"}`. A complete zstd frame ends at least every 4,096 events or second of
wall time, so a reader of a torn file loses at most the last frame.

Two sorts of line. *Events* are what happened in the world and enter the digest. *Notes* are what probes saw (`sample`,
`finding`, `probe.*`): they never enter it, so that watching more or less cannot change a digest.

After every `CHECKPOINT_EVENTS` events stands a note `checkpoint` with the digest so far: two records of one seed are
compared from checkpoint to checkpoint until the first that differs (`windtunnel verify`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from time import perf_counter as _wall_s
from typing import Any, BinaryIO

import zstandard

from sim.errors import RecordError

SCHEMA = 1
FRAME_EVENTS_MAX = 4096
FRAME_WALL_S_MAX = 1.0
CHECKPOINT_EVENTS = 256
_READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a record.

    Args:
        t_ns: virtual time since the start of the flight.
        kind: what happened, e.g. `block`, `tx.included`, `rpc`; `sample` and `finding` are notes.
        actor: who did it: a node, an account's label, a fault's id; for `sample` the metric's name.
        site: where: a host, a method, a venue; may be empty.
        data: the payload, JSON values only.
    """

    t_ns: int
    kind: str
    actor: str = ""
    site: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """Writes a record as it happens; memory stays flat."""

    def __init__(self, sink: BinaryIO, clock: Callable[[], int]) -> None:
        self._sink = sink
        self._clock = clock
        self._hash = blake2b(digest_size=32, person=b"windtunnel")
        self._lines: list[str] = []
        self._frame_started_s = _wall_s()
        self._zstd = zstandard.ZstdCompressor(level=3)
        self.closed = False
        self.count = 0
        self.traces: Callable[[], dict[str, Any]] = dict
        """What else a checkpoint says: the traces of the loops and the network. Whoever owns these sets it."""

    def header(self, **fields: Any) -> None:
        """Write the first line. It is not part of the digest (it holds the seed, paths and the fingerprint)."""
        self._append(json.dumps({"schema": SCHEMA, **fields}, separators=(",", ":")))
        self.flush()

    def event(self, kind: str, actor: str = "", site: str = "", /, **data: Any) -> None:
        """Append an event of the world; it enters the digest."""
        line = self._line(kind, actor, site, data)
        self._hash.update(line.encode())
        self._append(line)
        self.count += 1
        if not self.count % CHECKPOINT_EVENTS:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Append what the digest and the traces are by now; a note, so the digest does not cover itself."""
        self.note("checkpoint", "", events=self.count, digest=self.digest(), **self.traces())

    def note(self, kind: str, actor: str = "", site: str = "", /, **data: Any) -> None:
        """Append what a probe saw; it does not enter the digest."""
        self._append(self._line(kind, actor, site, data))

    def sample(self, metric: str, value: float, /, **tags: str) -> None:
        """Append one sample of *metric*, in its base unit (ns, wei, gas, bytes, count)."""
        self.note("sample", metric, "", v=value, **({"tags": tags} if tags else {}))

    def absorb(self, label: str, value: bytes | int | str) -> None:
        """Fold *value* into the digest without writing a line: loop traces, draws."""
        self._hash.update(f"\x00{label}\x00{value!r}\x00".encode())

    def digest(self) -> str:
        """Return the digest of everything so far: blake2b, lower-case hex."""
        return self._hash.hexdigest()

    def flush(self) -> None:
        """End the current frame, so that a reader sees every event up to now."""
        if self._lines:
            self._sink.write(self._zstd.compress(("\n".join(self._lines) + "\n").encode()))
            self._sink.flush()
            self._lines.clear()
        self._frame_started_s = _wall_s()

    def close(self) -> None:
        """Flush and refuse any later line."""
        self.flush()
        self.closed = True

    def _line(self, kind: str, actor: str, site: str, data: dict[str, Any]) -> str:
        return _ENCODE({"t_ns": self._clock(), "kind": kind, "actor": actor, "site": site, "data": data})

    def _append(self, line: str) -> None:
        if self.closed:
            return
        self._lines.append(line)
        if len(self._lines) >= FRAME_EVENTS_MAX or _wall_s() - self._frame_started_s > FRAME_WALL_S_MAX:
            self.flush()


_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Record:
    """A record opened for reading: its header, and its events read anew on each iteration, so memory stays flat."""

    path: Path
    header: dict[str, Any]

    def events(self) -> Iterator[Event]:
        """Yield every event in the whole frames, in order.

        A torn tail ends the iteration without an error; `missing` says whether there was one.
        """
        lines = _lines(self.path)
        next(lines)
        for line in lines:
            yield Event(**json.loads(line))

    def missing(self) -> str | None:
        """Return a sentence about what the record lacks, or None if it is complete.

        A complete record's last event is `flight.end`.
        """
        last, count = None, 0
        for event in self.events():
            last, count = event, count + 1
        if last is not None and last.kind == "flight.end":
            return None
        at = f"its last whole frame ends at {last.t_ns} ns" if last else "it holds no whole frame after its header"
        return f"{self.path}: the record was cut off: {count} events, {at}"


def open_record(path: Path) -> Record:
    """Open a record, or the record inside a run folder.

    Raises:
        RecordError: it is missing, holds no header, or its schema is newer than this reader's.
    """
    if path.is_dir():
        path = path / "record.jsonl.zst"
    if not path.is_file():
        raise RecordError(f"{path}: no such record; name a run folder (it holds record.jsonl.zst)")
    first = next(_lines(path), None)
    if first is None:
        raise RecordError(f"{path}: no whole frame in it, so it has no header to read")
    try:
        header = json.loads(first)
        schema = header["schema"]
    except (ValueError, KeyError, TypeError):
        raise RecordError(f"{path}: the first line is not a record's header") from None
    if schema > SCHEMA:
        needed = header.get("windtunnel", "unknown")
        raise RecordError(
            f"{path}: schema {schema}, this reader knows up to {SCHEMA}; read it with windtunnel {needed}"
        )
    return Record(path, header)


def _lines(path: Path) -> Iterator[str]:
    for frame in _whole_frames(path):
        yield from frame.decode().splitlines()


def _whole_frames(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        data = file.read(_READ_BYTES)
        while data:
            frame, parts, whole = zstandard.ZstdDecompressor().decompressobj(), [], False
            while not whole:
                try:
                    parts.append(frame.decompress(data))
                except zstandard.ZstdError:
                    return
                whole = bool(frame.eof)
                data = frame.unused_data if whole else file.read(_READ_BYTES)
                if not data and not whole:
                    return
            yield b"".join(parts)
            data = data or file.read(_READ_BYTES)
