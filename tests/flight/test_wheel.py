"""The wheel alone flies: a stranger's own environment, folder and bot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest

from tests.flight.command import ROOT, ZOO, surroundings, windtunnel


@pytest.mark.full
def test_a_stranger_flies_from_an_environment_with_the_wheel_alone(tmp_path: Path) -> None:
    """A wheel built here, in a new environment that has its requirements, flies a repository that is not ours."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "dist", ROOT]
    subprocess.run(build, cwd=tmp_path, env=surroundings(), check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    home = tmp_path / "stranger"
    shutil.copytree(ZOO / "foreign", home / "foreign")
    venv.create(home / "venv", with_pip=False)
    (site,) = (home / "venv" / "lib").glob("python3*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", home / "venv" / "bin" / "python", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], env=surroundings(), check=True, capture_output=True)
    # What the wheel requires is there already, in the environment of these tests; a .pth inside that is not followed.
    (site / "requirements.pth").write_text(f"{Path(aiohttp.__file__).parent.parent}\n")
    program = (home / "venv" / "bin" / "windtunnel",)

    call = windtunnel("run", "windtunnel.yaml", "--json", cwd=home / "foreign", program=program)
    where = subprocess.run(
        [home / "venv" / "bin" / "python", "-P", "-c", "import sim; print(sim.__file__)"],
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )

    assert {name.partition("/")[0] for name in ZipFile(wheel).namelist() if ".dist-info/" not in name} == {
        "sim",
        "reports",
    }
    assert Path(where.stdout.strip()).is_relative_to(site)
    assert call.code == 0, call.err
    assert json.loads(call.out)["verdict"] == "pass"
