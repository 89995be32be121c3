"""One simulated computer: where it stands on the network, what its clocks say, what its work costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sim.host.clock import NsEnvironment
from sim.units import US, S

if TYPE_CHECKING:  # batons build on machines
    from sim.host.threads import Baton


@dataclass(frozen=True, slots=True)
class CostModel:
    """Virtual time that work takes. Wall time never enters it.

    Args:
        iteration_ns: one turn of the event loop (a poll of the selector).
        handle_ns: one callback or task step.
        clock_read_ns: one reading of any clock, so that a loop that waits by reading the clock ends.

    Source:
        Chosen near what stock asyncio takes on a server (4 us a turn, 1.3 us a callback) with room for the bot's own
        work; `sim/README.md` says what that means for findings.
    """

    iteration_ns: int = 20 * US
    handle_ns: int = 2 * US
    clock_read_ns: int = 100


FREE = CostModel(iteration_ns=0, handle_ns=0, clock_read_ns=0)


class Resting(Protocol):
    """A loop that only polls, in a turn that was made longer."""

    def look_again(self) -> None:
        """End that turn now."""
        ...


class Machine:
    """A host of the world: the bot's, or the one that all simulated servers share.

    `debt_ns` is virtual time that the code now running has used since the environment's clock last moved. Whoever
    runs the code pays it off when the code yields.

    The wall clock is the environment's, moved by an offset and a drift, and by whoever sets it. The monotonic clock has
    neither: it never goes back.
    """

    __slots__ = (
        "_wall_drift", "_wall_offset_ns", "baton", "cost", "debt_ns", "env", "epoch_ns", "monotonic_base_ns", "resting",
        "set_order", "site",
    )  # fmt: skip

    def __init__(
        self,
        env: NsEnvironment,
        site: str,
        *,
        epoch_ns: int,
        monotonic_base_ns: int = 10_000 * S,
        cost: CostModel = FREE,
    ) -> None:
        self.env = env
        self.site = site
        self.epoch_ns = epoch_ns
        self.monotonic_base_ns = monotonic_base_ns
        self.cost = cost
        self.debt_ns = 0
        self.set_order = 0  # which order sets of tasks are gone through, of those that memory might give
        self._wall_offset_ns = 0
        self._wall_drift: tuple[int, int] = (0, 1)
        self.baton: Baton | None = None  # whoever hands out the right to run sets it
        self.resting: list[Resting] = []  # loops amid a long turn of a poll

    def now_ns(self) -> int:
        """Return this machine's instant on the environment's clock, unpaid work included."""
        return self.env._now + self.debt_ns

    def read_monotonic_ns(self) -> int:
        """Read the monotonic clock; it costs `clock_read_ns`."""
        self.debt_ns += self.cost.clock_read_ns
        return self.monotonic_base_ns + self.env._now + self.debt_ns

    def read_wall_ns(self) -> int:
        """Read the wall clock (ns since 1970); it costs `clock_read_ns`."""
        self.debt_ns += self.cost.clock_read_ns
        t_ns = self.env._now + self.debt_ns
        gained, of = self._wall_drift
        return self.epoch_ns + t_ns + self._wall_offset_ns + t_ns * gained // of

    def set_wall(self, offset_ns: int, drift: tuple[int, int]) -> None:
        """Let the wall clock be wrong by *offset_ns* at the start, and gain *drift[0]* ns in every *drift[1]*."""
        self._wall_offset_ns = offset_ns
        self._wall_drift = drift

    def step_wall(self, by_ns: int) -> None:
        """Set the wall clock forward by *by_ns*, or back."""
        self._wall_offset_ns += by_ns

    def stir(self) -> None:
        """Code of this machine runs that is not a turn of the loop that polls: the poll looks again."""
        for loop in self.resting:
            loop.look_again()

    def settle_ns(self) -> int:
        """Return the instant at which the work done so far is over, and owe nothing more."""
        t_ns = self.env._now + self.debt_ns
        self.debt_ns = 0
        return t_ns


running: Machine = Machine(NsEnvironment(), "nowhere", epoch_ns=0)
"""The machine whose code runs now: the loop that turns sets it, and the clocks of the process answer for it."""
