"""The fault that crashes the bot's process."""

from __future__ import annotations

import pytest

from sim.fault.process import Crash, CrashSpec
from sim.fault.schedule import When
from sim.units import S


class Process:
    """A process that can be down once."""

    def __init__(self) -> None:
        self.crashes: list[tuple[int, bool]] = []

    def crash(self, restart_ns: int, silent: bool) -> bool:
        self.crashes.append((restart_ns, silent))
        return len(self.crashes) == 1


def test_a_crash_of_what_is_down_is_told_as_such() -> None:
    """The process is asked each time; the record says where it was down already."""
    process = Process()
    fault = Crash(CrashSpec("cut", When(at_ns=(S, 2 * S)), 5 * S, silent=True), process)

    told = [fault.begin(0), fault.begin(1)]

    assert process.crashes == [(5 * S, True)] * 2
    assert [each["was_down"] for each in told] == [False, True]


@pytest.mark.parametrize(("restart_ns", "duration_ns"), [(0, 0), (S, S)])
def test_a_crash_has_a_start_and_no_duration(restart_ns: int, duration_ns: int) -> None:
    """A start at the same instant, or a crash that lasts, is refused."""
    with pytest.raises(ValueError, match="a crash happens at an instant"):
        CrashSpec("cut", When(at_ns=(S,), duration_ns=duration_ns), restart_ns, silent=False)
