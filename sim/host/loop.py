"""An asyncio loop whose clock and poll are a SimPy environment, and whose turn is the stock `_run_once`."""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio import base_events, events
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop
from types import FunctionType
from typing import Any, ClassVar, Protocol

from sim.host import machine as machines
from sim.host import spin as spins
from sim.host.clock import LOOP, Call
from sim.host.dialing import Dialing
from sim.host.machine import Machine
from sim.host.net import Network
from sim.host.signals import SignalDesk
from sim.host.spin import HANDLES_MAX, STEP, Spin
from sim.host.tasks import SimFuture, SimTask
from sim.host.threads import Baton, Waiter

_set_running_loop = events._set_running_loop
_get_running_loop = events._get_running_loop


class LoopWatch(Protocol):
    """Who is told what happens on a loop of the bot."""

    def on_created(self, loop: SimLoop, task: SimTask) -> None:
        """A task was made."""
        ...

    def on_done(self, loop: SimLoop, task: SimTask) -> None:
        """A task took its last step, in the turn before this one."""
        ...

    def on_main_done(self, loop: SimLoop, main: asyncio.Future[Any]) -> None:
        """The future given to the first `run_until_complete` is done."""
        ...

    def on_exception_context(self, loop: SimLoop, context: dict[str, Any]) -> None:
        """Asyncio's exception handler is about to be called."""
        ...


