"""What the bot left behind when it had returned."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterable
from typing import Any

from sim.host.loop import SimLoop
from sim.host.net import Network
from sim.host.sockets import SimSocket
from sim.host.transport import SimTransport
from sim.probe.findings import Findings
from sim.probe.locks import LockProbe
from sim.probe.place import Place, Places, stack_of_task
from sim.probe.tasks import TaskProbe
from sim.record import Recorder


class LeakProbe:
    """Looks twice: when the main coroutine has returned (tasks), and when the program has ended (the rest)."""

    def __init__(
        self, findings: Findings, places: Places, tasks: TaskProbe, locks: LockProbe, network: Network
    ) -> None:
        self._findings = findings
        self._places = places
        self._tasks = tasks
        self._locks = locks
        self._network = network
        self._leaked_tasks: int | None = None
        self._dialed: dict[int, Place] = {}  # who connected a blocking socket, by the connection's number

    def install(self) -> None:
        """Note who connects blocking sockets, from now on and for good."""
        real_connect, probe = SimSocket.connect, self

        def connect(sock: SimSocket, address: Any) -> None:
            real_connect(sock, address)
            probe._dialed[sock._connected().connection.number] = probe._places.of_caller(sys._getframe(1))  # noqa: SLF001

        connect.__name__ = "connect"
        connect.__doc__ = real_connect.__doc__
        SimSocket.connect = connect  # type: ignore[method-assign, assignment]

    def on_main_done(self, loop: SimLoop, main: asyncio.Future[Any]) -> None:
        """The coroutine given to `asyncio.run` is over; what it started should be, too."""
        left = [task for task in self._tasks.pending(loop) if task is not main]
        self._leaked_tasks = (self._leaked_tasks or 0) + len(left)
        for task in left:
            place = self._places.of_task(task)
            title = f"task {_shown(task)} was still running when the main coroutine returned"
            self._findings.add(
                "leaked_task",
                title,
                place,
                about=_coroutine_name(task),
                detail={"task": task.get_name(), "stack": stack_of_task(task)},
                at=self._places.frame_of_task(task),
            )
        for name, place in self._locks.held():
            self._findings.add(
                "leaked_lock", f"lock {name} was still held when the main coroutine returned", place, about=name
            )

    def on_exception_context(self, loop: SimLoop, context: dict[str, Any]) -> None:
        """Asyncio was told of something that nobody handled."""
        message = str(context.get("message", ""))
        if "client_session" in context:
            self._add_session(message)
        elif "connector" in context or message.startswith(("Task was destroyed", "Unclosed connection")):
            return  # these come with a session or a task that is named already
        else:
            task = context.get("task") or context.get("future")
            place = self.place_of_error(context.get("exception"), task)
            error = context.get("exception")
            title = f"{message}: {type(error).__name__}: {error}" if error is not None else message
            trace = error.__traceback__ if error is not None else None
            self._findings.add("unretrieved_exception", title, place, about=message, gating=_gates(place), at=trace)

    def finish(self, recorder: Recorder) -> None:
        """Write how many tasks were left; findings name each place once, however many were left there."""
        if self._leaked_tasks is not None:
            recorder.note("metric", "leaked.tasks", value=self._leaked_tasks, type="counter")

    def look(self, loops: Iterable[SimLoop], kernel: Iterable[SimLoop]) -> None:
        """The program has ended: name what is still open.

        Args:
            kernel: the loop behind blocking sockets; what such a socket's owner closed is not open.
        """
        gc.collect()
        for transport in self._network.open_from(loops):
            self._add_socket(transport, Place(None, "", "bot"))
        for transport in self._network.open_from(kernel):
            if not transport.is_closing():
                self._add_socket(transport, self._dialed.get(transport.connection.number, Place(None, "", "bot")))
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon and not _is_pool_worker(thread):
                code = getattr(getattr(thread, "_target", None), "__code__", None)
                place = Place(None, thread.name, "bot")
                if code is not None and not self._places.is_ours(code.co_filename):  # not our own `time.sleep`
                    place = self._places.of_code(code)
                self._findings.add("leaked_thread", f"thread {thread.name} was still alive", place, about=thread.name)
        for name, place in self._locks.held_by_nobody_alive():
            title = f"lock {name} was still held when the program had ended, by nobody who could release it"
            self._findings.add("leaked_lock", title, place, about=name)
        self._look_at_executors()

    def _look_at_executors(self) -> None:
        """Name pools that nobody shut down; one whose workers are idle ends with the interpreter and does not gate."""
        for executor, place in self._locks.graph.executors.items():
            left = self._locks.graph.left_of(executor)
            if left is None:
                continue
            workers, jobs = left
            title = f"an executor was never shut down (threads: {workers}, jobs not done: {jobs})"
            gating = jobs > 0 and place.origin == "bot"
            detail = {"workers": workers, "jobs": jobs}
            self._findings.add("leaked_executor", title, place, gating=gating, detail=detail)

    def _add_socket(self, transport: SimTransport, dialed: Place) -> None:
        """Name an open connection; one that a library keeps does not gate: the bot may have no handle on it."""
        peer = self._network.by_ip[transport.get_extra_info("peername")[0]].name
        place = Place(dialed.where, f"connection to {peer}", dialed.origin)
        title = f"connection to {peer} was still open when the program had ended"
        self._findings.add("leaked_socket", title, place, about=peer, gating=dialed.origin == "bot")

    def _add_session(self, message: str) -> None:
        place = Place(None, "client session", "bot")
        self._findings.add("leaked_session", message or "Unclosed client session", place, about="aiohttp.ClientSession")

    def place_of_error(self, error: BaseException | None, task: Any = None) -> Place:
        """Return where *error* was raised, in the bot's code if it passed there; else where *task* stands."""
        trace = error.__traceback__ if error is not None else None
        found: Place | None = None
        while trace is not None:
            place = self._places.of_code(trace.tb_frame.f_code, trace.tb_lineno)
            if place.origin == "bot" or found is None:
                found = place
            trace = trace.tb_next
        if found is not None:
            return found
        return self._places.of_task(task) if isinstance(task, asyncio.Task) else Place(None, "", "bot")


def _gates(place: Place) -> bool:
    return place.origin != "harness"


def _is_pool_worker(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", "") == "concurrent.futures.thread"


def _coroutine_name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "task")


def _shown(task: asyncio.Task[Any]) -> str:
    return f"{task.get_name()} ({_coroutine_name(task)})"
