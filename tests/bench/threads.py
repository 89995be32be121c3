"""What handing over from one thread to another costs on the baton and between stock threads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from statistics import median
from types import MappingProxyType
from typing import Final

from tests.bench.table import Effort, Table, Target

TURNS: Final = 20_000
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"locks": "threading.Lock", "events": "threading.Event", "queues": "queue.Queue"}
)
AIM: Final = Target("<=", 25.0)


def turns_us(kind: str, count: int) -> dict[str, float]:
    """Return the processor time of one turn by what the two threads wait on, in a process of its own."""
    words = [sys.executable, "-m", "tests.bench.pingpong", kind, str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(effort: Effort) -> list[Table]:
    """Hand-overs between two threads: the baton's against those of stock threads."""
    count = effort.count(TURNS)
    baton, stock = [], []
    for _ in range(effort.rounds):
        baton.append(turns_us("baton", count))
        stock.append(turns_us("stock", count))
    rows = []
    for name, shown in NAMES.items():
        ours, theirs = [each[name] for each in baton], [each[name] for each in stock]
        ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
        rows.append((shown, f"{median(ours):.1f}", f"{median(theirs):.1f}", f"{ratio:.2f}", AIM.says(median(ours))))
    columns = ("two threads on", "baton", "stock threads", "ratio", "target, µs")
    return [Table("Threads: one hand-over, µs of processor time", columns, tuple(rows))]
