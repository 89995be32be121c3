"""`windtunnel profile` measures real CPU time and writes a table that a scenario takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sim.errors import UsageError
from sim.profile import spelt, table
from sim.run import Order, fly
from sim.scenario import load
from tests.flight.command import ZOO, Run, windtunnel

COMPUTES = ZOO / "computes.yaml"


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(text)
    return found


def row(calls: int = 1, total_ns: int = 1000, steps: int = 0, **quantiles_ns: int) -> dict[str, Any]:
    quantiles = {f"p{percent}": 1000 for percent in (10, 50, 90, 99, 100)} | quantiles_ns
    return {"calls": calls, "total_ns": total_ns, "steps": steps, "quantiles_ns": quantiles}


def test_a_profile_is_a_table_that_flies(tmp_path: Path) -> None:
    """Own time by function, on a named machine; the file is `bot.cpu` of the next flight."""
    measured = windtunnel("profile", COMPUTES, "-o", "cpu.yaml", cwd=tmp_path)
    text = (tmp_path / "cpu.yaml").read_text()
    flown = windtunnel("run", COMPUTES, "--set", f"bot.cpu={tmp_path / 'cpu.yaml'}", "--out", "out", cwd=tmp_path)

    names = read(text).keys()
    assert measured.code == flown.code == 0
    assert next(iter(names)) == "__main__:burn"
    assert {"__main__:calls_burn", "__main__:waits", "__main__:in_thread", "__main__:Book.update"} <= names
    assert not any("<" in name for name in names)
    assert "# left out: __main__:loops is a loop (" in text
    assert "CPython" in text
    assert f"CPU time modelled for {len(names)} functions" in flown.err
    assert Run(tmp_path / "out").result["metrics"]["cpu.charged"]["value"] > 1_000_000


def test_measuring_moves_no_virtual_time(tmp_path: Path) -> None:
    """A profiled flight has the digest of a plain one."""
    scenario = load(COMPUTES)
    digests = []
    for profile in (False, True):
        folder = tmp_path / str(profile)
        fly(Order(scenario, seed=1, profile=profile, out=folder), finish=lambda folder: None)
        notes = [event for event in Run(folder).record.events() if event.kind == "digest"]
        digests += [event.data["digest"] for event in notes]

    assert len(digests) == 2
    assert digests[0] == digests[1]


def test_the_table_lists_what_took_most() -> None:
    """Ordered by total, cut at the top, quantiles where they differ, loops and what is not found left out."""
    measured = {
        "m:small": row(total_ns=10),
        "m:large": row(calls=9, total_ns=90_000, p99=5_000, p100=9_000),
        "m:middle": row(total_ns=500),
        "m:loop": row(steps=1000, total_ns=10**9),
        "m:nowhere": row(total_ns=10**8),
    }

    text = table(measured, 2, "s.yaml seed 1", lambda name: name != "m:nowhere")

    assert read(text) == {
        "m:large": {"quantiles": {"p10": "1us", "p50": "1us", "p90": "1us", "p99": "5us", "p100": "9us"}},
        "m:middle": "1us",
    }
    assert "# and 2 more functions with 100ms in all" in text
    assert "m:loop is a loop (1000 steps a call, 1s in all)" in text


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [(0, "0ns"), (7, "7ns"), (1234, "1.23us"), (999_999, "999us"), (1_000_000, "1ms"), (12_345_678_901, "12.3s")],
)
def test_durations_have_three_digits(value_ns: int, text: str) -> None:
    """More would be noise of the machine."""
    assert spelt(value_ns) == text


def test_a_bot_that_ends_no_call_has_no_table() -> None:
    """Exit 2 with the reason, in place of an empty file."""
    with pytest.raises(UsageError, match="nothing to list"):
        table({}, 20, "s.yaml seed 1")
