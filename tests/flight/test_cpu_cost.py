"""A cost table in a flight of the real bot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.units import MS
from tests.flight.command import ROOT, Run, windtunnel

SMOKE = ROOT / "scenarios" / "smoke.yaml"


def fly(folder: Path, cost: str) -> Run:
    """Fly the smoke scenario with one cost; the bot's decisions take that long."""
    out = folder / cost
    call = windtunnel("run", SMOKE, "--set", f'bot.cpu={{"bot.strategy:decide": {cost}}}', "--out", out, cwd=folder)
    assert "CPU time modelled for 1 function" in call.err
    return Run(out)


def test_doubling_a_cost_moves_head_to_send(tmp_path: Path) -> None:
    """`bot.strategy:decide` at 10 ms in place of 5 ms: each transaction leaves 5 ms later, to the nanosecond."""
    single, double = fly(tmp_path, "5ms"), fly(tmp_path, "10ms")

    latencies = [run.result["metrics"]["latency.head_to_send"] for run in (single, double)]
    calls = [
        run.result["metrics"]["cpu.charged"]["value"] / cost for run, cost in ((single, 5 * MS), (double, 10 * MS))
    ]
    assert latencies[0]["count"] == latencies[1]["count"] == 1
    assert latencies[1]["p50"] - latencies[0]["p50"] == 5 * MS
    assert calls[0] == calls[1] > 1


def test_a_module_that_windtunnel_runs_on_is_refused(tmp_path: Path) -> None:
    """A function of aiohttp is shared with the world's servers: exit 2, the key's place and what to do."""
    call = windtunnel("run", SMOKE, "--set", 'bot.cpu={"aiohttp.client:ClientSession.close": 1ms}', cwd=tmp_path)

    assert call.code == 2
    assert "Windtunnel runs on 'aiohttp.client' itself; name the function of the bot that calls it" in call.err
    assert "--set" in call.err


@pytest.mark.parametrize("name", ["bot.strategy:decid", "bot.strateg:decide"])
def test_a_name_that_is_not_there_is_refused_before_anything_flies(tmp_path: Path, name: str) -> None:
    """Exit 2 from `validate` too, with what was probably meant."""
    call = windtunnel("validate", SMOKE, "--set", f'bot.cpu={{"{name}": 1ms}}', cwd=tmp_path)

    assert call.code == 2
    assert "did you mean 'decide'?" in call.err or "did you mean 'bot.strategy'?" in call.err
