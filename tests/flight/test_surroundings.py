"""What a scenario puts around a bot: names to dial, a chain to find, an environment, another bot in its place."""

from __future__ import annotations

import json
from pathlib import Path

from sim.units import ETHER
from tests.flight.command import ROOT, ZOO, Run, windtunnel

HEAD = "0x15ef3c0"


def test_every_declared_name_can_be_dialled(tmp_path: Path) -> None:
    """Any path, port and scheme of a host leads to its node; down is refused; unknown names the key to add."""
    call = windtunnel("run", ZOO / "dials.yaml", "--out", "run", cwd=tmp_path)

    run = Run(tmp_path / "run")
    *dialled, down, nobody = [next(iter(json.loads(line).values())) for line in run.printed]
    assert dialled == [HEAD] * 6
    assert "Cannot connect to host down.example.com:80" in down
    assert "add `hosts: {nobody.example.com: ...}` to the scenario" in nobody
    assert call.code == 1
    assert "add `bot: {env: {API_TOKEN: ...}}` to the scenario" in run.finding("crash")["title"]
    assert run.finding("boundary")["gating"] is False


def test_another_bot_flies_in_the_shipped_world(tmp_path: Path) -> None:
    """--bot keeps the environment; mainnet's addresses hold mainnet's contracts, accounts hold what was given."""
    call = windtunnel(
        "run", ROOT / "scenarios" / "smoke.yaml", "--bot", ZOO / "survey.py", "--set", "bot.args=[x]",
        "--out", "run", "--json", cwd=tmp_path,
    )  # fmt: skip

    (found,) = map(json.loads, Run(tmp_path / "run").printed)
    assert call.code == 0, call.err
    assert found["weth"] > 3000
    assert found["multicall3"] > 3000
    assert found["create2_deployer"] == 69
    assert all(found[name] is True for name in ("chain", "is_mainnets_weth", "FACTORY_A", "FACTORY_B"))
    assert found["block"] == 23_000_000
    assert found["wrapped"] == 50 * ETHER
    assert 99 * ETHER < found["ether"] <= 100 * ETHER  # it paid for its executor
    wanted = "NODE_HTTP NODE_WS NODE_B_HTTP BOT_KEY CHAIN_ID WETH TOKEN FACTORY_A FACTORY_B TZ LANG HOME"
    assert set(wanted.split()) <= set(found["environment"])
    assert "--bot" in call.results[0]["replay"]


def test_uvloop_in_a_flight_is_told(tmp_path: Path) -> None:
    """A bot that asks for uvloop flies on our loop, and is told so in log, result and summary."""
    (tmp_path / "uvloop.py").write_text(
        "def install(): raise SystemExit('the real one')\nrun = new_event_loop = install\n"
    )
    (tmp_path / "fast.py").write_text(
        "import asyncio, uvloop\nuvloop.install()\nuvloop.run(asyncio.sleep(1))\n"
        "print(isinstance(asyncio.new_event_loop(), asyncio.SelectorEventLoop))\n"
    )

    call = windtunnel("run", ZOO / "bad" / "empty.yaml", "--bot", "fast.py", "--out", "run", cwd=tmp_path)

    run = Run(tmp_path / "run")
    told = "uvloop was asked for: the flight runs on Windtunnel's own loop, in the order of stock asyncio"
    assert call.code == 0, call.err
    assert run.printed == ["True"]
    assert run.result["notes"] == [told]
    assert run.log.count(told) == 1
    assert f"Note: {told}." in (run.folder / "summary.md").read_text()
    assert f"note     {told}" in call.err
