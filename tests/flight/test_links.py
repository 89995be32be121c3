"""Links of a scenario, felt by unmodified clients in flight."""

from __future__ import annotations

from pathlib import Path

from tests.flight.command import ZOO, Run, windtunnel

LINKS = ZOO / "links"


def fly(scenario: str, folder: Path, *more: str) -> Run:
    """Fly a scenario of the zoo's links; it must pass."""
    call = windtunnel("run", LINKS / scenario, "--out", folder, "--json", *more, cwd=folder.parent)
    assert call.code == 0, call.err
    return Run(folder)


def test_aiohttp_feels_delay_and_bandwidth_of_the_sites(tmp_path: Path) -> None:
    """Tokyo is 110 ms there and 90 ms back, at 1 Mbit/s back; the node without a link of its own stays at 20 ms."""
    run = fly("links.yaml", tmp_path / "run")

    said = {name: [int(each) for each in took] for name, *took in map(str.split, run.printed)}
    assert said["NODE_HTTP"][0] in range(200, 203)
    assert said["NODE_B_HTTP"][0] in range(20, 22)
    assert said["NODE_B_HTTP"][1] < 30, "21 kB at 100 Mbit/s, and twice the way"
    assert said["NODE_HTTP"][1] in range(360, 375), "21 kB at 1 Mbit/s take 165 ms"
