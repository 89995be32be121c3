"""The proof of determinism: each seed flies twice, apart from one another; where digests differ, the place is found."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sim.divergence import Divergence, Turns, digest_of, first_divergence, first_turn
from sim.record import Event, Record, open_record
from sim.run import Order, fly

EXIT_DIGEST_DIFFERS = 4
EXIT_NO_DIGEST = 3
TRACED_PAIRS_MAX = 3
"""Traced pairs of flights of a seed that differs, until one of them differs as well."""

TURNS_FILE = "turns.jsonl.zst"
_STACK_LINES_MAX = 16
_EVENT_CHARS_MAX = 400

# What must not matter to a flight: how large its environment is, where it works, the zone of its machine, which of the
# processor's instructions its libc uses. Time of day, process id and load differ by themselves.
_PLAIN: tuple[tuple[str, str], ...] = ()
_OTHER: tuple[tuple[str, str], ...] = (
    ("TZ", "Asia/Kathmandu"),
    ("LC_ALL", "C"),
    ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-FMA"),
    *((f"PADDING_{number}", "x" * 250) for number in range(16)),
)
_FOLDERS = ("a", "another/and/deeper/folder-of-the-second-flight")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two flights of one seed.

    Args:
        digests: of both; None where a flight ended without one (it was ended from outside).
        divergence: where they part, when they do.
        turns: the first turn, write or draw that differs between a traced third and fourth flight.
        traced: how many traced pairs were flown to see it.
        interrupted: whether Ctrl-C came before both had landed.
    """

    scenario: str
    seed: int
    digests: tuple[str | None, str | None]
    divergence: Divergence | None = None
    turns: Turns | None = None
    traced: int = 0
    interrupted: bool = False

    @property
    def equal(self) -> bool:
        """Whether both digests are there and the same."""
        return self.digests[0] is not None and self.digests[0] == self.digests[1]

    @property
    def exit_code(self) -> int:
        """0 equal, 4 different, 3 without a digest to compare."""
        if self.equal:
            return 0
        return EXIT_DIGEST_DIFFERS if self.divergence is not None or all(self.digests) else EXIT_NO_DIGEST

    def as_json(self) -> dict[str, Any]:
        """Return the line that `windtunnel verify --json` prints."""
        return {
            "schema": 1,
            "scenario": self.scenario,
            "seed": self.seed,
            "equal": self.equal,
            "digests": list(self.digests),
            "divergence": None if self.divergence is None else asdict(self.divergence),
            "turns": None if self.turns is None else asdict(self.turns),
        }


