"""web3.py 7 flies as 8 does, in an environment of its own: a wheel of this checkout beside somebody's older library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flight.command import ROOT, Run, windtunnel
from tests.library.conftest import HERE

WEB3 = "web3==7.16.0"
WHEELS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "windtunnel" / "wheels"


def call(*command: str | Path) -> None:
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with this checkout's wheel and web3.py 7; what is not in the cache comes from PyPI."""
    folder = tmp_path_factory.mktemp("seven")
    call(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT)
    call(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    found = [option for wheels in sorted(WHEELS.glob("py*")) for option in ("--find-links", wheels)]
    wheel = next(folder.glob("*.whl"))
    call(python, "-m", "pip", "install", "--quiet", "--no-compile", "--prefer-binary", *found, wheel, WEB3, "aiodns")
    return folder


@pytest.mark.full
@pytest.mark.parametrize("name", ["web3_async", "web3_sync"])
def test_web3_seven_flies(seven: Path, name: str) -> None:
    """The bots that fly on web3.py 8 print the same on 7 and get their transaction included."""
    out = seven / name

    done = windtunnel(
        "run", HERE / f"{name}.yaml", "--out", out, "--json", cwd=seven, program=[seven / "venv" / "bin" / "windtunnel"]
    )

    run = Run(out)
    expected = {
        "web3_async": ["batch 1 True", "head 23000001", "head 23000002", "included 1"],
        "web3_sync": [
            "blocks {23000001} 20", "connected True block 23000000 0.06", "included 1 while the loop ticked True",
        ],
    }  # fmt: skip
    assert done.code == 0, done.err + run.log
    assert sorted(run.printed) == expected[name]
    assert run.result["metrics"]["bot.included"]["value"] == 1
