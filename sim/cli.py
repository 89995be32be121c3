"""The `windtunnel` command."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from sim import __version__
from sim.errors import UsageError, WindtunnelError

EXIT_OWN_FAULT = 4
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="windtunnel",
    help="Fly an asyncio on-chain bot, unmodified, through a simulated market, chain and network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
errors = Console(stderr=True, highlight=False)

Scenarios = Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="Scenario files.", show_default=False)]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="Run folders.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value, e.g. --set chain.slot=2s. May be given again."),
]
BotOption = Annotated[
    str | None, typer.Option("--bot", metavar="ENTRY_OR_SCRIPT", help="Fly this bot instead of the scenario's.")
]
KnownOption = Annotated[
    Path | None,
    typer.Option("--known", metavar="FILE", help="YAML list of findings that do not fail: id, reason, owner, expires."),
]
FaultsOption = Annotated[
    str | None,
    typer.Option(
        "--faults", metavar="none|ID,...", help="Keep these faults only; the rest of the weather stays the same."
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", help="The seed; the scenario's own unless given.", min=0, max=2**64 - 1)
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", metavar="A..B", help="Every seed from A to B, both included.")
]
JobsOption = Annotated[int, typer.Option("-j", "--jobs", help="Flights at a time.", min=1, max=256)]
EngineOption = Annotated[str, typer.Option("--engine", metavar="pyevm|revm|both", help="What executes the chain.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print result.json, one line a run, on standard output.")]


def main() -> None:
    """Run the command line; every explained error is one message and an exit code."""
    try:
        app(standalone_mode=True)
    except WindtunnelError as error:
        errors.print(Text(f"windtunnel: {error}"), soft_wrap=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception:  # noqa: BLE001 (the one place of this process where the unexpected ends)
        errors.print(
            Text(f"windtunnel {__version__}: this is our own fault, please report it:\n{traceback.format_exc()}")
        )
        sys.exit(EXIT_OWN_FAULT)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"windtunnel {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
]


@app.callback()
def _options(version: VersionOption = False) -> None:
    """Fly an asyncio on-chain bot, unmodified, through a simulated market, chain and network."""


@app.command(
    epilog="Examples:  windtunnel run scenarios/smoke.yaml  |  windtunnel run scenarios/smoke.yaml --seeds 0..9 -j 2"
    "  |  windtunnel run scenarios/smoke.yaml --bot my/bot.py --faults none --json"
    "  |  windtunnel run scenarios/smoke.yaml --pdb --until 31.5s"
)
def run(
    scenarios: Scenarios,
    seed: SeedOption = None,
    seeds: SeedsOption = None,
    jobs: JobsOption = 1,
    engine: EngineOption = "pyevm",
    bot: BotOption = None,
    sets: Sets = None,
    faults: FaultsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The run's folder; with several runs, the folder of their folders."),
    ] = None,
    json_: JsonOption = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the bot's output on standard error.")] = False,
    wall_limit: Annotated[
        float | None,
        typer.Option("--wall-limit", metavar="S", help="End a flight after S seconds of wall time.", min=0.1),
    ] = None,
    known: KnownOption = None,
    count_work: Annotated[
        bool,
        typer.Option("--count-work", help="Count executed lines of the bot's code: the metric work.lines. Slower."),
    ] = False,
    verify_share: Annotated[
        str,
        typer.Option(
            "--verify-share",
            metavar="SHARE",
            help="Fly this share of the runs twice, e.g. 10%: the digests must match.",
        ),
    ] = "0",
    pdb: Annotated[
        bool,
        typer.Option("--pdb", help="Stop in pdb at the first finding that gates (an uncaught exception is one)."),
    ] = False,
    stress: Annotated[
        bool,
        typer.Option("--stress", help="Let threads change hands at really random points. No such run can be replayed."),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="312.5s|finding:ID", help="With --pdb: stop there instead."),
    ] = None,
) -> None:
    """Fly scenarios and print the verdict on each run."""
    from sim.orders import attended, counting, orders_of, placed, stressed, twice  # so that --help answers at once

    orders = placed(orders_of(scenarios, seed, seeds, engine, bot, sets or [], faults), out)
    orders = counting(orders) if count_work else orders
    accepted = tuple({**asdict(each), "expires": str(each.expires)} for each in _known(known))
    orders = [
        replace(each, known=accepted, echo=verbose, wall_limit_s=wall_limit)
        for each in attended(twice(orders, verify_share), jobs, pdb, until)
    ]
    raise typer.Exit(_fly_all(stressed(orders) if stress else orders, jobs, json_))


def _known(path: Path | None) -> tuple[Any, ...]:
    if path is None:
        return ()
    from sim.verdict import load_known  # so that --help answers at once

    return tuple(load_known(path, datetime.now(UTC).date()))


class Stop:
    """Ctrl-C: the first ends the flights in order, the second at once."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.asked


