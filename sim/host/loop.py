"""An asyncio loop whose clock and poll are a SimPy environment, and whose turn is the stock `_run_once`."""

from __future__ import annotations

import asyncio
import threading
from asyncio import base_events, events
from collections.abc import Callable
from contextvars import Context
from itertools import count
from typing import Any, Protocol

from sim.host import machine as machines
from sim.host.clock import LOOP, Call
from sim.host.dialing import Dialing
from sim.host.machine import Machine
from sim.host.net import Network
from sim.host.signals import SignalDesk

_set_running_loop = events._set_running_loop
_get_running_loop = events._get_running_loop

SPIN_REPEATS = 8
"""Equal turns without an effect after which the time charged per turn begins to double."""

SPIN_HANDLES_MAX = 8
"""Turns of more callbacks than this are never taken for a spin."""


class SimTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose hash is its place in the order of first hashing, so that sets of tasks iterate alike everywhere."""

    __slots__ = ("_order",)
    _orders = count(1)

    def __hash__(self) -> int:
        try:
            return self._order
        except AttributeError:
            self._order: int = next(SimTask._orders)
            return self._order

    def __eq__(self, other: object) -> bool:
        return self is other


class SimFuture(asyncio.Future):  # type: ignore[type-arg]
    """A future with the same hash rule as `SimTask`."""

    __slots__ = ("_order",)

    def __hash__(self) -> int:
        try:
            return self._order
        except AttributeError:
            self._order: int = next(SimTask._orders)
            return self._order

    def __eq__(self, other: object) -> bool:
        return self is other


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
        """asyncio's exception handler is about to be called."""
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

    def __init__(self, machine: Machine, network: Network | None = None, signals: SignalDesk | None = None) -> None:
        super().__init__()
        self._clock_resolution = 1e-9
        self.machine = machine
        self.network = network
        self.env = machine.env
        self._base_ns = machine.monotonic_base_ns
        self._selector = self
        self._pump_at: tuple[int, Call] | None = None
        self._running = False
        self._pumping = False
        self._last_turn_done = False
        self._free_at_ns = 0
        self.activity = 0
        self.turns = 0
        self.trace = 0
        self.tracing = True
        self.spin_turns_avoided = 0
        self._spin_key: tuple[object, ...] | None = None
        self._spin_repeats = 0
        self._spin_activity = -1
        self._turn_handles = 0
        self._labels: dict[str, int] = {}
        self.signals = signals
        self.watched = False
        self.watch: LoopWatch | None = None
        self.main: asyncio.Future[Any] | None = None
        self._stepped: list[SimTask] = []
        self.handles = 0

    # Clock and poll ---------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the monotonic clock in seconds; each reading costs virtual time."""
        machine = self.machine
        machine.debt_ns += machine.cost.clock_read_ns
        return (self._base_ns + self.env._now + machine.debt_ns) / 1e9

    def select(self, timeout: float | None) -> tuple[()]:
        """Stand in for a selector: arrivals are already in the ready queue, so only the turn is noted."""
        ready = self._ready
        n = self._turn_handles = len(ready)
        self.turns += 1
        self.handles += n
        self.env.beat()
        if self._stepped:
            self._note_done()
        if self.tracing:
            self.trace = hash((self.trace, self.env._now, *[self._label(handle._callback) for handle in ready]))
        if n <= SPIN_HANDLES_MAX and self.activity == self._spin_activity:
            key = tuple([getattr(handle._callback, "__self__", handle._callback) for handle in ready])
            self._spin_repeats = self._spin_repeats + 1 if key == self._spin_key else 0
            self._spin_key = key
        else:
            self._spin_activity = self.activity
            self._spin_repeats = 0
            self._spin_key = None
        return ()

    def _note_done(self) -> None:
        stepped, self._stepped = self._stepped, []
        watch = self.watch
        if watch is not None:
            for task in stepped:
                if task.done():
                    watch.on_done(self, task)

    def _label(self, callback: Any) -> int:
        owner = getattr(callback, "__self__", None)
        if type(owner) is SimTask:
            if self.watched:
                self._stepped.append(owner)
            return hash(owner)
        name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
        label = self._labels.get(name)
        if label is None:
            label = self._labels[name] = -2 - len(self._labels)
        return label

    def _process_events(self, event_list: object) -> None:
        """There are no events of file descriptors."""

    def _write_to_self(self) -> None:
        """Wake the loop, as a byte on the self-pipe would."""
        self._wake()

    # Starting turns ---------------------------------------------------------------------------------------------

    def _call_soon(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> events.Handle:
        handle = events.Handle(callback, args, self, context)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        self._ready.append(handle)
        if not self._pumping:
            self._wake()
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule *callback* at *when* on this loop's clock, as stock asyncio does."""
        timer = super().call_at(when, callback, *args, context=context)
        self.activity += 1
        if not self._pumping:
            self._arm_timer()
        return timer

    def arrive(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> None:
        """Enqueue a callback for something that came from outside: a packet, a signal, a finished job."""
        self.activity += 1
        self._ready.append(events.Handle(callback, args, self, context))
        if not self._pumping:
            self._wake()

    def start_serving(self) -> None:
        """Let this loop run whenever the environment does, without `run_forever` (the world's loop)."""
        self._running = True
        self._wake()

    def _wake(self) -> None:
        if self._running:
            self._arm(max(self.env._now, self._free_at_ns))

    def _arm_timer(self) -> None:
        if self._running and self._scheduled:
            when = self._scheduled[0]._when
            self._arm(max(self._due_ns(when), self._free_at_ns, self.env._now))

    def _arm(self, t_ns: int) -> None:
        armed = self._pump_at
        if armed is not None:
            if armed[0] <= t_ns:
                return
            armed[1].cancel()
        self._pump_at = (t_ns, self.env.at(t_ns, self._pump, priority=LOOP))

    def _due_ns(self, when: float) -> int:
        whole, fraction = divmod(when, 1.0)
        return int(whole) * 1_000_000_000 + round(fraction * 1e9) - self._base_ns

    def _pump(self) -> None:
        self._pump_at = None
        if not self._running or self._pumping:
            return
        self._run_on_this_thread()

    def _run_on_this_thread(self) -> None:
        env, machine, cost = self.env, self.machine, self.machine.cost
        outer, outer_machine = _get_running_loop(), machines.running
        _set_running_loop(self)
        machines.running = machine
        self._pumping = True
        try:
            while self._ready or self._stopping or self._timer_due():
                self._run_once()
                end_ns = machine.settle_ns() + self._turn_cost_ns(cost.iteration_ns, cost.handle_ns)
                self._free_at_ns = end_ns
                if self._stopping:
                    self._last_turn_done = True
                    break
                if end_ns >= env.peek():
                    break
                env._now = end_ns
        finally:
            self._pumping = False
            machines.running = outer_machine
            _set_running_loop(outer)
        if not self._stopping:
            if self._ready:
                self._wake()
            else:
                self._arm_timer()

    def _timer_due(self) -> bool:
        scheduled = self._scheduled
        return bool(scheduled) and self._due_ns(scheduled[0]._when) <= self.env._now

    def _turn_cost_ns(self, iteration_ns: int, handle_ns: int) -> int:
        cost_ns = iteration_ns + self._turn_handles * handle_ns
        doublings = self._spin_repeats - SPIN_REPEATS
        if doublings < 0 or not cost_ns:
            return cost_ns
        limit_ns = int(min(self.env.peek(), self._head_due_ns())) - self.env._now
        jump_ns = max(cost_ns, min(cost_ns << min(doublings, 40), limit_ns))
        self.spin_turns_avoided += jump_ns // cost_ns - 1
        return jump_ns

    def _head_due_ns(self) -> float:
        return self._due_ns(self._scheduled[0]._when) if self._scheduled else float("inf")

    def stop(self) -> None:
        """Stop after the turn that is running, or after the next one."""
        super().stop()
        if not self._pumping:
            self._wake()

    # Tasks ------------------------------------------------------------------------------------------------------

    def create_future(self) -> SimFuture:
        """Create a future of this loop."""
        return SimFuture(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **kwargs: Any) -> Any:
        """Schedule a coroutine as a task whose hash does not depend on its address."""
        self._check_closed()
        self.activity += 1
        if self._task_factory is not None:
            return super().create_task(coro, name=name, context=context, **kwargs)
        task = SimTask(coro, loop=self, name=name, context=context, **kwargs)
        if task._source_traceback:
            del task._source_traceback[-1]
        if self.watch is not None:
            self.watch.on_created(self, task)
        return task

    def run_until_complete(self, future: Any) -> Any:
        """Run until *future* is done; the first one is the program's main coroutine on this loop."""
        if self.main is not None:
            return super().run_until_complete(future)
        if not asyncio.isfuture(future):
            future = asyncio.ensure_future(future, loop=self)
            future._log_destroy_pending = False
        self.main = future
        try:
            return super().run_until_complete(future)
        finally:
            self._note_done()
            if self.watch is not None and future.done():
                self.watch.on_main_done(self, future)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell the watch, then do what stock asyncio does."""
        if self.watch is not None:
            self.watch.on_exception_context(self, context)
        super().call_exception_handler(context)

    # Running ----------------------------------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until `stop`; the world runs along, since both wait on one environment."""
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        old_hooks = base_events.sys.get_asyncgen_hooks()
        env = self.env
        try:
            self._thread_id = threading.get_ident()
            base_events.sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
            )
            _set_running_loop(self)
            self._running = True
            self._free_at_ns = max(self._free_at_ns, self.machine.settle_ns())
            if self._ready or self._stopping:
                self._wake()
            else:
                self._arm_timer()
            self._last_turn_done = False
            while not self._last_turn_done:
                env.step()
        finally:
            self._running = False
            self._stopping = False
            self._thread_id = None
            _set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            base_events.sys.set_asyncgen_hooks(*old_hooks)
