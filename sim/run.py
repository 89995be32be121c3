"""One run: scenario and seed in, a run folder with its record out; the flight itself is a child process."""

from __future__ import annotations

import json
import mmap
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zstandard

from sim import __version__, folder
from sim.chain.start_cache import cache_folder
from sim.errors import ScenarioError, UsageError, WindtunnelError
from sim.fingerprint import fingerprint, fix_addresses, hash_seed, level, lock_hash
from sim.host.clock import HELD, SEEN, STOPS
from sim.host.output import Redactor
from sim.job import KEYS_AT, SHARED_BYTES, Job
from sim.record import SCHEMA
from sim.scenario import Scenario, resolved, secrets
from sim.verdict.finding import NEVER_GATING_LEVEL

POLL_S = 0.05
LAST_WORDS_S = 3.0
STACK_S = 0.5
_FILES = ("record.jsonl.zst", "bot.log")
_ROOT = Path(__file__).resolve().parent.parent
_BOOT = (
    "import sys; known = frozenset(sys.modules); root, *numbers = sys.argv[1:]; "
    "sys.path.insert(0, root); from sim.child import main; main(known, *map(int, numbers))"
)
# What the interpreter itself needs to start; the bot does not see it.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "GLIBC_TUNABLES", "PYTHONHOME")


@dataclass(frozen=True, slots=True)
class Order:
    """What `windtunnel run` was asked for, for one seed.

    Args:
        command: the words of the command line that produce this run again.
        out: the folder of the run, or None for `runs/<id>/<subject8>/<seed>`.
        known: accepted findings as the header keeps them.
        pdb: whether to stop in pdb (`--pdb`).
        until: where: an instant in ns, a finding's id, or None for the first finding that gates.
        terminal: the terminal that pdb talks at, for `breakpoint()` too; None where there is none or several fly.
        verify: whether a second flight must give the same digest (`--verify-share`).
        count_work: whether executed lines of the bot are counted (`--count-work`).
        stress: whether threads change hands at really random points (`--stress`); nothing repeats such a run.
        profile: whether the CPU time of its functions is measured (`windtunnel profile`).
        trace_turns: whether the flight writes every turn of its loops, for `windtunnel verify`.
        surroundings: variables of the process's environment besides its own; they must not matter.
    """

    scenario: Scenario
    seed: int
    engine: str = "pyevm"
    faults: str | None = None
    out: Path | None = None
    command: tuple[str, ...] = ()
    invocation: dict[str, Any] | None = None
    known: tuple[dict[str, Any], ...] = ()
    echo: bool = False
    probes: bool = True
    wall_limit_s: float | None = None
    pdb: bool = False
    until: int | str | None = None
    terminal: str | None = None
    verify: bool = False
    trace_turns: bool = False
    count_work: bool = False
    stress: bool = False
    profile: bool = False
    surroundings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Flown:
    """A finished run, before it is judged.

    Args:
        folder: where it is; complete but for the reports.
        interrupted: whether Ctrl-C ended it.
        stops: how often pdb held it.
    """

    folder: Path
    interrupted: bool
    stops: int = 0


class Interrupted(Exception):
    """Ctrl-C was pressed; raised by whoever waits for a flight."""


def fly(
    order: Order,
    progress: Callable[[int], None] = lambda now_ns: None,
    stopping: Callable[[], bool] = lambda: False,
    finish: Callable[[Path], None] = lambda folder: None,
    hold: Callable[[bool], None] = lambda held: None,
    say: Callable[[str], None] = lambda text: None,
) -> Flown:
    """Fly one seed in a child process and return its folder, which appears whole under its name.

    Args:
        progress: told the virtual time, a few times a second.
        stopping: asked as often whether to stop; the record then ends where it is.
        finish: called with the folder before it gets its name: the reports are written there.
        say: told what a person should know, such as an unfinished run that made room.
        hold: told when a person takes the terminal (True), before anything is written there, and gives it back.

    Raises:
        WindtunnelError: the scenario does not fit the world, or the folder belongs to another fingerprint.
    """
    scenario = order.scenario
    if sys.platform != "linux":
        raise UsageError(f"Windtunnel flies on Linux; {sys.platform} is refused until it is tested there")
    print_ = fingerprint(scenario, order.engine, fix_addresses())
    target = folder.target(order.out, scenario.id, order.seed, print_)
    if order.stress:
        print_["world"]["level"] = NEVER_GATING_LEVEL
        target = target if order.out is not None else target.with_name(f"{target.name}-stress")
    part = folder.claim(target, say)
    try:
        (part.path / "scenario.resolved.yaml").write_text(resolved(scenario))
        child = _Child(order, _job(order, part.path, print_))
        interrupted = child.watch(progress, stopping, hold)
        folder.scrub(part.path, [*child.keys(), *(bytes.fromhex(each) for each in secrets(scenario))])
    except BaseException:
        part.discard()
        raise
    try:
        finish(part.path)
    finally:  # what was flown is kept, even where its reports cannot be written
        part.publish(target)
    return Flown(target, interrupted, child.stops)


