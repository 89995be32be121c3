"""Virtual seconds a wall second of the scenarios that come along, the real bot and all its world included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from sim.run import Order, fly
from sim.scenario import load
from sim.units import S
from tests.bench.table import Effort, Table, Target

SCENARIOS: Final = Path(__file__).resolve().parents[2] / "scenarios"
TARGETS: Final = {"quickstart": Target(">=", 40.0), "smoke": Target(">=", 12.0)}


def measure(effort: Effort) -> list[Table]:
    """Virtual seconds a wall second: the whole command, and from the flight's first virtual instant to its last."""
    rows = []
    for name in ("smoke", "quickstart") if effort.share >= 1 else ("smoke",):
        path = SCENARIOS / f"{name}.yaml"
        virtual_s = load(path).duration / S
        command_s, flight_s = [], []
        with TemporaryDirectory(prefix="windtunnel-bench-") as folder:
            _flight_s(path, Path(folder) / "warm-up")  # fills the caches of the start state and the file system
            for each in range(effort.rounds):
                command_s.append(_command_s(path, Path(folder) / f"command{each}"))
                flight_s.append(_flight_s(path, Path(folder) / f"flight{each}"))
        for part, took_s in (("whole command", median(command_s)), ("flight alone", median(flight_s))):
            rate = virtual_s / took_s
            row = (f"{name}, {part}", f"{virtual_s:g}", f"{took_s:.2f}", f"{rate:.0f}", TARGETS[name].says(rate))
            rows.append(row)
    columns = ("scenario", "virtual s", "wall s", "virtual s a wall s", "target")
    return [Table("Flight", columns, tuple(rows))]


def _command_s(path: Path, out: Path) -> float:
    command = [str(Path(sys.executable).with_name("windtunnel")), "run", str(path), "--out", str(out)]
    began_s = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took_s = perf_counter() - began_s
    assert done.returncode == 0, done.stdout + done.stderr
    return took_s


def _flight_s(path: Path, out: Path) -> float:
    """Fly without judging, and return the wall time in which virtual time went on; the watch looks every 50 ms."""
    beats: list[tuple[int, float]] = []

    def beat(now_ns: int) -> None:
        if now_ns and (not beats or now_ns != beats[-1][0]):
            beats.append((now_ns, perf_counter()))

    scenario = load(path)
    fly(Order(scenario, scenario.seed, out=out), progress=beat)
    return beats[-1][1] - beats[0][1]
