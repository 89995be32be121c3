"""Lines are counted where they belong, on this Python's own machinery."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import asyncio, json
from sim.probe.work import TASKS_MAX, WorkCounter

def spin(count):
    for _ in range(count):
        pass

async def worker(count):
    spin(count)
    await asyncio.sleep(0)
    spin(count)

async def main():
    tasks = [asyncio.create_task(worker(n), name=f"worker {n}") for n in (10, 100)]
    await asyncio.gather(*tasks, worker(1000))
    await asyncio.gather(*[asyncio.create_task(worker(0), name=f"order {n}") for n in range(TASKS_MAX)])

counter = WorkCounter(lambda path: path == "<string>")
counter.start()
asyncio.run(main())
totals = counter.totals()
print(json.dumps({name: lines for name, lines in totals.items() if not name.startswith("order")}), len(totals))
"""


def test_lines_count_for_the_task_that_runs_them() -> None:
    """A loop of a hundred turns is ten times one of ten; asyncio's own lines count for nobody; names are bounded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )

    text, _, names = done.stdout.strip().rpartition(" ")
    totals = json.loads(text)
    assert totals["worker 100"] - totals["worker 10"] == 4 * 90
    assert totals["worker"] - totals["worker 100"] == 4 * 900
    assert int(names) == 501