def _job(order: Order, part: Path, print_: dict[str, Any]) -> Job:
    scenario = order.scenario
    redactor = Redactor(bytes.fromhex(each) for each in secrets(scenario))
    header = {
        "windtunnel": __version__,
        "scenario": scenario.id,
        "seed": order.seed,
        "duration_ns": scenario.duration,
        "epoch_s": scenario.chain.epoch,
        "slot_ns": scenario.chain.slot,
        "fingerprint": print_,
        "hash_seed": hash_seed(scenario, order.seed),
        "thresholds": [
            {
                "metric": each.metric,
                "expr": each.expr,
                "abort_on_fail": each.abort_on_fail,
                "file": each.file,
                "line": each.line,
            }
            for each in scenario.threshold_list()
        ],
        "known": list(order.known),
        **({"stress": True} if order.stress else {}),
        "probes": order.probes,
        "cpu_functions": len(scenario.bot.cpu) if scenario.bot is not None else 0,
        "replay": redactor.text(shlex.join(order.command)),
        "invocation": redactor.tree(order.invocation or {}),
    }
    return Job(
        scenario=scenario,
        seed=order.seed,
        engine=order.engine,
        faults=order.faults,
        folder=str(part),
        header=header,
        harness_root=str(_ROOT),
        cache=str(cache_folder(os.environ)),
        lock_hash=lock_hash(),
        echo=order.echo,
        debug=order.pdb,
        until=order.until,
        probes=order.probes,
        trace_turns=order.trace_turns,
        count_work=order.count_work,
        stress=order.stress,
        profile=order.profile,
        secrets=secrets(scenario),
    )