class SimLoop(Dialing):
    """Stock asyncio on virtual time.

    Ready queue, timer heap, batch rule, debug mode and asyncgen shutdown are the interpreter's own code. What is
    replaced: the clock (`time`), the poll (nothing to poll: arrivals are events of the environment that enqueue a
    callback), and how a turn is started (a *pump* event in place of a blocking select).

    Args:
        machine: the host it runs on; its cost model charges each turn.
        network: what its connections go through.
        signals: the process's signal dispositions, for a loop of the bot.
    """

    of_world: ClassVar[bool] = False

    # Slots because an object with more than 30 attributes in its dictionary is slower to read, stock's included.
    __slots__ = (
        "_base_ns", "_eager_factory", "_free_at_ns", "_idle", "_labels", "_last_turn_done", "_orders", "_pump_at",
        "_pumping", "_read_ns", "_resting", "_running", "_selector", "_stepped", "_turn_handles", "activity", "env",
        "handles", "machine", "main", "network", "signals", "spin", "trace", "tracing", "turns", "watch", "watched",
    )  # fmt: skip

    def __init__(self, machine: Machine, network: Network | None = None, signals: SignalDesk | None = None) -> None:
        super().__init__()
        self._clock_resolution = 1e-9
        self.machine = machine
        self.network = network
        self.signals = signals
        self.env = machine.env
        self._base_ns = machine.monotonic_base_ns
        self._read_ns = machine.cost.clock_read_ns
        self._selector = self
        self._pump_at: tuple[int, Call] | None = None
        self._resting: tuple[int, int] | None = None  # when the turn of a poll began, and what it would have cost
        self._running = False
        self._pumping = False
        self._last_turn_done = False
        self._idle: Waiter | None = None
        self._free_at_ns = 0
        self._orders = 0
        self._labels: dict[str, int] = {}
        self._stepped: list[SimTask] = []
        self._turn_handles = 0
        self._eager_factory: Any = None
        self.spin = Spin()
        self.activity = 0
        self.turns = 0
        self.handles = 0
        self.trace = 0
        self.tracing = True
        self.watched = False
        self.watch: LoopWatch | None = None
        self.main: asyncio.Future[Any] | None = None

    # Clock and poll ---------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the monotonic clock in seconds; each reading costs virtual time."""
        machine = self.machine
        debt_ns = machine.debt_ns = machine.debt_ns + self._read_ns
        return (self._base_ns + self.env._now + debt_ns) / 1e9

    def select(self, timeout: float | None) -> tuple[()]:
        """Stand in for a selector: arrivals are already in the ready queue, so only the turn is noted."""
        if self._scheduled:
            self._take_due_timers()
        env, ready = self.env, self._ready
        n = self._turn_handles = len(ready)
        turns = self.turns = self.turns + 1
        self.handles += n
        pulse = env.pulse
        if pulse is not None:  # as `env.beat()`, without reading
            pulse[0] = env._now
            pulse[1] = turns
        if self._stepped:
            self._note_done()
        if self.tracing:
            if n == 1:  # the same hash; most turns hold one callback
                self.trace = hash((self.trace, env._now, self._label(ready[0])))
            else:
                self.trace = hash((self.trace, env._now, *map(self._label, ready)))
        spin, activity = self.spin, self.activity
        if activity != spin.activity:
            spin.activity = activity
            if spin.repeats:
                spin.reset(activity)
        elif 0 < n <= HANDLES_MAX and type(ready[0]._callback) is STEP:
            spin.look(ready, activity)
        elif spin.repeats:
            spin.reset(activity)
        return ()

    def _take_due_timers(self) -> None:
        """Move due timers to the ready queue, as `_run_once` is about to, so that the turn is seen whole."""
        machine, scheduled, ready = self.machine, self._scheduled, self._ready
        now_ns = self.env._now + machine.debt_ns + self._read_ns
        end = (self._base_ns + now_ns) / 1e9 + self._clock_resolution
        while scheduled and scheduled[0]._when < end:
            handle = heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)

    def _note_done(self) -> None:
        stepped, self._stepped = self._stepped, []
        watch = self.watch
        if watch is not None:
            for task in stepped:
                if task.done():
                    watch.on_done(self, task)

    def _label(self, handle: events.Handle) -> int:
        callback: Any = handle._callback
        if type(callback) is FunctionType:
            name = callback.__qualname__
        else:
            owner = getattr(callback, "__self__", None)
            if type(owner) is SimTask:
                if self.watched:
                    self._stepped.append(owner)
                return owner._order
            name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
        try:
            return self._labels[name]
        except KeyError:
            label = self._labels[name] = -2 - len(self._labels)
            return label

    def _process_events(self, event_list: object) -> None:
        """There are no events of file descriptors."""

    def _write_to_self(self) -> None:
        """Wake the loop, as a byte on the self-pipe would."""
        self._wake()

    # Starting turns ---------------------------------------------------------------------------------------------

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule *callback* and wake the loop; a thread that worked without waiting comes when that work is over."""
        if self.machine.baton is not None:
            self.machine.baton.catch_up()
        return super().call_soon_threadsafe(callback, *args, context=context)

    def arrive(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> None:
        """Enqueue a callback for something that came from outside: a packet, a signal, a finished job."""
        self.activity += 1
        self._ready.append(events.Handle(callback, args, self, context))
        self._wake()

    def _wake(self) -> None:
        if self._running and not self._pumping:
            self._arm(max(self.machine.now_ns(), self._free_at_ns))

    def _rearm(self) -> None:
        """Arm the next turn after one has ended, or at the start."""
        if self._ready or self._stopping:
            self._wake()
            return
        timer = self._next_timer()
        if timer is not None and self._running:
            self._arm(max(self._due_ns(timer._when), self._free_at_ns, self.env._now))

    def _arm(self, t_ns: int) -> None:
        armed = self._pump_at
        if armed is not None:
            if armed[0] <= t_ns:
                return
            armed[1].cancel()
        self._pump_at = (t_ns, self.env.at(t_ns, self._pump, priority=LOOP))

    def _due_ns(self, when: float) -> int:
        return round(when * 1e9) - self._base_ns

    def _next_timer(self) -> asyncio.TimerHandle | None:
        """Return the earliest timer that is not cancelled.

        Those before it leave the heap as `_run_once` would make them leave: how it does that decides later ties.
        """
        scheduled: Any = self._scheduled  # type: ignore[has-type]
        if scheduled and scheduled[0]._cancelled:
            count = len(scheduled)
            if (
                count > base_events._MIN_SCHEDULED_TIMER_HANDLES
                and self._timer_cancelled_count / count  # type: ignore[has-type]
                > base_events._MIN_CANCELLED_TIMER_HANDLES_FRACTION
            ):
                for handle in scheduled:
                    handle._scheduled = not handle._cancelled
                scheduled = self._scheduled = [handle for handle in scheduled if not handle._cancelled]
                heapify(scheduled)
                self._timer_cancelled_count = 0
            else:
                while scheduled and scheduled[0]._cancelled:
                    self._timer_cancelled_count -= 1
                    heappop(scheduled)._scheduled = False
        return scheduled[0] if scheduled else None

    def _come_to_timer(self) -> bool:
        """Say whether a timer is due; the clock is moved to the next one if nothing else happens before."""
        timer = self._next_timer() if self._scheduled else None
        if timer is None:
            return False
        env, due_ns = self.env, self._due_ns(timer._when)
        if due_ns > env._now:
            queue = env._queue
            if queue and due_ns >= queue[0][0]:
                return False
            env._now = due_ns
        return True

    # Turning ----------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        self._pump_at = None
        if self._resting is not None:
            self._rested()
        if not self._running or self._pumping:
            return
        idle, self._idle = self._idle, None
        if idle is not None:
            assert self.machine.baton is not None
            self.machine.baton.hand_over(idle)
        else:
            self._turn_until_idle()

    def _turn_until_idle(self) -> None:
        """Take turns until nothing is ready or something else of the environment is due."""
        env, machine, spin, queue = self.env, self.machine, self.spin, self.env._queue
        if machine.resting:
            machine.stir()
        iteration_ns, handle_ns, repeats_max = machine.cost.iteration_ns, machine.cost.handle_ns, spins.REPEATS
        outer, outer_machine = _get_running_loop(), machines.running
        _set_running_loop(self)
        machines.running = machine
        self._pumping = True
        end_ns = env._now
        try:
            while self._ready or self._stopping or self._come_to_timer():
                self._run_once()
                end_ns = env._now + machine.debt_ns + iteration_ns + self._turn_handles * handle_ns
                machine.debt_ns = 0
                if self._stopping:
                    self._last_turn_done = True
                    break
                if spin.repeats > repeats_max and spin.goes_on(self._ready, self.activity):
                    end_ns = self._stretched(end_ns)
                    if self._resting is not None:
                        break
                if queue and end_ns >= queue[0][0]:
                    break
                env._now = end_ns
        finally:
            self._pumping = False
            self._free_at_ns = end_ns
            machines.running = outer_machine
            _set_running_loop(outer)
        if not self._stopping and self._resting is None:
            self._rearm()

    def _stretched(self, end_ns: int) -> int:
        """Return when a turn of a poll ends that would end at *end_ns*.

        If something of the environment is due before, the loop rests, free to turn from *end_ns* on: whatever the poll
        could notice wakes it.
        """
        cost = self.machine.cost
        cost_ns = cost.iteration_ns + self._turn_handles * cost.handle_ns
        start_ns = end_ns - cost_ns
        timer = self._next_timer() if self._scheduled else None
        limit_ns = self._due_ns(timer._when) - start_ns if timer is not None else None
        clock_read = start_ns - self.env._now > cost.clock_read_ns  # `_run_once` reads it once itself
        late_ns = start_ns + self.spin.stretched(cost_ns, limit_ns, clock_read)
        queue = self.env._queue
        if queue and late_ns >= queue[0][0]:
            self._resting = start_ns, cost_ns
            self.machine.resting.append(self)
            self._arm(late_ns)
            return end_ns
        self.spin.turns_avoided += (late_ns - start_ns) // cost_ns - 1
        return late_ns

    def look_again(self) -> None:
        """End a turn of a poll that was made longer: other code of this machine runs."""
        self._wake()

    def _rested(self) -> None:
        """Count what a long turn of a poll stood for, now that it is over."""
        assert self._resting is not None
        start_ns, cost_ns = self._resting
        self._resting = None
        self.machine.resting.remove(self)
        self.spin.turns_avoided += max((self.env._now - start_ns) // cost_ns - 1, 0)

    @property
    def spin_turns_avoided(self) -> int:
        """Return how many turns of polls were not taken, because longer ones stood for them."""
        return self.spin.turns_avoided

    def stop(self) -> None:
        """Stop after the turn that is running, or after the next one."""
        super().stop()
        self._wake()

    # Tasks ------------------------------------------------------------------------------------------------------

    def next_order(self) -> int:
        """Return the next number for a task or future of this loop."""
        self._orders += 1
        return self._orders

    def create_future(self) -> SimFuture:
        """Create a future of this loop."""
        return SimFuture(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **kwargs: Any) -> Any:
        """Schedule a coroutine as a task whose hash does not depend on its address."""
        self._check_closed()
        self.activity += 1
        if self._task_factory is not None:
            task: Any = super().create_task(coro, name=name, context=context, **kwargs)
        else:
            task = SimTask(coro, loop=self, name=name, context=context, **kwargs)
            if task._source_traceback:
                del task._source_traceback[-1]
        if self.watch is not None:
            self.watch.on_created(self, task)
            if task.done():  # an eager task that never waited
                self.watch.on_done(self, task)
        return task

    def set_task_factory(self, factory: Any) -> None:
        """Set what makes tasks, as stock asyncio does; its own eager factory makes tasks of ours."""
        super().set_task_factory(factory)
        if factory is not None and factory is getattr(asyncio, "eager_task_factory", None):
            self._task_factory = asyncio.create_eager_task_factory(SimTask)
            self._eager_factory = self._task_factory

    def get_task_factory(self) -> Any:
        """Return what `set_task_factory` was given."""
        if self._task_factory is not None and self._task_factory is self._eager_factory:
            return asyncio.eager_task_factory
        return super().get_task_factory()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell of what may be a fault of ours, and tell the watch; then do what stock asyncio does."""
        error = context.get("exception")
        if self.env.on_error is not None and isinstance(error, Exception):
            self.env.on_error(error, self.of_world)
        if self.watch is not None:
            self.watch.on_exception_context(self, context)
        super().call_exception_handler(context)

    # Running ----------------------------------------------------------------------------------------------------

    def run_until_complete(self, future: Any) -> Any:
        """Run until *future* is done; the first one is the program's main coroutine on this loop."""
        self._check_closed()
        self._check_running()
        if self.main is not None:
            return super().run_until_complete(future)
        main: asyncio.Future[Any] = future
        ours = not asyncio.isfuture(future)
        if ours:
            main = asyncio.ensure_future(future, loop=self)
            main._log_destroy_pending = False
        self.main = main
        try:
            return super().run_until_complete(main)
        except BaseException:
            if ours and main.done() and not main.cancelled():
                main.exception()  # what it raised is raised here, so nobody shall be told that it got lost
            raise
        finally:
            self._note_done()
            if self.watch is not None and main.done():
                self.watch.on_main_done(self, main)

    def run_forever(self) -> None:
        """Run until `stop`; the world runs along, since both wait on one environment."""
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        old_hooks = sys.get_asyncgen_hooks()
        baton = self.machine.baton
        try:
            self._thread_id: int | None = threading.get_ident()
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            _set_running_loop(self)
            self._running = True
            self._free_at_ns = max(self._free_at_ns, self.machine.settle_ns())
            self._rearm()
            self._last_turn_done = False
            while not self._last_turn_done:
                if baton is None or baton.current is None:
                    self.env.step()
                else:
                    self._wait_on_thread(baton)
        finally:
            self._running = False
            self._stopping = False
            self._idle = None
            self._thread_id = None
            _set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*old_hooks)

    def _wait_on_thread(self, baton: Baton) -> None:
        """Wait for the next turn on a thread of the bot's, which does not drive the environment, and take it."""

        def wait(waiter: Waiter) -> None:
            self._idle = waiter

        baton.block("the next turn of its loop", None, wait)
        self._turn_until_idle()

    def close(self) -> None:
        """Close the loop as stock asyncio does; its signal handlers go with it."""
        super().close()
        if self.signals is not None:
            self.signals.forget(self)