def fly_twice(
    order: Order,
    stopping: Callable[[], bool] = lambda: False,
    landed: Callable[[], None] = lambda: None,
    keep: Path | None = None,
) -> Pair:
    """Fly *order* twice in processes that share nothing but scenario and seed, and compare.

    Args:
        landed: called after each flight.
        keep: where the run folders of a seed that differs go; they are thrown away unless given.
    """
    scratch = Path(tempfile.mkdtemp(prefix="windtunnel-verify-"))
    try:
        pair = _compared(order, scratch, stopping, landed)
        if keep is not None and not pair.equal and not pair.interrupted:
            shutil.copytree(scratch, keep / order.scenario.id / str(order.seed), dirs_exist_ok=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return pair


def verify(
    orders: Sequence[Order],
    jobs: int = 1,
    stopping: Callable[[], bool] = lambda: False,
    landed: Callable[[], None] = lambda: None,
    keep: Path | None = None,
) -> Iterator[Pair]:
    """Yield the pair of each order as it is done, *jobs* of them at a time; what was begun is finished or interrupted.

    Raises:
        WindtunnelError: a flight cannot be flown at all.
    """
    with ThreadPoolExecutor(min(jobs, len(orders))) as pool:
        queue = iter(orders)
        waiting: set[Future[Pair]] = set()
        while True:
            while len(waiting) < jobs and not stopping() and (order := next(queue, None)) is not None:
                waiting.add(pool.submit(fly_twice, order, stopping, landed, keep))
            if not waiting:
                return
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            yield from (pair for future in done if not (pair := future.result()).interrupted)


def fly_again(order: Order, first: Path, stopping: Callable[[], bool]) -> Pair:
    """Fly *order* a second time, in other surroundings, and compare with its finished run folder *first*."""
    scratch = Path(tempfile.mkdtemp(prefix="windtunnel-verify-"))
    try:
        second = _flown(order, scratch, 1, stopping, trace=False)
        if second is None:
            return Pair(order.scenario.id, order.seed, (None, None), interrupted=True)
        return _pair(order, open_record(first), second)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compared(order: Order, scratch: Path, stopping: Callable[[], bool], landed: Callable[[], None]) -> Pair:
    records = []
    for which in (0, 1):
        record = _flown(order, scratch / "plain", which, stopping, trace=False)
        if record is None:
            return Pair(order.scenario.id, order.seed, (None, None), interrupted=True)
        records.append(record)
        landed()
    pair = _pair(order, *records)
    if pair.divergence is None:
        return pair
    for attempt in range(1, TRACED_PAIRS_MAX + 1):
        folder = scratch / f"traced-{attempt}"
        traced = [_flown(order, folder, which, stopping, trace=True) for which in (0, 1)]
        if None in traced:
            return replace(pair, interrupted=True)
        files = [each.path.parent / TURNS_FILE for each in traced if each is not None]
        turns = first_turn(*files) if all(file.is_file() for file in files) else None
        pair = replace(pair, turns=turns, traced=attempt)
        if turns is not None:
            break
    return pair


def _flown(order: Order, folder: Path, which: int, stopping: Callable[[], bool], *, trace: bool) -> Record | None:
    """Fly once in the surroundings of the first or second flight; None when Ctrl-C ended it."""
    if stopping():
        return None
    surroundings = (_PLAIN, _OTHER)[which]
    mine = replace(order, out=folder / _FOLDERS[which], trace_turns=trace, surroundings=surroundings)
    flown = fly(mine, stopping=stopping)
    return None if flown.interrupted else open_record(flown.folder)


def _pair(order: Order, one: Record, other: Record) -> Pair:
    digests = (digest_of(one), digest_of(other))
    same = digests[0] is not None and digests[0] == digests[1]
    return Pair(order.scenario.id, order.seed, digests, None if same else first_divergence(one, other))


def summary(pairs: Sequence[Pair]) -> str:
    """Return the table of finished pairs, one line a scenario, then one for each seed that differs."""
    lines = [f"{'scenario':<20} {'seeds':>6} {'flights':>8} {'equal':>6} {'different':>10} {'no digest':>10}"]
    for scenario in dict.fromkeys(pair.scenario for pair in pairs):
        own = [pair.exit_code for pair in pairs if pair.scenario == scenario]
        counts = [own.count(code) for code in (0, EXIT_DIGEST_DIFFERS, EXIT_NO_DIGEST)]
        lines.append(f"{scenario:<20} {len(own):>6} {2 * len(own):>8} {counts[0]:>6} {counts[1]:>10} {counts[2]:>10}")
    for pair in pairs:
        if not pair.equal:
            one, other = ((digest or "no digest")[:16] for digest in pair.digests)
            lines.append(f"{pair.scenario} seed {pair.seed}: {one} and {other}")
    return "\n".join(lines)


# In words ---------------------------------------------------------------------------------------------------------


def story(pair: Pair) -> str:
    """Return where and how two flights part, as text."""
    one, other = (digest or "none" for digest in pair.digests)
    lines = [f"{pair.scenario} seed {pair.seed}: two flights, digests {one} and {other}"]
    found = pair.divergence
    if found is None:
        return "\n".join([*lines, "  no event differs, but a process that died left no digest to compare"])
    lines.append(f"  equal up to event {found.events_equal}, by checkpoint up to {_spell(found.since_ns)}")
    if found.first is None and found.second is None:
        lines.append(f"  no event differs, but by {_spell(found.until_ns)}: {', '.join(found.traces)}")
    else:
        lines += [
            "  the first event that differs:",
            f"    first   {_told(found.first)}",
            f"    second  {_told(found.second)}",
        ]
        if found.traces:
            lines.append(f"  different by {_spell(found.until_ns)}: {', '.join(found.traces)}")
    if pair.turns is not None:
        turns = pair.turns
        lines.append("  a third and a fourth flight, traced, part after")
        lines += [f"    {each}" for each in _turn(turns.shared)]
        lines += [f"    first   {each}" for each in _turn(turns.first)]
        lines += [f"    second  {each}" for each in _turn(turns.second)]
    elif pair.traced:
        lines.append(
            f"  {2 * pair.traced} more flights, traced, did not part: it happens now and then; verify more seeds"
        )
    return "\n".join(lines)


def _spell(t_ns: int) -> str:
    return f"{t_ns / 1e9:.9f} s"


def _told(event: Event | None) -> str:
    if event is None:
        return "nothing more"
    text = f"{_spell(event.t_ns)} {event.kind} {event.actor} {event.site} {event.data}"
    return text if len(text) <= _EVENT_CHARS_MAX else f"{text[:_EVENT_CHARS_MAX]}..."


def _turn(line: list[Any] | None) -> list[str]:
    if line is None:
        return ["nothing"]
    t_ns, what, who, stack = line
    return [f"{_spell(t_ns)} {what} {who}", *(f"  at {frame}" for frame in stack[:_STACK_LINES_MAX])]
