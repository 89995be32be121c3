"""`python -m tests.bench`: measures, each side in turn in one sitting, and prints the tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table as RichTable

from tests.bench import client, flight, loop, peers, swaps, threads
from tests.bench.table import Effort, Table

BENCHMARKS: Final[Mapping[str, Callable[[Effort], list[Table]]]] = MappingProxyType(
    {
        "loop": loop.measure,
        "client": client.measure,
        "swaps": swaps.measure,
        "flight": flight.measure,
        "threads": threads.measure,
        "peers": peers.measure,
    }
)
WHOLE: Final = Effort()
EPILOG: Final = "  |  ".join(f"{name}: {measure.__doc__}" for name, measure in BENCHMARKS.items())

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help=f"Which: {', '.join(BENCHMARKS)}; all unless given.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each side; the figures are medians.", min=1)] = WHOLE.rounds,
    share: Annotated[
        float, typer.Option(help="Share of a round's work; below 1 only to see that it runs.", min=0.001, max=10)
    ] = WHOLE.share,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as docs/benchmarks.md has them.")
    ] = False,
) -> None:
    """Measure Windtunnel against its peers, side by side, and print the figures."""
    chosen = names or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        raise typer.BadParameter(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    progress, out = Console(stderr=True), Console()
    for name in chosen:
        progress.print(f"{name}: {BENCHMARKS[name].__doc__}", style="dim", highlight=False)
        for table in BENCHMARKS[name](Effort(rounds, share)):
            if markdown:
                print(f"{table.markdown()}\n", flush=True)
            else:
                out.print(_rich(table))


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if index == 0 else "right")
    for row in table.rows:
        shown.add_row(*row)
    return shown


if __name__ == "__main__":
    app()