class _Child:
    """The flight's process, and who looks after it."""

    def __init__(self, order: Order, job: Job) -> None:
        self._order = order
        self._job = job
        self._limits = order.scenario.limits
        self._ended_because: str | None = None
        pulse_fd = os.memfd_create("pulse")
        os.ftruncate(pulse_fd, SHARED_BYTES)
        self._shared = mmap.mmap(pulse_fd, SHARED_BYTES)
        self._pulse = memoryview(self._shared)[:KEYS_AT].cast("Q")
        job_read, job_write = os.pipe()
        passed = [job_read, pulse_fd]
        if order.terminal is not None:
            passed.append(os.open(order.terminal, os.O_RDWR | os.O_NOCTTY))
            self._job = job = replace(job, terminal=passed[-1])
        seed, epoch_s = order.seed, order.scenario.chain.epoch
        self.stderr = (Path(job.folder) / "harness.log").open("wb")
        self.process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own words)
            [
                sys.executable,
                "-P",
                "-s",
                "-c",
                _BOOT,
                str(_ROOT),
                *map(str, (os.getpid(), job_read, pulse_fd, seed, epoch_s)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self.stderr,
            stderr=None if job.echo else self.stderr,
            cwd=job.folder,
            env={**_environment(hash_seed(order.scenario, seed)), **dict(order.surroundings)},
            pass_fds=passed,
            start_new_session=True,
        )
        for each in passed:
            os.close(each)
        with os.fdopen(job_write, "wb") as pipe:
            pickle.dump(job, pipe)

    @property
    def stops(self) -> int:
        """Return how often pdb held the flight."""
        return int(self._pulse[STOPS])

    def watch(
        self, progress: Callable[[int], None], stopping: Callable[[], bool], hold: Callable[[bool], None]
    ) -> bool:
        """Wait for the end of the flight, or bring it about; return whether it was interrupted."""
        process, limits = self.process, self._limits
        began_s = beat_s = now_s = time.monotonic()
        wall_s = self._order.wall_limit_s or limits.wall / 1e9
        last_beat, interrupted = -1, False
        while process.poll() is None:
            if _ended_within(process, POLL_S):
                break
            before_s, now_s = now_s, time.monotonic()
            if self._held(hold):  # a person's time is no flight's
                began_s, beat_s = began_s + now_s - before_s, now_s
            beat = self._pulse[1]
            if beat != last_beat or not beat:  # it begins to count when the bot does
                last_beat, beat_s = beat, now_s
            progress(self._pulse[0])
            if stopping():
                interrupted = True
                self._end(signal.SIGTERM, None)
            elif now_s - beat_s > limits.callback_wall / 1e9:
                self._end(signal.SIGUSR1, f"a callback held the loop for longer than {limits.callback_wall / 1e9:g} s")
            elif now_s - began_s > wall_s:
                self._end(signal.SIGUSR1, f"the flight took longer than {wall_s:g} s of wall time")
            elif _rss_bytes(process.pid) > limits.rss:
                self._end(signal.SIGUSR1, f"the flight's process grew beyond {limits.rss} bytes")
        progress(self._pulse[0])
        self.stderr.close()
        self._explain_end(interrupted)
        return interrupted

    def _held(self, hold: Callable[[bool], None]) -> bool:
        """Say whether a person holds the flight; tell *hold* of a change, then the flight that it was told."""
        held = self._pulse[HELD]
        if held != self._pulse[SEEN]:
            hold(bool(held))
            self._pulse[SEEN] = held
        return bool(held)

    def keys(self) -> list[bytes]:
        """Return the world's private keys, as the flight told them."""
        start = KEYS_AT + 8
        size = int.from_bytes(self._shared[KEYS_AT:start], "big")
        return [bytes(self._shared[at : at + 32]) for at in range(start, start + size, 32)]

    def _end(self, number: int, why: str | None) -> None:
        """Ask the flight to close its record; where it cannot, close the record for it."""
        process = self.process
        self._ended_because = "interrupted" if why is None else why
        (Path(self._job.folder) / "runaway.txt").write_text(self._ended_because)
        process.send_signal(number)
        if _ended_within(process, LAST_WORDS_S):
            return
        process.send_signal(signal.SIGUSR2)
        if not _ended_within(process, STACK_S):
            process.kill()
            process.wait()

    def _explain_end(self, interrupted: bool) -> None:
        folder = Path(self._job.folder)
        code = self.process.returncode
        refused = folder / "refused.txt"
        log = _read_text(folder / "harness.log")
        if refused.is_file():
            number, _, message = refused.read_text().partition("\n")
            raise ScenarioError(message) if number == "2" else UsageError(message)
        if code == 4 or (code == 1 and not (folder / "bot.log").exists()):
            raise WindtunnelError(f"the flight's process failed (seed {self._order.seed}):\n{log}")
        stack = _read_text(folder / "stack.txt")
        if code and self._ended_because is not None:
            self._append_end("interrupted" if interrupted else "runaway", self._ended_because, stack)
        elif code:
            what = f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            self._append_end("crash", f"the flight's process died {what}", stack or log)
        for name in ("harness.log", "stack.txt", "runaway.txt"):
            file = folder / name
            if file.is_file() and not (name == "harness.log" and log):
                file.unlink()

    def _append_end(self, reason: str, title: str, stack: str) -> None:
        at_ns = int(self._pulse[0])
        kind = "crash" if reason == "crash" else "stall"
        finding = {
            "id": f"{kind}-{reason}", "kind": kind, "title": title, "where": self._place_in(stack), "at_ns": at_ns,
            "level": level(self._order.scenario),
            "gating": True, "origin": "bot", "detail": {"stack": stack, "reproducible": False},
        }  # fmt: skip
        lines = []
        record = Path(self._job.folder) / "record.jsonl.zst"
        if not record.is_file() or not record.stat().st_size:
            lines.append({"schema": SCHEMA, **self._job.header})
        if reason != "interrupted":
            lines.append({"t_ns": at_ns, "kind": "finding", "actor": kind, "site": "", "data": finding})
        end = {"reason": reason, "exit_code": 130 if reason == "interrupted" else 1}
        lines.append({"t_ns": at_ns, "kind": "flight.end", "actor": "bot", "site": "", "data": end})
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        with record.open("ab") as file:
            file.write(zstandard.compress(text.encode()))

    def _place_in(self, stack: str) -> str | None:
        """Return the innermost line of the bot in a stack that faulthandler wrote."""
        bot = self._order.scenario.bot
        assert bot is not None, "a flight needs a bot"
        roots = [bot.path] if bot.script is None else [bot.path, bot.script.parent]
        others = (_ROOT / "sim", *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")))
        for name, line in re.findall(r'File "([^"]+)", line (\d+)', stack):
            path = Path(name)
            for root in roots:
                if path.is_relative_to(root) and not any(path.is_relative_to(other) for other in others):
                    return f"{path.relative_to(root)}:{line}"
        return None


def _ended_within(process: subprocess.Popen[bytes], wait_s: float) -> bool:
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment(seed_of_hashes: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONHASHSEED": str(seed_of_hashes), "TZ": "UTC", "LANG": "C.UTF-8"}


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError):
        return 0


def _read_text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
