"""One flight, inside its own process: the world is built, the bot flies in it, the record is closed."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from sim import ending
from sim.chain.pyevm import make_engine
from sim.errors import BoundaryError, ScenarioError, WindtunnelError
from sim.functions import MAIN
from sim.host import boundary, identity, ownership, thirdparty
from sim.host import machine as machines
from sim.host.charge import Charges
from sim.host.clock import FAULT, MONITOR
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.modules import HiddenModules
from sim.host.net import Network
from sim.host.output import CapturedOutput, LogFile, Redactor
from sim.host.preempt import Preemption
from sim.host.process import Process
from sim.host.program import Outcome, Program, prepare, run
from sim.host.signals import SignalDesk
from sim.host.stress import Stress
from sim.host.threads import Baton
from sim.job import KEYS_AT, SHARED_BYTES, Job
from sim.probe import coverage
from sim.probe.attendance import Attendance
from sim.probe.cputime import CpuProfile
from sim.probe.findings import Findings
from sim.probe.leaks import LeakProbe
from sim.probe.locks import LockProbe
from sim.probe.place import Place, Places, stack_of_task
from sim.probe.tasks import TaskProbe
from sim.probe.turns import TracedLoop, TurnTrace
from sim.probe.work import WorkCounter
from sim.record import Recorder
from sim.restart import Restarts
from sim.rng import Streams
from sim.scenario.costs import source_of
from sim.scenario.references import expand
from sim.units import MINUTE, S
from sim.world import Subject, World

GC_EVERY_NS = MINUTE
"""The cyclic collector runs at these instants alone, so that finalisers run at the same place in every process."""

LOOK_EVERY_NS = S
"""How often deadlocks are looked for among threads, from the first thread on; with probes off nobody looks."""

RUNAWAY_SIGNAL = signal.SIGUSR1
STACK_SIGNAL = signal.SIGUSR2
INTERRUPT_SIGNAL = signal.SIGTERM
_leave = os._exit  # the bot's own `os._exit` is taken over


class Flight:
    """Builds, flies, examines and ends."""

    def __init__(
        self,
        job: Job,
        streams: Streams,
        machine: Machine,
        baton: Baton,
        pulse_fd: int,
        known_modules: frozenset[str],
        fail: Callable[[BaseException], NoReturn],
    ) -> None:
        self.job = job
        self.streams = streams
        self.machine = machine
        self.env = machine.env
        self.baton = baton
        self._shared = mmap.mmap(pulse_fd, SHARED_BYTES)
        self.folder = Path(job.folder)
        self.scenario = job.scenario
        assert job.scenario.bot is not None, "a flight needs a bot"
        self.bot = job.scenario.bot
        drift = self.bot.clock.drift
        machine.set_order = self.bot.set_order
        machine.set_wall(self.bot.clock.offset, (drift.numerator, drift.denominator))
        self.charges = Charges(self.bot.cpu, machine, streams)
        self.recorder = Recorder((self.folder / "record.jsonl.zst").open("wb"), lambda: self.env.now)
        self.loops: list[SimLoop] = []
        self.restarts = Restarts(machine, self.recorder, self.loops, self._run)
        self.main_loop_done = False
        self.stopped_ns: int | None = None
        self.ended = self.returned = False
        self.known_modules = known_modules
        self._fail = fail
        stack_file = (self.folder / "stack.txt").open("w")
        faulthandler.register(STACK_SIGNAL, file=stack_file, all_threads=True)
        faulthandler.enable(stack_file, all_threads=False)

    # Getting ready ----------------------------------------------------------------------------------------------

    def fly(self) -> NoReturn:
        """Do all of it. The process ends inside."""
        try:
            self._build()
        except WindtunnelError as error:
            self._refuse(error)
        self._watch()
        self._take_real_signals()
        try:
            self._surround()
        except ScenarioError as error:
            self._refuse(error)
        self.program = Program(self.bot.entry, _text(self.bot.script), str(self.bot.path), tuple(self._arguments))
        prepare(self.program, self.job.harness_root)
        if any(fault.kind == "crash" for fault in self.scenario.faults):
            self.restarts.locks = self.locks
            self.restarts.process = Process(
                self.baton, self.network, self.sockets, self.desk, self.modules, self.output
            )
        self._schedule()
        self.output.start()
        boundary.on_refused = self._on_refused
        self.env.on_error = self._on_error
        self.network.on_unknown = self._on_unknown_host
        machines.running = self.machine
        self.env.pulse = self._counters()
        self.env.pulse[1] = 1
        if self.work is not None:
            self.work.start()
        if self.job.stress:
            Stress(self.baton, self.places.is_bots).start()
        if self.coverage is not None:
            self.coverage.start()
        if self.profile is not None:
            self.profile.start(self.baton)
        self._run()

    def _run(self) -> NoReturn:
        """Run the bot from its start to its end."""
        self._returned(run(self.program, self.charges.compile))

    def _build(self) -> None:
        job = self.job
        self.network = Network(self.env, self.streams, self.recorder)
        self.network.add_site("world")
        world_machine = Machine(self.env, "world", epoch_ns=self.machine.epoch_ns)
        engine = make_engine(job.engine, self.scenario.chain.hardfork)
        self.world = World(
            self.scenario, self.streams, self.env, self.network, world_machine, self.recorder, engine,
            cache=Path(job.cache), lock_hash=job.lock_hash, faults=job.faults,
            subject=Subject(self.machine, self.restarts),
        )  # fmt: skip
        self._check_costs()
        secrets = [bytes.fromhex(each) for each in job.secrets]
        self.redactor = Redactor([*self.world.people.keys, *secrets])
        keys = b"".join(self.world.people.keys)
        self._shared[KEYS_AT : KEYS_AT + 8 + len(keys)] = len(keys).to_bytes(8, "big") + keys
        self.recorder.traces = self._traces
        self.recorder.header(**job.header)
        self.recorder.event("flight.start")
        self.world.start(self.scenario.duration)
        while self.env.peek() <= 0:
            self.env.step()

    def _check_costs(self) -> None:
        """Refuse costs of a module that the world has loaded already: it is shared, and stays as it is."""
        for name in self.bot.cpu:
            module = name.partition(":")[0]
            loaded = getattr(sys.modules.get(module), "__file__", None)
            source = source_of(module, self.bot.script, self.bot.path)
            if module != MAIN and loaded is not None and source is not None and Path(loaded) == source:
                message = f"Windtunnel runs on '{module}' itself; name the function of the bot that calls it"
                raise self.scenario.refusal(("bot", "cpu", name), message)

    def _refuse(self, error: WindtunnelError) -> NoReturn:
        (self.folder / "refused.txt").write_text(f"{error.exit_code}\n{error}")
        _leave(error.exit_code)

    def _surround(self) -> None:
        """Give the bot its process: files, environment, clocks, signals, modules, output."""
        cwd = self.folder / "cwd"
        cwd.mkdir()
        values = self.world.values
        for target, template in self.bot.files.items():
            path = cwd / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expand(Path(template).read_text(), values))
        environ = {name: expand(text, values) for name, text in self.bot.env.items()}
        self._arguments = [expand(text, values) for text in self.bot.args]
        log_file = (self.folder / "bot.log").open("ab", buffering=0)
        echo = os.fdopen(os.dup(2), "wb", buffering=0) if self.job.echo else None
        self.log = LogFile(log_file, self.machine.now_ns, self.redactor, echo)
        self.output = CapturedOutput(self.log, log_file.fileno())
        self.desk = SignalDesk(self.machine, self._on_default_disposition)
        self.sockets = ownership.own(self.baton, self.network, self.desk)
        ownership.own_exit(self._on_exit_at_once)
        self._own_loops()
        os.environ.clear()
        os.environ.update({"TZ": "UTC", "LANG": "C.UTF-8", "HOME": str(cwd), **environ})
        os.chdir(cwd)
        hooks = thirdparty.hooks(self.loop_class, self._say)
        hooks["pdb"] = lambda module: setattr(module, "set_trace", self.attendance.on_set_trace)
        sys.breakpointhook = self.attendance.on_breakpoint
        config = os.environ.get(coverage.VARIABLE)
        self.coverage = coverage.BotCoverage(config, self.job.harness_root) if config else None
        self.modules = HiddenModules(self.known_modules, hooks)
        self.modules.hide()
        sys.meta_path.insert(0, self.charges.finder())
        gc.collect()
        gc.freeze()

    def _watch(self) -> None:
        script, path = self.bot.script, self.bot.path
        self.places = Places(str(path if script is None or path in script.parents else script.parent))
        places = self.places
        self.work = WorkCounter(places.is_bots) if self.job.count_work else None
        self.charges.instruments.append(Preemption(self.baton, self.streams.stream("bot.threads"), places.is_bots))
        self.profile = CpuProfile(places.is_bots) if self.job.profile else None
        if self.profile is not None:
            self.charges.instruments.append(self.profile)
        self.findings = Findings(
            self.recorder, lambda: self.env.now, self.redactor.text, self.job.header["fingerprint"]["world"]["level"]
        )
        self.tasks = TaskProbe(self.recorder)
        self.locks = LockProbe(self.recorder, self.findings, self.places, self.baton, self.loops)
        self.leaks = LeakProbe(self.findings, self.places, self.tasks, self.locks, self.network)
        if self.job.probes:
            self.locks.install()
            self.leaks.install()
        self._attend()
        self.turns = TurnTrace(self.folder, lambda: self.env.now, self.places) if self.job.trace_turns else None
        if self.turns is not None:
            self.turns.install(self.baton)

    def _attend(self) -> None:
        """Let a person in, where there is a terminal."""
        job = self.job
        self.attendance = Attendance(self.findings, self.places)
        if job.terminal is not None:
            accepted = [each["id"] for each in job.header["known"]]
            self.attendance.open(
                job.terminal, self.baton, self._counters(),
                asked=job.debug, until=job.until, accepted=accepted, on_quit=self._on_quit,
            )  # fmt: skip

    def _counters(self) -> memoryview:
        return memoryview(self._shared)[:KEYS_AT].cast("Q")

    def _own_loops(self) -> None:
        """Make every way to an event loop lead to ours."""
        kind = self.attendance.loop_class if self.turns is None else TracedLoop
        self.loop_class = ownership.loop_class(kind, self.baton, self.network, self.desk, self._made_loop)
        ownership.own_loops(self.loop_class)

    def _made_loop(self, loop: SimLoop) -> None:
        """The bot made a loop."""
        if isinstance(loop, TracedLoop) and self.turns is not None:
            loop.turn_trace = self.turns
        loop._asyncgens = identity.OrderedGenerators(self.bot.set_order)  # type: ignore[attr-defined]
        loop.watched = self.job.probes
        loop.watch = self if self.job.probes else None
        self.loops.append(loop)

    def _schedule(self) -> None:
        duration_ns = self.scenario.duration
        self.env.at(duration_ns, self._stop, priority=MONITOR)
        self.env.at(duration_ns + self.bot.stop.grace, self._grace_over, priority=MONITOR)
        self.env.at(GC_EVERY_NS, self._collect, priority=FAULT)
        self.baton.on_first = self._look_at_threads

    def _look_at_threads(self) -> None:
        self.locks.look()
        self.env.after(LOOK_EVERY_NS, self._look_at_threads, priority=MONITOR)

    def _collect(self) -> None:
        gc.collect()
        self.env.after(GC_EVERY_NS, self._collect, priority=FAULT)

    # While it flies: the watch on its loops ---------------------------------------------------------------------

    def on_created(self, loop: SimLoop, task: Any) -> None:
        """A loop of the bot made a task."""
        self.tasks.on_created(loop, task)

    def on_done(self, loop: SimLoop, task: Any) -> None:
        """A task took its last step."""
        self.tasks.on_done(loop, task)

    def on_main_done(self, loop: SimLoop, main: asyncio.Future[Any]) -> None:
        """The main coroutine is over."""
        self.main_loop_done = True
        self.leaks.on_main_done(loop, main)

    def on_exception_context(self, loop: SimLoop, context: dict[str, Any]) -> None:
        """An error that nobody handled was reported to asyncio."""
        self.leaks.on_exception_context(loop, context)

    def _on_error(self, error: Exception, in_world: bool) -> None:
        """Something raised out of the bot's sight: a fault of ours ends the flight, whatever the bot would do of it."""
        if not self.ended and ending.is_own_fault(error, in_world, self.places):
            self._fail(error)

    def _on_refused(self, error: BoundaryError) -> None:
        place = self.places.of_frame(sys._getframe(2))
        self.findings.add(
            "boundary", str(error), place, about=error.api, detail={"api": error.api, "stack": error.stack}
        )

    def _on_unknown_host(self, host: str) -> None:
        place = self.places.of_frame(sys._getframe(2))
        title = f"unknown host {host}: add `hosts: {{{host}: ...}}` to the scenario"
        self.findings.add("boundary", title, place, about=host, gating=False, detail={"host": host})

    def _on_quit(self) -> None:
        """The person at the debugger has had enough; a bot that has ended is examined all the same."""
        if not self.returned:
            self._finish("interrupted", 130)

    def _say(self, text: str) -> None:
        self.log.line("sim", text.encode())
        self.recorder.note("said", "bot", text=text)

    # Ending -----------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        how = self.bot.stop.signal
        self.stopped_ns = self.env.now
        self.locks.look_at_the_stop()
        self.recorder.event("flight.stop", "bot", signal=how)
        ending.watch_new_work(how, self.world, self.network, self.findings)
        if self.restarts.down:  # there is nobody to tell
            self._on_default_disposition(signal.SIGKILL)
        if how == "cancel":
            for loop in self.loops:
                if loop.main is not None and not loop.main.done():
                    loop.arrive(loop.main.cancel)
            return
        self.desk.deliver(signal.Signals[how])

    def _on_default_disposition(self, number: int) -> None:
        """A signal without a handler ends the process where it stands: no `finally` runs, sockets are reset."""
        name = signal.Signals(number).name
        self.recorder.note("examined", "bot", leaks=f"skipped: {name} ended the process, which has no handler for it")
        if self.stopped_ns is None:
            self.findings.add(
                "crash",
                f"the bot ended itself with {name}",
                self.places.of_frame(sys._getframe()),
            )
            self._finish("crash", 128 + number)
        self._finish("terminated", 128 + number)

    def _on_exit_at_once(self, status: int) -> NoReturn:
        """`os._exit`: no `finally` runs, nothing is examined."""
        self.recorder.event("flight.returned", "bot", exit_code=status & 0xFF)
        self.recorder.note("examined", "bot", leaks="skipped: os._exit ended the process where it stood")
        if status & 0xFF:
            place = self.places.of_frame(sys._getframe(1))
            self.findings.add("crash", f"the bot ended itself with os._exit({status})", place, about="os._exit")
            self._finish("crash", status & 0xFF)
        self._finish("returned", 0)

    def _grace_over(self) -> None:
        for loop in self.loops:
            for task in self.tasks.pending(loop):
                place = self.places.of_task(task)
                self.findings.add(
                    "work_after_stop",
                    f"still running {self.bot.stop.grace // 10**6} ms after {self.bot.stop.signal}: {task.get_name()}",
                    place,
                    about=getattr(task.get_coro(), "__qualname__", ""),
                    detail={"stack": stack_of_task(task)},
                    at=self.places.frame_of_task(task),
                )
        place = self.places.of_frame(sys._getframe())
        if place.where is None or not any(self.tasks.pending(loop) for loop in self.loops):
            self.findings.add("work_after_stop", "still running when the grace period was over", place)
        self._finish("grace_over", 1)

    def _returned(self, outcome: Outcome) -> NoReturn:
        self.returned = True
        boundary.on_refused = None
        self.recorder.event("flight.returned", "bot", exit_code=outcome.exit_code)
        if self._is_crash(outcome):
            error = outcome.error
            place = self.leaks.place_of_error(error) if error is not None else Place(None, "exit", "bot")
            name = type(error).__name__ if error is not None else f"exit code {outcome.exit_code}"
            self.findings.add(
                "crash",
                f"the bot ended with {name}: {error}{ending.mend(error)}" if error else f"the bot ended with {name}",
                place,
                about=name,
                detail={"traceback": outcome.trace},
                at=error.__traceback__ if error is not None else None,
            )
            self._finish("crash", outcome.exit_code or 1)
        if self.job.probes:
            self.leaks.look(self.loops, self.sockets.loops())
        self._finish("returned", outcome.exit_code)

    def _is_crash(self, outcome: Outcome) -> bool:
        if outcome.exit_code == 0 or self.stopped_ns is None:
            return outcome.exit_code != 0
        how = self.bot.stop.signal
        if how == "SIGINT" and outcome.exit_code == 130:
            return False
        return not (how == "cancel" and isinstance(outcome.error, asyncio.CancelledError))

    def _finish(self, reason: str, exit_code: int) -> NoReturn:
        """Close the record and end the process; nothing of the bot runs any more."""
        self.ended = True
        boundary.on_refused = None
        recorder = self.recorder
        if self.turns is not None:
            self.turns.close()
        recorder.checkpoint()
        loops = [*self.restarts.buried, *self.loops]
        for index, loop in enumerate(loops):
            recorder.absorb(f"loop.{index}", loop.trace)
        recorder.absorb("network", self.network.trace)
        for stream in self.streams.drawn():
            recorder.absorb(f"draws.{stream.name}", stream.digest())
            recorder.note("stream", stream.name, count=stream.count, digest=stream.digest())
        recorder.absorb("end", f"{reason} {exit_code} {self.env.now}")
        if self.job.probes:
            self.tasks.finish()
            self.leaks.finish(recorder)
            turns = sum(loop.turns for loop in loops)
            for name, value in (
                ("loop.iterations", turns),
                ("loop.handles", sum(loop.handles for loop in loops)),
                ("loop.spin", sum(loop.spin_turns_avoided for loop in loops)),
            ):
                recorder.note("metric", name, value=value, type="counter")
        for meter in self.charges.meters.values():
            recorder.note(
                "metric", "cpu.charged", value=meter.charged_ns, type="counter", tags={"function": meter.name}
            )
        if self.work is not None:
            self.work.finish(recorder)
        if self.profile is not None:
            self.profile.finish(self.folder)
        recorder.note("digest", "", digest=recorder.digest())
        recorder.note("flight.end", "bot", reason=reason, exit_code=exit_code)
        recorder.close()
        self._close_output()
        if self.coverage is not None:
            self.coverage.finish()
        _leave(0)

    def _traces(self) -> dict[str, Any]:
        """Return what stands in a checkpoint beside the digest so far."""
        return {
            "loops": [loop.trace for loop in (*self.restarts.buried, *self.loops)],
            "network": self.network.trace,
            "draws": {stream.name: [stream.count, stream.digest()] for stream in self.streams.drawn()},
        }

    def _close_output(self) -> None:
        if hasattr(self, "output"):
            self.output.finish()

    # Real signals from the supervisor ---------------------------------------------------------------------------

    def _take_real_signals(self) -> None:
        signal.signal(RUNAWAY_SIGNAL, self._on_runaway)
        signal.signal(INTERRUPT_SIGNAL, self._on_interrupt)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _on_runaway(self, number: int, frame: FrameType | None) -> None:
        if self.ended:
            return
        busy = self.baton.current
        running = sys._current_frames().get(busy.ident) if busy is not None else frame
        stack = "".join(traceback.format_stack(running))
        self.findings.add(
            "stall",
            (self.folder / "runaway.txt").read_text(),
            self.places.of_frame(running),
            detail={"stack": stack, "reproducible": False},
        )
        self._finish("runaway", 1)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self.ended:
            self._finish("interrupted", 130)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
