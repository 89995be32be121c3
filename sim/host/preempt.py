"""Preemption: who runs on and on gives others their turn, after a seeded count of turns of its loops.

The interpreter switches threads wherever it likes; the baton changes hands only where a thread waits. Code that waits
without waiting (`while not self.done: pass`) would keep it for ever. Whatever runs without end goes round a loop, so
the first statement of each loop in the bot's code, compiled into it, counts.
"""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from sim.host import machine as machines
from sim.host.threads import Baton, BatonThread
from sim.rng import Stream
from sim.units import MS, S

TURN_NS = 100
"""Virtual time of one turn of a loop, charged to who is preempted."""

TURNS_MIN = 1_000
"""Turns that anybody may take; a seeded count of at most as many follows."""

SPIN_TURNS = 16
"""Turns of a busy wait between two preemptions: it has found nothing before, with the same local variables."""

SPIN_NS_MAX = MS
"""How late a busy wait may notice what it waits for; a fifth of the interpreter's own switch interval."""

IDLE_NS = S
"""How long a busy wait waits where nothing at all is going to happen."""

_MARK = "windtunnel.preempt"
_BODIES = ("body", "orelse", "handlers", "finalbody", "cases")  # where statements have statements in them
_LOOP = re.compile(rb"^[ \t]*(?:while|for)\b", re.MULTILINE)
_OPTIMIZED = 1  # CO_OPTIMIZED: the code of a function, whose `f_locals` are a copy until 3.12

_find_frame = sys._getframe
_running_loop = asyncio._get_running_loop


class Preemption:
    """Counts turns of loops while the bot has threads besides the one that drives its loop.

    One count serves all threads, since one runs at a time; it begins anew where the baton changed hands, the clock
    moved or the loop turned meanwhile.

    A busy wait is told by its local variables, which are the same objects at two preemptions. What it waits for can
    only come from outside, so it sleeps until something is due; one that reads a clock sleeps `SPIN_NS_MAX` at most.

    Args:
        is_own: whether a file is the bot's own code.
        stream: what the counts are drawn from.
    """

    __slots__ = (
        "_baton",
        "_debt_ns",
        "_drawn",
        "_is_own",
        "_left",
        "_machine",
        "_mark",
        "_spins",
        "_stream",
        "_taken",
        "on",
    )

    def __init__(self, baton: Baton, stream: Stream, is_own: Callable[[str], bool]) -> None:
        self._baton = baton
        self._machine = baton.machine
        self._stream = stream
        self._is_own = is_own
        self._left = 0
        self._mark: object = None
        self._drawn = False
        self._taken = 0
        self._debt_ns = 0
        self._spins: dict[BatonThread | None, tuple[list[Any], int]] = {}
        self.on = False
        baton.on_count = self._switch_on

    def _switch_on(self, alive: int) -> None:
        """Count while threads live; what is remembered of one that ended would keep its objects alive."""
        self.on = alive > 0
        if self._spins:
            self._spins = {who: stand for who, stand in self._spins.items() if alive and not (who and who.finished)}

    # What `Charges` asks ----------------------------------------------------------------------------------------

    def covers(self, path: str) -> bool:
        """Say whether a file has loops that count; reading its text is cheaper than compiling it anew."""
        return self._is_own(path) and _LOOP.search(Path(path).read_bytes()) is not None

    def instrument(self, tree: ast.Module, module: str) -> None:
        """Put a mark at the head of every loop."""
        nodes: list[Any] = list(tree.body)
        for node in nodes:
            for name in _BODIES:
                nodes += getattr(node, name, ())
            if isinstance(node, ast.While | ast.For):
                on, turn = (ast.Attribute(ast.Constant(_MARK), name, ast.Load()) for name in ("on", "turn"))
                statement = ast.Expr(ast.BoolOp(ast.And(), [on, turn]))
                node.body.insert(0, ast.fix_missing_locations(ast.copy_location(statement, node.body[0])))

    def constant(self, mark: str) -> object:
        """Return what stands in the compiled code for *mark*."""
        return self if mark == _MARK else mark

    # While it flies ---------------------------------------------------------------------------------------------

    @property
    def turn(self) -> None:
        """Count a turn; an attribute because the compiler takes one of any constant without a word."""
        self._left -= 1
        if self._left <= 0:
            self._over()

    def _over(self) -> None:
        if machines.running is not self._machine:
            return  # an application of the user's shares this module, and the world has no threads
        mark = self._progress()
        if mark != self._mark:
            self._spins.pop(self._baton.current, None)
            self._begin(mark, TURNS_MIN)
        elif not self._drawn:
            self._left = 1 + self._stream.below(TURNS_MIN, self._baton.switches, self._baton.env._now)
            self._drawn = True
            self._taken += self._left
        else:
            self._preempt(_find_frame(2))

    def _begin(self, mark: object, turns: int, drawn: bool = False) -> None:
        self._mark, self._left, self._taken, self._drawn = mark, turns, turns, drawn
        self._debt_ns = self._machine.debt_ns

    def _progress(self) -> object:
        baton = self._baton
        return baton.switches, baton.env._now, getattr(_running_loop(), "turns", 0)

    def _preempt(self, frame: FrameType) -> None:
        """Let others run: for as long as the turns took, or in a busy wait until something may have changed."""
        baton, machine, who = self._baton, self._machine, self._baton.current
        reads_clock = machine.debt_ns > self._debt_ns
        cost_ns = self._taken * TURN_NS
        machine.debt_ns += cost_ns
        before = self._spins.pop(who, None)
        stand = _stand(frame)
        wait_ns, repeats = 0, 0
        if before is not None and _same(before[0], stand):
            repeats = before[1] + 1
            wait_ns = min(cost_ns << min(repeats, 32), SPIN_NS_MAX)
            next_ns = baton.env.peek()
            if not reads_clock:
                left_ns = IDLE_NS if next_ns == float("inf") else int(next_ns) - machine.now_ns()
                wait_ns = max(wait_ns, left_ns)
        self._spins[who] = (stand, repeats)
        baton.block("its turn", wait_ns, lambda waiter: None)
        if repeats:
            self._begin(self._progress(), SPIN_TURNS, drawn=True)
        else:
            self._begin(self._progress(), TURNS_MIN)


def _stand(frame: FrameType) -> list[Any]:
    """Return where *frame* is and what its variables hold."""
    variables = frame.f_locals
    stand = [frame.f_code, *variables.values()]
    if type(variables) is dict and frame.f_code.co_flags & _OPTIMIZED:
        variables.clear()  # until 3.12 a copy that the frame keeps, and with it what is in it
    return stand


def _same(before: list[Any], after: list[Any]) -> bool:
    return len(before) == len(after) and all(
        one is other or (type(one) is int and one == other) for one, other in zip(before, after, strict=True)
    )
