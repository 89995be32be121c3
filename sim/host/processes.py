"""Processes of the bot: `ProcessPoolExecutor` is modelled on threads of the baton, every other one is refused."""

from __future__ import annotations

import asyncio
import logging
import pickle
import queue
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import local
from types import ModuleType
from typing import Any, NoReturn

from sim.host import machine as machines
from sim.host.boundary import fence, refuse
from sim.host.processor import COUNT
from sim.units import MS, US

START_NS = 20 * MS
"""Virtual time until a worker takes its first job: what starting an interpreter takes at least."""

PIPE_NS = 50 * US
"""Virtual time for a job on its way to a worker, and for its answer on the way back."""

_LOG = logging.getLogger("concurrent.futures")
_GONE = "A process in the process pool was terminated abruptly while the future was running or pending."
_NOT_INITIALISED = "A process in the process pool failed to initialize or was terminated abruptly."
_PROCESS = fence(
    "multiprocessing.Process.start", "a flight has one process: use concurrent.futures.ProcessPoolExecutor, or threads"
)


class Crew:
    """The workers of one `ProcessPoolExecutor`: threads that see of a job only what was pickled.

    Functions, arguments, results and exceptions are pickled and unpickled where stock Python does it, and fail with
    what it fails with. Not isolated: the globals of modules, class attributes, the environment, the process's id.

    Args:
        module: `concurrent.futures.process`.
        fork: whether workers would be forked: these get the initialiser as it is, others a pickle of it.
    """

    def __init__(
        self,
        module: Any,
        workers: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        fork: bool,
    ) -> None:
        self._module = module
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="Process")
        self._initializer = initializer
        self._initargs = initargs
        self._fork = fork
        self._started = local()
        self._broken = ""
        self._closed = False

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future[Any]:
        """Queue a job."""
        if self._broken:
            raise self._module.BrokenProcessPool(self._broken)
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if not self._fork:
            self._dump((self._initializer, self._initargs))
        done, job = _tried(self._dump, (function, args, kwargs))
        if not done:
            job.__cause__ = self._traceback_of(job)
            return self._threads.submit(_raise, job)
        return self._threads.submit(self._work, job)

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        """Take no more jobs."""
        self._closed = True
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _work(self, job: bytes) -> Any:
        self._start()
        _pass(PIPE_NS)
        function, args, kwargs = self._load(job)
        done, value = _tried(function, *args, **kwargs)
        pickled, answer = _tried(self._dump, (done, value if done else self._travelling(value)))
        if not pickled:
            answer = self._dump((False, self._travelling(answer)))
        _pass(PIPE_NS)
        done, value = self._load(answer)
        if done:
            return value
        raise value

    def _start(self) -> None:
        """Begin as a new process would, once for each worker."""
        if self._broken:
            raise self._module.BrokenProcessPool(self._broken)
        if getattr(self._started, "yet", False):
            return
        self._started.yet = True
        _pass(START_NS)
        if self._initializer is None:
            return
        function, args = self._initializer, self._initargs
        if not self._fork:
            function, args = pickle.loads(self._dump((function, args)))  # noqa: S301 - our own pickle
        done, error = _tried(function, *args)
        if not done:
            _LOG.critical("Exception in initializer:", exc_info=error)
            self._broken = _NOT_INITIALISED
            raise self._module.BrokenProcessPool(self._broken)

    def _travelling(self, error: BaseException) -> Any:
        return self._module._ExceptionWithTraceback(error, error.__traceback__)

    def _traceback_of(self, error: BaseException) -> Any:
        trace = "".join(traceback.format_exception(error))
        return self._module._RemoteTraceback(f'\n"""\n{trace}"""')

    def _dump(self, value: object) -> bytes:
        return bytes(self._module.mp.context.reduction.ForkingPickler.dumps(value))

    def _load(self, data: bytes) -> Any:
        done, value = _tried(pickle.loads, data)
        if not done:
            self._broken = _GONE
            raise self._module.BrokenProcessPool(_GONE) from self._traceback_of(value)
        return value


def take_over_process_pool(module: ModuleType, loop_class: type[asyncio.AbstractEventLoop], say: object) -> None:
    """Run jobs of `ProcessPoolExecutor` on threads, with copies of what would be pickled."""

    def init(
        self: Any,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        multiprocessing: Any = module.__dict__["mp"]
        context = mp_context or multiprocessing.get_context("spawn" if max_tasks_per_child is not None else None)
        fork = context.get_start_method(allow_none=False) == "fork"
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
            if fork:
                raise ValueError(
                    "max_tasks_per_child is incompatible with the 'fork' multiprocessing start method; supply a "
                    "different mp_context."
                )
        self._max_workers = COUNT if max_workers is None else max_workers
        self._crew = Crew(module, self._max_workers, initializer, initargs, fork)

    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._crew.submit(fn, args, kwargs)

    def shutdown(self: Any, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._crew.shutdown(wait, cancel_futures)

    pool: Any = module.__dict__["ProcessPoolExecutor"]
    for name, function in (("__init__", init), ("submit", submit), ("shutdown", shutdown)):
        setattr(pool, name, function)


def refuse_processes(module: ModuleType, loop_class: type[asyncio.AbstractEventLoop], say: object) -> None:
    """Refuse to start a process."""

    def start(self: object) -> NoReturn:
        refuse(_PROCESS)

    module.__dict__["BaseProcess"].start = start


class _NoProcesses:
    """What `multiprocessing.pool.ThreadPool` asks of a context: a queue, which for processes would be a real pipe."""

    def SimpleQueue(self) -> Any:  # noqa: N802 - its name in multiprocessing
        made: Any = queue.SimpleQueue()
        made._reader = None
        return made


def take_over_thread_pool(module: ModuleType, loop_class: type[asyncio.AbstractEventLoop], say: object) -> None:
    """Let `ThreadPool` tell its threads of changes through a queue between threads."""
    pool, of_processes = module.__dict__["ThreadPool"], module.__dict__["Pool"]

    def init(
        self: Any,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        of_processes.__init__(self, processes, initializer, initargs, context=_NoProcesses())

    def wait_for_updates(sentinels: object, change_notifier: Any, timeout: float | None = None) -> None:
        change_notifier.get()

    pool.__init__ = init
    of_processes._wait_for_updates = staticmethod(wait_for_updates)


def _pass(duration_ns: int) -> None:
    baton = machines.running.baton
    assert baton is not None
    baton.sleep(duration_ns)


def _tried(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[bool, Any]:
    """Call *function* as a process of its own would: whatever it raises is an answer, too."""
    try:
        return True, function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - the last resort of a worker
        return False, error


def _raise(error: BaseException) -> NoReturn:
    raise error
