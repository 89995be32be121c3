"""Recorded traces of requests: CSV files of time, endpoint, method, latency and status."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, SerializationInfo, WithJsonSchema

from sim.scenario.fields import by_content
from sim.scenario.source import anchor
from sim.scenario.values import DURATION_UNITS, ValueRefused, parse_duration, show, suggestion

ROWS_MAX = 1_000_000
COLUMNS = ("time", "endpoint", "method", "latency", "status")
WORDS = ("ok", "timeout", "reset", "refused")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class TraceRow(NamedTuple):
    """One request: ns since the first row, host, method, ns until the answer, and how it ended."""

    at_ns: int
    endpoint: str
    method: str
    latency_ns: int
    status: str


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace and the file it came from."""

    path: Path = field(compare=False)
    rows: tuple[TraceRow, ...] = field(repr=False)


def _read(raw: object) -> TraceFile:
    if isinstance(raw, TraceFile):
        return raw
    if not isinstance(raw, str) or not raw.strip():
        raise ValueRefused(f"expected the path of a CSV file, found {show(raw)}")
    path = anchor(raw)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(_rows(csv.reader(file), path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueRefused(f"cannot read {path}: {reason}") from None
    if not rows:
        raise ValueRefused(f"{path.name} has no rows")
    first_ns = min(row.at_ns for row in rows)
    return TraceFile(path, tuple(row._replace(at_ns=row.at_ns - first_ns) for row in rows))


def _rows(lines: Any, path: Path) -> Iterator[TraceRow]:
    header = [name.strip() for name in next(lines, [])]
    columns = _columns(header, path)
    for count, line in enumerate(lines):
        if not line:
            continue
        if count >= ROWS_MAX:
            raise ValueRefused(f"{path.name} has more than {ROWS_MAX} rows")
        cells = {name: line[index].strip() if index < len(line) else "" for name, (index, _) in columns.items()}
        try:
            yield TraceRow(
                _ns(cells["time"], columns["time"][1]),
                _host(cells.get("endpoint", "")),
                cells.get("method", ""),
                _ns(cells["latency"], columns["latency"][1]),
                _status(cells.get("status", "")),
            )
        except ValueRefused as error:
            raise ValueRefused(f"{path.name}:{lines.line_num}: {error}") from None


def _columns(header: Sequence[str], path: Path) -> dict[str, tuple[int, str]]:
    """Return index and unit of each column: `latency_ms` is latency in ms, `time` alone is seconds."""
    found: dict[str, tuple[int, str]] = {}
    for index, title in enumerate(header):
        name, _, unit = title.partition("_")
        if name not in COLUMNS or (unit and unit not in DURATION_UNITS):
            hint = suggestion(title, list(COLUMNS)) or f"; columns are {', '.join(COLUMNS)}, as in latency_ms"
            raise ValueRefused(f"{path.name} has a column '{title}'{hint}")
        found[name] = (index, unit or ("s" if name == "time" else ""))
    for name in ("time", "latency"):
        if name not in found:
            raise ValueRefused(f"{path.name} has no column '{name}'; there are {', '.join(header) or 'none'}")
    return found


def _ns(cell: str, unit: str) -> int:
    if unit and _NUMBER.fullmatch(cell):
        return round(Fraction(cell) * DURATION_UNITS[unit])
    return parse_duration(cell)


def _host(cell: str) -> str:
    return ((urlsplit(cell).hostname or "") if "://" in cell else cell.partition(":")[0]).lower()


def _status(cell: str) -> str:
    word = cell.lower() or "ok"
    if word.isdigit() and 100 <= int(word) <= 599:
        return "ok" if 200 <= int(word) <= 299 else word
    if word not in WORDS:
        raise ValueRefused(f"{show(cell)} is no status; write {', '.join(WORDS)} or an HTTP status such as 429")
    return word


def _write(trace: TraceFile, info: SerializationInfo) -> str:
    if by_content(info):
        return blake2b(repr(trace.rows).encode(), digest_size=16).hexdigest()
    return str(trace.path)


TracePath = Annotated[
    TraceFile,
    PlainValidator(_read),
    PlainSerializer(_write, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "description": "the path of a CSV file, relative to this file"}),
]
