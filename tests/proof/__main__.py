"""Run the proofs and print their table: `python -m tests.proof [--full] [-j N] [--only WORD] [--write FILE]`."""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.proof.proofs import CALLBACK_ORDER, PROOFS, Proof

HEAD = """\
# Proof

Printed by `make proof` (`--interpreter` in ARGS for the other Pythons); CI runs a tenth of each or more.
Where a line speaks of two flights, each seed flies twice, in separate processes with another size of environment,
working folder, time zone and libc tuning
(`windtunnel verify`): a mismatch is a seed whose two digests differ. The digest covers every event, every block, the
order of every turn of the bot's loops, every byte it sends and every draw of chance
([sim/record.py](../sim/record.py)).

- *Torture program*: [tests/zoo/torture.py](../tests/zoo/torture.py), web3.py over HTTP and WebSocket with
  subscriptions, aiohttp sessions, websockets, threads with locks and queues, timeouts that race replies, cancellations,
  sets of tasks, every source of chance, in six virtual seconds with a slow node, a dropped one and a reorg.
- *Callback order*: generated programs run on stock asyncio and on ours, same callbacks at the same instants.
- *Mainnet blocks*: own hash, senders, gas used, logs bloom, transactions root and receipts root.
"""


def main() -> int:
    """Run the proofs; return 1 if one has a mismatch."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof")
    parser.add_argument("--full", action="store_true", help="the full counts; else a tenth")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", metavar="WORD", default="", help="proofs whose name holds this word")
    parser.add_argument("--count", type=int, help="this many of each, at most the full count")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page there, too")
    parser.add_argument(
        "--interpreter",
        metavar="PYTHON",
        action="append",
        default=[],
        help="an environment of another Python (`make setup VENV=… PYTHON=…`), to compare its callback order, too",
    )
    options = parser.parse_args()
    rows, failed = [], False
    for python in options.interpreter:
        rows.append(elsewhere(python, options.full, options.jobs))
        failed = failed or bool(rows[-1][2])
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    for proof in (each for each in PROOFS if options.only in each.name):
        count = min(options.count or (proof.full if options.full else proof.tenth), proof.full)
        began_s, progress = time.monotonic(), Progress(proof, count)
        mismatches = proof.run(count, options.jobs, progress, stop.is_set)
        rows.append((proof, progress.done, len(mismatches), time.monotonic() - began_s))
        failed = failed or bool(mismatches)
        print(*mismatches, sep="\n", file=sys.stderr)
    page = f"{HEAD}\n{table(rows, options.jobs)}"
    print(page)
    if options.write is not None:
        options.write.write_text(page)
    return int(failed)


def elsewhere(python: str, full: bool, jobs: int) -> tuple[Proof, int, int, float]:
    """Compare the callback order of another interpreter's asyncio, in a process of it; return its row."""
    words = [python, "-m", "tests.proof", "--only", CALLBACK_ORDER.name, "-j", str(jobs), *(["--full"] if full else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    row = re.search(r"programs \| ([\d,]+) \| (\d+) \| ([\d,]+) s", done.stdout)
    version = re.search(r"CPython [\d.]+", done.stdout)
    if row is None or version is None:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode} and printed no row")
    count, mismatches, wall_s = (int(figure.replace(",", "")) for figure in row.groups())
    return replace(CALLBACK_ORDER, name=f"{CALLBACK_ORDER.name}, {version[0]}"), count, mismatches, wall_s


class Progress:
    """How far a proof is, on one line of standard error; Ctrl-C ends it there, and the table says how many it was."""

    def __init__(self, proof: Proof, count: int) -> None:
        self.done = 0
        self._text = f"of {count} {proof.unit}"
        self._name, self._count = proof.name, count

    def __call__(self, done: int) -> None:
        """*done* are done."""
        self.done = done
        end = "" if done < self._count else "\n"
        print(f"\r{self._name}: {done} {self._text}", end=end, file=sys.stderr, flush=True)


def table(rows: list[tuple[Proof, int, int, float]], jobs: int) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| proof | full count | run | mismatches | wall time |", "|---|---:|---:|---:|---:|"]
    for proof, count, mismatches, wall_s in rows:
        lines.append(f"| {proof.name} | {proof.full:,} {proof.unit} | {count:,} | {mismatches} | {wall_s:,.0f} s |")
    machine = f"CPython {platform.python_version()}, {platform.machine()}, {jobs} flights or processes at a time."
    return "\n".join([*lines, "", machine, ""])


if __name__ == "__main__":
    sys.exit(main())
