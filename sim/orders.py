"""What a command line asks to be flown: one order for each scenario and seed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from sim.chain.artifacts import load as load_artifact
from sim.errors import ScenarioError, UsageError
from sim.fault.schedule import select
from sim.metric.threshold import ThresholdError, check_threshold
from sim.run import Order
from sim.scenario import Scenario, load
from sim.scenario.document import KEY
from sim.scenario.references import expanded, known_values, names
from sim.scenario.values import ValueRefused, parse_duration
from sim.units import format_ns
from sim.verdict import Verdict

SEEDS_MAX = 100_000
_STAND_IN = "0x" + "11" * 20
_STAND_IN_KEY = "0x" + "11" * 32


def orders_of(
    scenarios: Sequence[Path],
    seed: int | None,
    seeds: str | None,
    engine: str,
    bot: str | None,
    sets: list[str],
    faults: str | None,
) -> list[Order]:
    """Return what to fly: every scenario on every seed.

    Args:
        seeds: `A..B`, both included; with neither it nor *seed* each scenario flies on its own.

    Raises:
        ScenarioError: a scenario or a threshold in it is wrong.
        UsageError: an argument is.
    """
    check_engine(engine)
    orders: list[Order] = []
    for path in scenarios:
        scenario = load(path, sets, bot)
        check(scenario)
        _check_faults(scenario, faults)
        orders.extend(
            Order(
                scenario=scenario,
                seed=number,
                engine=engine,
                faults=faults,
                command=_command(path, number, engine, bot, sets, faults),
                invocation={
                    "scenario": str(path.absolute()),
                    "sets": sets,
                    "bot": bot,
                    "faults": faults,
                    "directory": str(Path.cwd()),
                },
            )
            for number in _seeds(seed, seeds, scenario.seed)
        )
    return orders


def placed(orders: Sequence[Order], out: Path | None) -> list[Order]:
    """Return the orders, each with its folder under *out*; a single one gets *out* itself."""
    if out is None:
        return list(orders)
    several = len(orders) > 1
    return [replace(each, out=out / each.scenario.id / str(each.seed) if several else out) for each in orders]


def counting(orders: Sequence[Order]) -> list[Order]:
    """Return the orders with `--count-work`; their replay lines and replays have it too."""
    return [
        replace(
            each,
            count_work=True,
            command=(*each.command, "--count-work"),
            invocation={**(each.invocation or {}), "count_work": True},
        )
        for each in orders
    ]


def stressed(orders: Sequence[Order]) -> list[Order]:
    """Return the orders with `--stress`.

    Raises:
        UsageError: they ask for something that only runs that repeat can give, or that traces the same code.
    """
    if any(each.count_work or each.verify or each.pdb for each in orders):
        raise UsageError(
            "--stress goes with none of --count-work, --verify-share and --pdb: nothing repeats such a run"
        )
    return [replace(each, stress=True, command=(*each.command, "--stress")) for each in orders]


def twice(orders: Sequence[Order], share: str) -> list[Order]:
    """Return the orders, with *share* of them marked to fly twice; of more than none the first always is.

    Raises:
        UsageError: the share is none.
    """
    try:
        number = Fraction(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        number = Fraction(-1)
    if not 0 <= number <= 1:
        raise UsageError(f"--verify-share {share}: write a share from 0 to 100%, as in 10%")
    return [
        replace(order, verify=ceil((index + 1) * number) > ceil(index * number)) for index, order in enumerate(orders)
    ]


def attended(orders: Sequence[Order], jobs: int, pdb: bool, until: str | None) -> list[Order]:
    """Return the orders with the terminal, if there is one and one flight at a time: `breakpoint()` stops there.

    Args:
        pdb: `--pdb`; it flies one seed.
        until: `--until`.

    Raises:
        UsageError: there is nothing to stop at, or nobody to talk to.
    """
    terminal = os.ttyname(0) if os.isatty(0) and min(jobs, len(orders)) == 1 else None
    if not pdb:
        if until is not None:
            raise UsageError("--until says where --pdb stops: give both")
        return [replace(each, terminal=terminal) for each in orders]
    if len(orders) > 1:
        raise UsageError(f"--pdb flies one seed of one scenario, not {len(orders)} runs: choose with --seed")
    if terminal is None:
        raise UsageError("--pdb needs a terminal on standard input")
    if any(each.count_work or each.verify for each in orders):
        raise UsageError("--pdb goes neither with --count-work, which traces the same lines, nor with --verify-share")
    return [replace(each, pdb=True, until=_until(until), terminal=terminal) for each in orders]


def _until(text: str | None) -> int | str | None:
    if text is None:
        return None
    if text.startswith("finding:"):
        return text.removeprefix("finding:")
    try:
        return parse_duration(text)
    except ValueRefused as error:
        raise UsageError(f"--until {text}: {error}; write an instant as in 312.5s, or finding:ID") from None


def unstopped(order: Order, verdict: Verdict) -> str:
    """Return why `--pdb` never stopped in the run that *verdict* is on."""
    if isinstance(order.until, int):
        return f"--pdb: the flight ended before a line of the bot ran at or after {format_ns(order.until)}"
    if order.until is None:
        return "--pdb: nothing was found to stop at; --until 12.5s stops at an instant"
    found = ", ".join(finding.id for finding in verdict.findings) or "it has none"
    return f"--pdb: this run has no finding {order.until}; its findings: {found}"


def check_engine(engine: str) -> None:
    """Refuse an engine that is not there.

    Raises:
        UsageError: with how to build it.
    """
    if engine in ("revm", "both"):
        raise UsageError(
            f"--engine {engine}: the native engine is not built here; build it with `make native` (it needs a Rust "
            "toolchain), or fly with --engine pyevm"
        )
    if engine != "pyevm":
        raise UsageError(f"--engine {engine}: no such engine; there are pyevm, revm and both")


def check(scenario: Scenario) -> None:
    """Check what the scenario's own room cannot: its thresholds and its contracts.

    Raises:
        ScenarioError: with the place of the first that is wrong.
    """
    _check_thresholds(scenario)
    _check_contracts(scenario)


def _check_contracts(scenario: Scenario) -> None:
    """Load every artefact and try its arguments, with stand-ins for addresses that only the flight knows."""
    known = known_values(scenario)
    values = {name: known.get(name, _STAND_IN_KEY if name.endswith(".key") else _STAND_IN) for name in names(scenario)}
    for name, contract in scenario.contracts.items():
        if contract.artifact is None:
            continue
        place: tuple[str | int, ...] = ("contracts", name, "artifact")
        try:
            artifact = load_artifact(contract.artifact)
            place = ("contracts", name, "args")
            if contract.at is None:
                artifact.creation(expanded(contract.args, values))
            for index, call in enumerate(contract.calls):
                place = ("contracts", name, "calls", index)
                artifact.call(call.function, expanded(call.args, values))
        except ScenarioError as error:
            raise scenario.refusal(place, str(error)) from None


def _check_thresholds(scenario: Scenario) -> None:
    for metric, rules in scenario.thresholds.items():
        for index, rule in enumerate(rules):
            try:
                check_threshold(metric, rule.expr)
            except ThresholdError as error:
                path = ("thresholds", metric, KEY if error.part == "metric" else index)
                raise scenario.refusal(path, str(error)) from None


def _check_faults(scenario: Scenario, faults: str | None) -> None:
    select(scenario.faults, faults)


def _seeds(seed: int | None, seeds: str | None, default: int) -> Sequence[int]:
    if seeds is None:
        return [default if seed is None else seed]
    if seed is not None:
        raise UsageError("--seed and --seeds: give one of them")
    first, dots, last = seeds.partition("..")
    if not dots or not first.isdecimal() or not last.isdecimal():
        raise UsageError(f"--seeds {seeds}: write A..B, both included, as in 0..9")
    low, high = int(first), int(last)
    if low > high or high >= 2**64:
        raise UsageError(f"--seeds {seeds}: A must be at most B, and both in 0..2**64-1")
    if high - low >= SEEDS_MAX:
        raise UsageError(f"--seeds {seeds}: {high - low + 1} seeds, at most {SEEDS_MAX} in one call")
    return range(low, high + 1)


def _command(
    path: Path, seed: int, engine: str, bot: str | None, sets: Sequence[str], faults: str | None
) -> tuple[str, ...]:
    program = Path(sys.argv[0])
    try:
        name = str(program.absolute().relative_to(Path.cwd()))
    except ValueError:
        name = "windtunnel"
    words = [name, "run", str(path), "--seed", str(seed)]
    words += ["--engine", engine] if engine != "pyevm" else []
    words += ["--bot", bot] if bot else []
    for each in sets:
        words += ["--set", each]
    words += ["--faults", faults] if faults else []
    return tuple(words)
