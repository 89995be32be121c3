"""Flights that several tests look at; each is flown once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flight.command import BAD, GOOD, ZOO, Call, Flock, once, windtunnel


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Flock:
    def fly(folder: Path) -> Call:
        scenarios = [ZOO / f"{name}.yaml" for name in GOOD]
        return windtunnel("run", *scenarios, "--json", "--out", folder, "-j", "2", cwd=folder)

    return once(tmp_path_factory.getbasetemp(), "good", fly)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Flock:
    def fly(folder: Path) -> Call:
        scenarios = [ZOO / "bad" / f"{name}.yaml" for name in BAD]
        return windtunnel("run", *scenarios, "--json", "--out", folder, "-j", "2", cwd=folder)

    return once(tmp_path_factory.getbasetemp(), "bad", fly)


@pytest.fixture(scope="session")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Flock:
    def fly(folder: Path) -> Call:
        scenario = ZOO / "bad" / "opposite_locks.yaml"
        return windtunnel("run", scenario, "--seeds", "4..5", "--json", "--out", folder, cwd=folder)

    return once(tmp_path_factory.getbasetemp(), "locks", fly)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Flock:
    """The real bot in the smoke scenario, called from a folder that has nothing to do with it."""

    def fly(folder: Path) -> Call:
        scenario = ZOO.parent.parent / "scenarios" / "smoke.yaml"
        return windtunnel("run", scenario, "--seeds", "1..2", "--json", "--out", folder, cwd=folder)

    return once(tmp_path_factory.getbasetemp(), "smoke", fly)
