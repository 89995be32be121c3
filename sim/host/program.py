"""The bot's program, started as CPython would: a script, or a function named as `module:function`."""

from __future__ import annotations

import asyncio
import builtins
import importlib
import inspect
import linecache
import sys
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Args:
        entry: `module:function`, or None.
        script: path of a script, or None; exactly one of the two is given.
        path: folder that the program's modules live in.
        args: its command-line arguments, without the program's own name.
    """

    entry: str | None
    script: str | None
    path: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the program ended.

    Args:
        exit_code: as a shell would see it.
        error: the uncaught exception, if that ended it.
        trace: its printed traceback.
    """

    exit_code: int
    error: BaseException | None = None
    trace: str = ""


def prepare(program: Program, harness_root: str) -> None:
    """Set `sys.argv` and `sys.path` as CPython has them when it starts this program.

    The checkout that holds the harness leaves the path, unless the bot lives there itself; site-packages stays.
    """
    first = program.path if program.script is None else str(Path(program.script).parent)
    kept = (program.path, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    sys.path[:] = [each for each in sys.path if each in kept or each not in ("", harness_root)]
    sys.path.insert(0, first)
    if program.path not in sys.path[:1]:
        sys.path.insert(1, program.path)
    sys.argv[:] = [program.script or (program.entry or "").partition(":")[0], *program.args]


def compile_plainly(source: bytes, path: str) -> CodeType:
    """Return the code of a script, as CPython compiles it."""
    code: CodeType = compile(source, path, "exec", dont_inherit=True)
    return code


def run(program: Program, compile_script: Callable[[bytes, str], CodeType] = compile_plainly) -> Outcome:
    """Run the program to its end."""
    try:
        if program.script is not None:
            _run_script(program.script, compile_script)
        else:
            _run_entry(program.entry or "")
    except SystemExit as end:
        return _exit_outcome(end)
    except BaseException as error:  # noqa: BLE001 - the bot's own affair: CPython prints it and exits 1
        trace = own_traceback(error)
        sys.stderr.write(trace)
        return Outcome(130 if isinstance(error, KeyboardInterrupt) else 1, error, trace)
    return Outcome(0)


def _run_script(script: str, compile_script: Callable[[bytes, str], CodeType]) -> None:
    main = ModuleType("__main__")
    main.__dict__.update(__file__=script, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = main
    source = Path(script).read_bytes()
    linecache.checkcache(script)
    exec(compile_script(source, script), main.__dict__)  # noqa: S102 - as CPython runs a script


def _run_entry(entry: str) -> None:
    name, _, attribute = entry.partition(":")
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins)
    sys.modules["__main__"] = main
    found: Any = importlib.import_module(name)
    for part in (attribute or "main").split("."):
        found = getattr(found, part)
    result = asyncio.run(found()) if inspect.iscoroutinefunction(found) else found()
    if inspect.iscoroutine(result):
        asyncio.run(result)
    elif isinstance(result, int) and not isinstance(result, bool) and result:
        sys.exit(result)


def _exit_outcome(end: SystemExit) -> Outcome:
    if end.code is None:
        return Outcome(0)
    if isinstance(end.code, int):
        return Outcome(end.code & 0xFF)
    sys.stderr.write(f"{end.code}\n")
    return Outcome(1, end, f"SystemExit: {end.code}\n")


def own_traceback(error: BaseException) -> str:
    """Return the traceback from the program's first frame on, without the harness's above it."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").partition(".")[0] in ("sim", "asyncio"):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