def _fly_all(orders: Sequence[Any], jobs: int, as_json: bool) -> int:
    """Fly every order, judge it, write its reports; return the exit code."""
    from reports.terminal import print_verdict, print_verdicts  # so that --help answers at once
    from sim.verdict import exit_code_of, result_line  # likewise

    stop = Stop()
    judged: list[Any] = []
    refusals: list[WindtunnelError] = []
    for result in _flights(orders, jobs, stop):
        if isinstance(result, WindtunnelError):
            refusals.append(result)
            continue
        judged.append(result)
        if as_json:
            print(result_line(result.verdict), flush=True)
    for refusal in refusals:
        errors.print(Text(f"windtunnel: {refusal}"), soft_wrap=True)
    if len(orders) == 1 and judged:
        print_verdict(judged[0].verdict, errors, _shown(judged[0].folder / "report.html"))
    elif judged:
        print_verdicts(judged, errors)
        for each in judged:
            if each.verdict.value != "pass":
                errors.print(Text(f"replay   {each.verdict.header.get('replay', '')}"), soft_wrap=True)
    codes = [refusal.exit_code for refusal in refusals] + [each.verdict.exit_code for each in judged]
    stopped = stop.asked or any(each.verdict.end == "interrupted" for each in judged)  # Ctrl-C, or q in pdb
    return EXIT_INTERRUPTED if stopped else exit_code_of(codes)


def _shown(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _flights(orders: Sequence[Any], jobs: int, stop: Stop) -> Iterator[Any]:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[clock]}"),
        TimeElapsedColumn(), console=errors, transient=False, disable=any(each.pdb for each in orders),
    )  # fmt: skip
    Thread(target=_load_plotting, daemon=True).start()
    with bar, ThreadPoolExecutor(min(jobs, len(orders))) as pool:
        waiting: set[Future[Any]] = set()
        queue = iter(orders)
        aborted = False
        while True:
            while len(waiting) < jobs and not stop() and not aborted:
                order = next(queue, None)
                if order is None:
                    break
                waiting.add(pool.submit(_fly_one, order, bar, stop))
            if not waiting:
                return
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                result = _result(future)
                if not isinstance(result, WindtunnelError) and result.verdict.aborts:
                    aborted = True
                yield result


def _load_plotting() -> None:
    """Load what writes reports (matplotlib takes most of a second) while the first flight is under way."""
    # for its effect, and as late as that
    import reports.outputs  # noqa: F401


def _result(future: Future[Any]) -> Any:
    error = future.exception()
    if isinstance(error, WindtunnelError):
        return error
    return future.result()


def _fly_one(order: Any, bar: Progress, stop: Callable[[], bool]) -> Any:
    from reports.gate import Judged  # so that --help answers at once
    from sim.orders import unstopped  # likewise
    from sim.record import open_record  # likewise
    from sim.run import fly  # likewise
    from sim.verdict import judge  # likewise

    duration_ns = order.scenario.duration
    row = bar.add_task(f"{order.scenario.id} seed {order.seed}", total=duration_ns, clock="0s")

    def progress(now_ns: int) -> None:
        bar.update(row, completed=min(now_ns, duration_ns), clock=f"{now_ns / 1e9:.0f} of {duration_ns / 1e9:.0f} s")

    def finish(folder: Path) -> None:
        from reports.outputs import write_reports  # loaded already, by `_load_plotting`

        record = open_record(folder)
        write_reports(folder, record, judge(record))

    def say(text: str) -> None:
        errors.print(Text(f"note     {text}"), soft_wrap=True)

    flown = fly(order, progress, stop, finish, lambda held: bar.stop() if held else bar.start(), say)
    bar.update(row, completed=duration_ns if not flown.interrupted else None)
    if order.verify and not flown.interrupted:
        _verify(order, flown.folder, stop)
    record = open_record(flown.folder)
    verdict = judge(record)
    if order.pdb and not flown.stops:
        errors.print(Text(unstopped(order, verdict)), soft_wrap=True)
    return Judged(flown.folder, record, verdict)


def _verify(order: Any, folder: Path, stop: Callable[[], bool]) -> None:
    """Fly a finished run a second time.

    Raises:
        WindtunnelError: its digest is another one.
    """
    from sim.verify import fly_again, story  # so that --help answers at once

    pair = fly_again(replace(order, terminal=None), folder, stop)
    if not pair.equal and not pair.interrupted:
        raise WindtunnelError(f"{folder}: a second flight differs\n{story(pair)}")


