"""The scenarios that come along are what the interface says they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sim.scenario import Scenario, load, references, resolved, world_hash
from sim.units import MINUTE, S

ROOT = Path(__file__).resolve().parents[2]
ENV = {"NODE_HTTP", "NODE_WS", "NODE_B_HTTP", "BOT_KEY", "CHAIN_ID", "WETH", "TOKEN", "FACTORY_A", "FACTORY_B"}


@pytest.fixture(params=["quickstart", "smoke"])
def shipped(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Load a shipped scenario from a caller's directory that is not the checkout."""
    monkeypatch.chdir(tmp_path)
    return load(ROOT / "scenarios" / f"{request.param}.yaml")


def test_they_define_what_scripts_rely_on(shipped: Scenario) -> None:
    """Nodes a and b, account bot, contracts, venues and the bot's environment have the names of the interface."""
    assert {"a", "b"} <= set(shipped.nodes)
    assert "bot" in shipped.accounts
    assert {"weth", "token"} <= set(shipped.contracts)
    assert {"uniswap_v2", "uniswap_v2_fork"} <= set(shipped.market.venues)
    assert shipped.bot is not None
    assert set(shipped.bot.env) >= ENV


def test_something_goes_wrong_in_each(shipped: Scenario) -> None:
    """One reorg of depth 2 and one disconnect, traders, one rival, latency from a distribution."""
    kinds = [fault.kind for fault in shipped.faults]

    assert (kinds.count("reorg"), kinds.count("disconnect")) == (1, 1)
    assert [fault.depth for fault in shipped.faults if fault.kind == "reorg"] == [2]
    assert shipped.market.flow is not None
    assert len(shipped.market.rivals) == 1


def test_their_bot_is_found_from_anywhere(shipped: Scenario) -> None:
    """The bot's path is the checkout, wherever the caller is."""
    assert shipped.bot is not None
    assert shipped.bot.path == ROOT


def test_they_resolve_to_themselves(shipped: Scenario, tmp_path: Path) -> None:
    """The resolved file is a scenario of its own, with the same world."""
    (tmp_path / "again.yaml").write_text(resolved(shipped))

    again = load("again.yaml")

    assert again.model_dump() == shipped.model_dump()
    assert world_hash(again) == world_hash(shipped)
    assert references.names(again) == references.names(shipped)


def test_their_lengths_are_those_of_the_readme() -> None:
    """The quickstart flies ten minutes, 50 slots of 12 s; smoke 60 s."""
    quickstart, smoke = (load(ROOT / "scenarios" / f"{name}.yaml") for name in ("quickstart", "smoke"))

    assert (quickstart.duration, quickstart.chain.slot, smoke.duration) == (10 * MINUTE, 12 * S, 60 * S)


def test_a_scenario_is_read_without_the_heavy_libraries() -> None:
    """`windtunnel validate` answers at once: neither the EVM nor web3 nor matplotlib is imported."""
    program = "import sys, sim.scenario; print(*{name.partition('.')[0] for name in sys.modules})"

    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert not set(out.split()) & {"web3", "eth", "eth_abi", "matplotlib", "numpy", "aiohttp", "asyncio", "simpy"}
