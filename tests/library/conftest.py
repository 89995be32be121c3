"""One call of the command flies every library; each test looks at its own flight."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flight.command import Call, Flock, once, windtunnel

HERE = Path(__file__).resolve().parent
LIBRARIES = (
    "aiohttp", "aiohttp_server", "httpx", "prometheus", "requests", "structlog", "web3_async", "web3_sync",
    "websockets",
)  # fmt: skip


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Flock:
    def fly(folder: Path) -> Call:
        scenarios = [HERE / f"{name}.yaml" for name in LIBRARIES]
        return windtunnel("run", *scenarios, "--json", "--out", folder, "-j", "2", cwd=folder)

    return once(tmp_path_factory.getbasetemp(), "libraries", fly)
