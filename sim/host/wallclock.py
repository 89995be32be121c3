"""Every clock that Python code can read, answered from virtual time."""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import sys
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sim.host import machine as machines
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


def replacements(baton: Baton) -> dict[str, Callable[..., Any]]:
    """Return what stands in for each function of `time`, by name."""

    def sleep(seconds: float, /) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        baton.sleep(round(seconds * 1e9))

    return {
        "time": _seconds(_time_ns),
        "time_ns": _time_ns,
        "monotonic": _seconds(_monotonic_ns),
        "monotonic_ns": _monotonic_ns,
        "perf_counter": _seconds(_monotonic_ns),
        "perf_counter_ns": _monotonic_ns,
        "process_time": _seconds(_cpu_ns),
        "process_time_ns": _cpu_ns,
        "thread_time": _seconds(_cpu_ns),
        "thread_time_ns": _cpu_ns,
        "clock_gettime": _seconds(_clock_gettime_ns),
        "clock_gettime_ns": _clock_gettime_ns,
        "sleep": sleep,
        "localtime": _now_if_none(_REAL_LOCALTIME),
        "gmtime": _now_if_none(_REAL_GMTIME),
        "ctime": lambda seconds=None: _asctime(_REAL_LOCALTIME(_time_ns() / 1e9 if seconds is None else seconds)),
        "strftime": _strftime,
        "asctime": _asctime,
    }


def install(baton: Baton) -> None:
    """Take over the clocks of this process, for good: `time`, its aliases in loaded modules, and `datetime`."""
    by_real: dict[int, tuple[Any, Any]] = {}
    for name, function in replacements(baton).items():
        real = getattr(time, name, None)
        if real is not None:
            function.__name__ = function.__qualname__ = name
            by_real[id(real)] = (real, function)
            setattr(time, name, function)
    for module in list(sys.modules.values()):
        replace_aliases(module, by_real)
    _swap_datetime()


def replace_aliases(module: object, by_real: dict[int, tuple[Any, Any]]) -> None:
    """Replace every global of *module* that is one of the real functions; our own modules keep theirs.

    Args:
        by_real: by the id of each real function, that function (so that its id stays its own) and its replacement.
    """
    if not isinstance(module, ModuleType) or module.__name__.partition(".")[0] == "sim":
        return
    for key, value in list(vars(module).items()):
        found = by_real.get(id(value))
        if found is not None:
            setattr(module, key, found[1])


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
    namespace["now"], namespace["utcnow"] = classmethod(now), classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(dt.datetime))
