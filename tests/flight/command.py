"""The installed `windtunnel` command, as a script or a person calls it, and what it leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.record import Event, Record, open_record

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / "tests" / "zoo"
WINDTUNNEL = Path(sys.executable).parent / "windtunnel"
PATIENCE_S = 300.0
"""How long a call may take on a machine that is busy with other things."""

WORLDS_OWN = ("HOME", "LANG", "PATH", "XDG_CACHE_HOME")


GOOD = (
    "stranger", "quiet", "rude", "mirror", "interrupted", "cancelled", "terminated", "entry", "mended/leaks_a_task",
    "mended/opposite_locks", "last_minute",
)  # fmt: skip
BAD = (
    "leaks_a_task", "raises", "exits_three", "exits_at_once", "kills_itself", "segfaults", "ignores_sigterm",
    "tells_its_key", "spins", "matches_for_ever", "stuck_in_c", "hoards",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """How a call of the command ended."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> list[dict[str, Any]]:
        """Return what `--json` printed."""
        return [json.loads(line) for line in self.out.splitlines()]


def surroundings(**more: str) -> dict[str, str]:
    """Return an environment without what the test run itself has in its own; a wide terminal breaks no message."""
    return {name: os.environ[name] for name in WORLDS_OWN if name in os.environ} | {"COLUMNS": "200"} | more


def windtunnel(
    *words: str | Path, cwd: Path, program: Sequence[str | Path] = (WINDTUNNEL,), env: Mapping[str, str] | None = None
) -> Call:
    """Call the command in *cwd* and wait for its end."""
    done = subprocess.run(
        [*map(str, program), *map(str, words)], cwd=cwd, env=surroundings() if env is None else dict(env),
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return Call(done.returncode, done.stdout, done.stderr)


def interrupted(*words: str | Path, cwd: Path, when: str, sign: signal.Signals = signal.SIGINT) -> Call:
    """Call the command, and press Ctrl-C once *when* stands in what the bot printed (`-v` shows it)."""
    process = subprocess.Popen(
        [str(WINDTUNNEL), *map(str, words), "-v"], cwd=cwd, env=surroundings(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process:
        seen = []
        for line in process.stderr:
            seen.append(line)
            if when in line:
                os.killpg(process.pid, sign)
                break
        out, err = process.communicate(timeout=PATIENCE_S)
    return Call(process.returncode, out, "".join(seen) + err)


@dataclass(frozen=True)
class Run:
    """A run folder."""

    folder: Path

    @cached_property
    def result(self) -> dict[str, Any]:
        """Return result.json."""
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found

    @cached_property
    def record(self) -> Record:
        """Return the record, opened."""
        return open_record(self.folder)

    @property
    def log(self) -> str:
        """Return what the bot printed."""
        return (self.folder / "bot.log").read_text()

    @property
    def printed(self) -> list[str]:
        """Return the lines of the bot's standard output, without their stamps."""
        return [line.split(" out ", 1)[1] for line in self.log.splitlines() if "] out " in line]

    def events(self, *kinds: str) -> list[Event]:
        """Return the record's events of *kinds*."""
        return [event for event in self.record.events() if event.kind in kinds]

    def blocks(self) -> list[tuple[int, Any]]:
        """Return when each block came and what it held."""
        return [(event.t_ns, event.data) for event in self.events("block")]

    def findings(self, kind: str) -> list[dict[str, Any]]:
        """Return the findings of *kind*."""
        return [finding for finding in self.result["findings"] if finding["kind"] == kind]

    def finding(self, kind: str) -> dict[str, Any]:
        """Return the one finding of *kind*."""
        found = self.findings(kind)
        assert len(found) == 1, self.result["findings"]
        return found[0]


@dataclass(frozen=True, slots=True)
class Flock:
    """Several runs of one call: `windtunnel run A B ... --json --out FOLDER`."""

    call: Call
    folder: Path

    def run(self, scenario: str, seed: int = 1) -> Run:
        """Return one of them."""
        return Run(self.folder / scenario / str(seed))


def once(base: Path, name: str, fly: Callable[[Path], Call]) -> Flock:
    """Return the flock *name*, flown by whichever test process comes first; the others wait for it.

    Args:
        base: pytest's folder of this process.
    """
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = common / name, common / f"{name}.json"
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            call = fly(folder)
            done.write_text(json.dumps([call.code, call.out, call.err]))
    return Flock(Call(*json.loads(done.read_text())), folder)