# Options are declared once; typer reads a command's from its signature, so those of `run` that it shares stand again.
@app.command(
    epilog="Examples:  windtunnel verify scenarios/smoke.yaml --seeds 0..99 -j 2  |  windtunnel verify my.yaml --json"
)
def verify(
    scenarios: Scenarios,
    seed: SeedOption = None,
    seeds: SeedsOption = None,
    jobs: JobsOption = 1,
    engine: EngineOption = "pyevm",
    bot: BotOption = None,
    sets: Sets = None,
    faults: FaultsOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep the flights of seeds that differ here.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON line a seed on standard output.")] = False,
) -> None:
    """Fly each seed twice, in separate processes and different surroundings: the digests must match."""
    from sim import verify as proof  # so that --help answers at once
    from sim.orders import orders_of  # likewise

    orders = orders_of(scenarios, seed, seeds, engine, bot, sets or [], faults)
    stop, pairs = Stop(), []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} flights"),
        TimeElapsedColumn(), console=errors,
    )  # fmt: skip
    with bar:
        row = bar.add_task("verify", total=2 * len(orders))
        for pair in proof.verify(orders, jobs, stop, lambda: bar.advance(row), out):
            pairs.append(pair)
            if json_:
                print(json.dumps(pair.as_json()), flush=True)
            if not pair.equal:
                bar.console.print(Text(proof.story(pair)), soft_wrap=True)
    errors.print(Text(proof.summary(pairs)), soft_wrap=True)
    codes = {pair.exit_code for pair in pairs}
    raise typer.Exit(EXIT_INTERRUPTED if stop.asked else next((code for code in (4, 3) if code in codes), 0))


@app.command(epilog="Example:  windtunnel profile scenarios/smoke.yaml -o cpu.yaml")
def profile(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.", show_default=False)],
    seed: SeedOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where the table goes; standard output unless given."),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="How many functions it lists.", min=1)] = 20,
    bot: BotOption = None,
    sets: Sets = None,
) -> None:
    """Measure the CPU time of the bot's functions in a flight, and write a cost table for `bot.cpu`."""
    from sim.orders import orders_of  # so that --help answers at once
    from sim.profile import profile as measured  # likewise

    (order,) = orders_of([scenario], seed, None, "pyevm", bot, sets or [], None)
    stop = Stop()
    table = measured(order, top, lambda now_ns: None, stop)
    if output is None:
        print(table, end="")
    else:
        output.write_text(table)
        errors.print(Text(f"table    {output}"), soft_wrap=True)
    raise typer.Exit(EXIT_INTERRUPTED if stop.asked else 0)


@app.command(epilog="Example:  windtunnel validate scenarios/*.yaml")
def validate(scenarios: Scenarios, sets: Sets = None, bot: BotOption = None) -> None:
    """Check scenario files without flying them."""
    from sim.orders import check  # so that --help answers at once
    from sim.scenario import load  # likewise

    code = 0
    for path in scenarios:
        try:
            check(load(path, sets or (), bot))
        except WindtunnelError as error:
            errors.print(Text(str(error)), soft_wrap=True)
            code = error.exit_code
        else:
            errors.print(Text(f"{path}: valid"))
    raise typer.Exit(code)


@app.command(epilog="Example:  windtunnel schema > scenario.schema.json")
def schema() -> None:
    """Print the JSON Schema (draft 7) of scenario files, for editors."""
    from sim.scenario.schema import json_schema  # likewise

    print(json.dumps(json_schema(), indent=2))


@app.command(epilog="Example:  windtunnel gate runs/smoke/*/*")
def gate(
    run_dirs: Runs,
    known: KnownOption = None,
    json_: JsonOption = False,
) -> None:
    """Evaluate the thresholds of finished runs again, from their records alone."""
    from reports.gate import evaluate  # so that --help answers at once
    from reports.terminal import print_verdict, print_verdicts  # likewise
    from sim.verdict import exit_code_of, result_line  # likewise

    judged = evaluate(run_dirs, None if known is None else _known(known))
    for each in judged:
        if json_:
            print(result_line(each.verdict))
    if len(judged) == 1:
        print_verdict(judged[0].verdict, errors)
    else:
        print_verdicts(judged, errors)
    raise typer.Exit(exit_code_of(each.verdict.exit_code for each in judged))


@app.command(epilog="Example:  windtunnel report runs/smoke/*/* -o report.html")
def report(
    run_dirs: Runs,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where the page goes; needed with several runs."),
    ] = None,
) -> None:
    """Write the HTML report of finished runs."""
    from reports.gate import evaluate  # so that --help answers at once
    from reports.outputs import write_index, write_report  # likewise

    if len(run_dirs) > 1 and output is None:
        raise UsageError(f"report: {len(run_dirs)} runs; say with -o FILE where their page goes")
    judged = evaluate(run_dirs)
    if len(judged) == 1:
        path = write_report(output or judged[0].folder / "report.html", judged[0].record, judged[0].verdict)
    else:
        assert output is not None, "checked above"
        path = write_index(output, judged)
    errors.print(Text(f"report   {path}"), soft_wrap=True)


@app.command(epilog="Example:  windtunnel replay runs/smoke/1a2b3c4d/1")
def replay(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run folder.", show_default=False)],
) -> None:
    """Fly a finished run again and compare: the same digest, or what differs."""
    from sim.replay import fly_again  # so that --help answers at once

    stop = Stop()
    answer = fly_again(run_dir, stop)
    errors.print(Text(answer.text), soft_wrap=True)
    raise typer.Exit(EXIT_INTERRUPTED if stop.asked else answer.exit_code)
