"""Applications of the user's on hosts of their own."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
WINDTUNNEL = [str(Path(sys.executable).parent / "windtunnel")]


def test_a_bot_reaches_aiohttp_and_asgi_applications_and_the_ticker(tmp_path: Path) -> None:
    """Each answers over the protocol it is asked by, and the ticker sends a price whenever one moves."""
    scenario = ROOT / "tests" / "zoo" / "apps" / "apps.yaml"

    flown = subprocess.run(
        [*WINDTUNNEL, "run", scenario, "--out", tmp_path / "run", "--json"], capture_output=True, text=True, check=False
    )

    assert flown.returncode == 0, flown.stderr
    said = [line.split(" out ", 1)[1] for line in (tmp_path / "run" / "bot.log").read_text().splitlines()]
    assert said[:2] == ['{"hi": "bob"}', "asgi /x body"]
    assert said[3] == "echo hello"
    prices = [json.loads(said[index]) for index in (2, 4, 5, 6)]
    assert prices[0]["price"] == "0.000500000000000000"
    assert [price["time_ms"] % 1000 for price in prices[2:]] == [0, 0]
    assert len({price["wei_per_token"] for price in prices[1:]}) == 3


def test_an_application_that_is_not_there_is_refused_with_its_place(tmp_path: Path) -> None:
    """The error names the line of `app`, what was looked for, and the applications that ship."""
    scenario = ROOT / "tests" / "zoo" / "apps" / "apps.yaml"
    change = 'hosts."api.example.com".app=nosuch:app'

    flown = subprocess.run(
        [*WINDTUNNEL, "run", scenario, "--set", change, "--out", tmp_path / "run", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (flown.returncode, flown.stdout) == (2, "")
    assert "nosuch" in flown.stderr
    assert "windtunnel:ticker" in flown.stderr
    assert not (tmp_path / "run").exists()
