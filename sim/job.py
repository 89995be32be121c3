"""What the supervisor asks of one flight, as it travels to the child process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.scenario.model import Scenario

SHARED_BYTES = 1 << 16
"""Memory that a flight shares with its supervisor: five counters, then the world's keys.

`sim.host.clock` names the counters.
"""

KEYS_AT = 40
"""Where the keys begin: eight bytes of length, then the keys. The supervisor strikes them out of the bot's files."""


@dataclass(frozen=True, slots=True)
class Job:
    """One flight: a scenario and a seed.

    Args:
        folder: where the record, `bot.log` and the bot's working directory go; it exists.
        header: the record's first line, but for what only the child knows.
        harness_root: the folder that holds the packages `sim` and `reports`.
        cache: folder of deployed start states.
        echo: whether the bot's output is shown on standard error, too.
        debug: whether to stop in pdb: `--pdb`.
        until: `--until`, for `--pdb`: an instant in ns, or a finding's id; None is the first finding that gates.
        terminal: a descriptor of the terminal that the supervisor runs at, or None: for `--pdb` and `breakpoint()`.
        count_work: whether executed lines of the bot are counted (`sim/probe/work.py`).
        stress: whether threads change hands at really random points (`sim/host/stress.py`).
        profile: whether the CPU time of its functions is measured (`sim/probe/cputime.py`).
        trace_turns: whether to write every turn, write and draw with its place (`sim/probe/turns.py`).
    """

    scenario: Scenario
    seed: int
    engine: str
    faults: str | None
    folder: str
    header: dict[str, Any]
    harness_root: str
    cache: str
    lock_hash: str
    echo: bool = False
    debug: bool = False
    until: int | str | None = None
    terminal: int | None = None
    probes: bool = True
    trace_turns: bool = False
    count_work: bool = False
    stress: bool = False
    profile: bool = False
    secrets: tuple[str, ...] = field(default=())
