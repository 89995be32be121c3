"""`windtunnel profile`: the real CPU time of a bot's functions in a flight, written as a cost table for `bot.cpu`."""

from __future__ import annotations

import json
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from sim import __version__
from sim.errors import UsageError, WindtunnelError
from sim.run import Order, fly
from sim.scenario.costs import unknown_functions
from sim.scenario.values import format_number

PROFILE_FILE = "profile.json"
TOP = 20
STEPS_MAX = 20
"""A coroutine that is resumed more often in each call is a loop: one charge at its start would mean nothing."""

_DIGITS = 3
_UNITS = (("s", 9), ("ms", 6), ("us", 3), ("ns", 0))


def profile(
    order: Order, top: int, progress: Callable[[int], None], stopping: Callable[[], bool] = lambda: False
) -> str:
    """Fly *order* with every call of the bot measured, and return the table.

    Args:
        top: how many functions the table lists, those that took most first.

    Raises:
        WindtunnelError: the flight was ended before it could say what it measured.
    """
    scratch = Path(tempfile.mkdtemp(prefix="windtunnel-profile-"))
    try:
        flown = fly(replace(order, profile=True, out=scratch / "run"), progress, stopping)
        file = flown.folder / PROFILE_FILE
        if not file.is_file():
            raise WindtunnelError("the flight was ended before it could say what it measured")
        measured: dict[str, Any] = json.loads(file.read_text())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    bot = order.scenario.bot
    assert bot is not None, "a flight needs a bot"
    return table(
        measured,
        top,
        f"{order.scenario.file or order.scenario.id} seed {order.seed}",
        lambda name: not any(unknown_functions({name: None}, bot.script, bot.path)),
    )


def table(
    measured: Mapping[str, Any], top: int, flight: str, is_found: Callable[[str], bool] = lambda name: True
) -> str:
    """Return the cost table as YAML, with what was measured where in its comments.

    Args:
        is_found: whether a scenario may name a function: its source must be where a scenario looks for it.

    Raises:
        UsageError: nothing was measured.
    """
    if not measured:
        raise UsageError("no function of the bot ended a call in this flight, so there is nothing to list")
    ordered = sorted(measured.items(), key=lambda each: (-each[1]["total_ns"], each[0]))
    loops = [(name, row) for name, row in ordered if row["steps"] > STEPS_MAX * row["calls"]]
    listed = [(name, row) for name, row in ordered if row["steps"] <= STEPS_MAX * row["calls"]]
    lines = [
        "# CPU time of the bot's functions, for `bot.cpu` of a scenario: `cpu: THIS_FILE`.",
        f"# Measured by windtunnel {__version__} in {flight}",
        f"# on {_processor()}, {platform.python_implementation()} {platform.python_version()}, {platform.system()}.",
        "# A call's own time: libraries and C that it calls count, other functions of the bot do not, nor do waits.",
        "# Work that a library does in tasks of its own is in no function of the bot, so it is not here.",
    ]
    chosen = list(islice(((name, row) for name, row in listed if is_found(name)), top))
    for name, row in chosen:
        calls = f"{row['calls']} call{'' if row['calls'] == 1 else 's'}"
        lines.append(f'"{name}": {_cost(row)}  # {calls}, {spelt(row["total_ns"])} in all')
    if len(listed) > len(chosen):
        rest_ns = sum(row["total_ns"] for _, row in listed) - sum(row["total_ns"] for _, row in chosen)
        lines.append(f"# and {len(listed) - len(chosen)} more functions with {spelt(rest_ns)} in all")
    for name, row in loops:
        steps = row["steps"] // row["calls"]
        lines.append(f"# left out: {name} is a loop ({steps} steps a call, {spelt(row['total_ns'])} in all)")
    return "\n".join(lines) + "\n"


def _cost(row: Mapping[str, Any]) -> str:
    """Return what a call costs: its quantiles where they differ, else one duration."""
    points = {name: spelt(max(1, value_ns)) for name, value_ns in row["quantiles_ns"].items()}
    if len(set(points.values())) == 1:
        return points["p50"]
    return "{quantiles: {" + ", ".join(f"{name}: {value}" for name, value in points.items()) + "}}"


def spelt(value_ns: int) -> str:
    """Return a duration with three digits, as a scenario reads it.

    >>> spelt(1234567), spelt(999), spelt(0)
    ('1.23ms', '999ns', '0ns')
    """
    surplus = 10 ** max(0, len(str(value_ns)) - _DIGITS)
    rounded = value_ns // surplus * surplus
    unit, places = next(((unit, places) for unit, places in _UNITS if rounded >= 10**places), _UNITS[-1])
    return f"{format_number(Fraction(rounded, 10**places))}{unit}"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
