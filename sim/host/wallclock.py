"""Every clock that Python code can read, answered from virtual time."""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from sim.host import machine as machines
from sim.host.boundary import fence, refuse
from sim.host.takeover import REFUSED, Row, note, replace_all_aliases, take_over
from sim.host.threads import Baton

_REAL_GMTIME = time.gmtime
_REAL_LOCALTIME = time.localtime
_REAL_STRFTIME = time.strftime
_REAL_ASCTIME = time.asctime
_REAL_CLOCK_GETTIME_NS = time.clock_gettime_ns

_WALL_CLOCKS = frozenset(
    getattr(time, name) for name in ("CLOCK_REALTIME", "CLOCK_TAI", "CLOCK_REALTIME_COARSE") if hasattr(time, name)
)


def _monotonic_ns() -> int:
    return machines.running.read_monotonic_ns()


def _time_ns() -> int:
    return machines.running.read_wall_ns()


def _cpu_ns() -> int:
    machine = machines.running
    return machine.read_monotonic_ns() - machine.monotonic_base_ns


def _clock_gettime_ns(clk_id: int) -> int:
    return _time_ns() if clk_id in _WALL_CLOCKS else _monotonic_ns()


def _seconds(read_ns: Callable[..., int]) -> Callable[..., float]:
    return lambda *args: read_ns(*args) / 1e9


def _now_if_none(convert: Callable[..., Any]) -> Callable[..., Any]:
    def read(seconds: float | None = None) -> Any:
        return convert(_time_ns() / 1e9 if seconds is None else seconds)

    return read


def _strftime(pattern: str, t: Any = None) -> str:
    return _REAL_STRFTIME(pattern, _REAL_LOCALTIME(_time_ns() // 10**9) if t is None else t)


def _asctime(t: Any = None) -> str:
    return _REAL_ASCTIME(_REAL_LOCALTIME(_time_ns() // 10**9) if t is None else t)


def _rows(baton: Baton) -> Iterator[Row]:
    """Yield what stands in for each function of `time`."""

    def sleep(seconds: float, /) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        baton.sleep(round(seconds * 1e9))

    def ctime(seconds: float | None = None) -> str:
        return _asctime(_REAL_LOCALTIME(_time_ns() / 1e9 if seconds is None else seconds))

    wall = "reads the flight's wall clock; a reading takes 100 ns"
    monotonic = "reads virtual time, which never goes back; a reading takes 100 ns"
    cpu = "reads virtual time since the flight's start"
    of_now = "means the flight's wall clock where no time is given"
    for name, function, now in (
        ("time", _seconds(_time_ns), wall),
        ("time_ns", _time_ns, wall),
        ("monotonic", _seconds(_monotonic_ns), monotonic),
        ("monotonic_ns", _monotonic_ns, monotonic),
        ("perf_counter", _seconds(_monotonic_ns), monotonic),
        ("perf_counter_ns", _monotonic_ns, monotonic),
        ("process_time", _seconds(_cpu_ns), cpu),
        ("process_time_ns", _cpu_ns, cpu),
        ("thread_time", _seconds(_cpu_ns), cpu),
        ("thread_time_ns", _cpu_ns, cpu),
        ("clock_gettime", _seconds(_clock_gettime_ns), "reads the wall clock or virtual time"),
        ("clock_gettime_ns", _clock_gettime_ns, "reads the wall clock or virtual time"),
        ("sleep", sleep, "lets virtual time pass for the calling thread"),
        ("localtime", _now_if_none(_REAL_LOCALTIME), of_now),
        ("gmtime", _now_if_none(_REAL_GMTIME), of_now),
        ("ctime", ctime, of_now),
        ("strftime", _strftime, of_now),
        ("asctime", _asctime, of_now),
    ):
        function.__name__ = function.__qualname__ = name
        yield time, name, function, now


def _usage_rows() -> Iterator[Row]:
    """Yield what stands in for the times and loads that the system measures."""
    real_getrusage = resource.getrusage

    def times() -> os.times_result:
        seconds = _cpu_ns() / 1e9
        return os.times_result((seconds, 0.0, 0.0, 0.0, seconds))

    def getrusage(who: int, /) -> resource.struct_rusage:
        _, _, *rest = real_getrusage(who)
        return resource.struct_rusage((0.0 if who == resource.RUSAGE_CHILDREN else _cpu_ns() / 1e9, 0.0, *rest))

    yield os, "times", times, "reads virtual time since the flight's start"
    yield os, "getloadavg", lambda: (0.0, 0.0, 0.0), "is an idle machine's"
    yield resource, "getrusage", getrusage, "reads virtual time since the flight's start; counts of memory are real"


def _refusing(name: str) -> Row:
    api = fence(f"time.{name}", "the scenario sets the clock: `bot.clock`, and faults of kind `clock_step`")

    def function(*args: object) -> NoReturn:
        refuse(api)

    return time, name, function, REFUSED


def install(baton: Baton) -> None:
    """Take over the clocks of this process, for good: `time`, its aliases in loaded modules, and `datetime`."""
    rows = (*_rows(baton), *_usage_rows(), *map(_refusing, ("clock_settime", "clock_settime_ns")))
    by_real = take_over(rows)
    replace_all_aliases(by_real)
    _swap_defaults_of_timeit(by_real)
    _swap_datetime()


def _swap_defaults_of_timeit(by_real: dict[int, tuple[Any, Any]]) -> None:
    """Let `timeit` measure virtual time, where it is loaded: its clock is a default argument of its functions."""
    timeit: Any = sys.modules.get("timeit")
    if timeit is not None:
        for function in (timeit.timeit, timeit.repeat, timeit.Timer.__init__):
            function.__defaults__ = tuple(by_real.get(id(each), (each, each))[1] for each in function.__defaults__)


def _swap_datetime() -> None:
    """Put virtual `datetime.now` and `datetime.utcnow` into the class, which is written in C and refuses `setattr`.

    The class itself stays, so `isinstance`, pickles and subclasses are untouched. (`date.today` asks `time.time`.)
    """

    def now(cls: Any, tz: Any = None) -> Any:
        seconds, rest_ns = divmod(_time_ns(), 10**9)
        return cls.fromtimestamp(seconds, tz).replace(microsecond=rest_ns // 1000)

    def utcnow(cls: Any) -> Any:
        if sys.version_info >= (3, 12):
            warnings.warn(
                "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future version. Use "
                "timezone-aware objects to represent datetimes in UTC: datetime.datetime.now(datetime.UTC).",
                DeprecationWarning,
                stacklevel=2,
            )
        seconds, rest_ns = divmod(_time_ns(), 10**9)
        return cls.fromtimestamp(seconds, dt.UTC).replace(microsecond=rest_ns // 1000, tzinfo=None)

    namespace: Any = gc.get_referents(dt.datetime.__dict__)[0]
    for name, function in (("now", now), ("utcnow", utcnow)):
        namespace[name] = classmethod(function)
        note(dt.datetime, name, function, "reads the flight's wall clock", __name__)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(dt.datetime))
