"""The bot of a scenario: what is started, with which surroundings, how it is stopped and what it may use up."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sim.scenario.costs import TABLE, TABLE_SCHEMA, FunctionName
from sim.scenario.fields import (
    Count,
    Duration,
    DurationDraw,
    EntryPoint,
    FilePath,
    Listed,
    Name,
    Ratio,
    Shift,
    Size,
    Strict,
    Word,
    positive,
)
from sim.scenario.values import ValueRefused, format_ratio
from sim.units import MINUTE, S

ENV_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
DRIFT_MAX = Fraction(1, 10)
EnvName = Annotated[str, Field(pattern=ENV_PATTERN)]


def _inside(target: str) -> str:
    path = PurePosixPath(target)
    if path.is_absolute() or ".." in path.parts or not path.parts or target.endswith("/") or "\0" in target:
        raise ValueRefused(f"'{target}' must name a file inside the bot's working directory, without '..'")
    return str(path)


class Stop(Strict):
    """How the bot is told to stop at the end of the flight."""

    signal: Literal["SIGTERM", "SIGINT", "cancel"] = "SIGTERM"
    """What is delivered at `duration`: a signal, or a cancellation of the main task."""
    grace: Duration = 10 * S
    """How long it may take from there."""


def _drift(value: Fraction) -> Fraction:
    if abs(value) > DRIFT_MAX:
        raise ValueRefused(f"{format_ratio(value)} is outside -10%..10%")
    return value


class Clock(Strict):
    """How wrong the wall clock of the bot's computer is; faults of kind clock_step move it further."""

    offset: Shift = 0
    """What it is ahead of the chain's time at the start, or behind."""
    drift: Annotated[Ratio, AfterValidator(_drift)] = Fraction(0)
    """What it gains, or loses, of the time that passes."""


class Bot(Strict):
    """The program under test; exactly one of entry and script."""

    entry: EntryPoint | None = None
    """A function to call, as in `bot.app:main`."""
    script: FilePath | None = None
    """A file to run as `__main__`."""
    path: FilePath
    """Where its modules live; the caller's directory unless given."""
    args: Listed[Word] = ()
    """`sys.argv[1:]`; references are expanded."""
    env: Mapping[EnvName, Word] = {}
    """Its whole environment besides TZ, LANG and HOME; references are expanded."""
    files: Mapping[Annotated[str, AfterValidator(_inside)], FilePath] = {}
    """Files of its working directory, and the templates they are rendered from; references are expanded."""
    stop: Stop = Stop()
    """How it is told to stop."""
    cpu: Annotated[Mapping[FunctionName, DurationDraw], TABLE, TABLE_SCHEMA] = {}
    """Virtual time that each call of a function takes, by `module:function`; or the path of such a table."""
    clock: Clock = Clock()
    """The wall clock of its computer."""
    set_order: Annotated[int, Count(0, 2**32 - 1)] = 0
    """Which of the orders that memory might give to sets of tasks and of texts; 0 is that of creation."""
    site: Name | None = None
    """Where its computer stands, for links; `bot` unless given."""


class Limits(Strict):
    """What ends a flight that runs away; the one use of the wall clock."""

    callback_wall: Annotated[Duration, AfterValidator(positive)] = 30 * S
    """Wall time that one callback may hold the loop."""
    rss: Annotated[Size, AfterValidator(positive)] = 2 * 2**30
    """Memory of the child process."""
    wall: Annotated[Duration, AfterValidator(positive)] = 10 * MINUTE
    """Wall time of the whole flight."""
