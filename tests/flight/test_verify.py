"""`windtunnel verify`: two flights of a seed, and the place where they part."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.flight.command import WINDTUNNEL, ZOO, surroundings, windtunnel

CLOCK = ZOO / "bad" / "reads_a_real_clock.yaml"


def test_equal_flights_are_told_on_one_line_a_seed(tmp_path: Path) -> None:
    """Two flights of a seed have one digest, other seeds another: exit 0, a JSON line each, nothing left over."""
    call = windtunnel("verify", ZOO / "stranger.yaml", "--seeds", "1..2", "--json", "-j", "2", cwd=tmp_path)

    assert call.code == 0, call.err
    assert [line["equal"] for line in call.results] == [True, True]
    assert sorted(line["seed"] for line in call.results) == [1, 2]
    assert len({digest for line in call.results for digest in line["digests"]}) == 2
    assert "stranger" in call.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bot", "place"),
    [("reads_a_real_clock", "reads_a_real_clock.py:10 hesitate"), ("sends_its_age", "sends_its_age.py:14 main")],
)
def test_planted_nondeterminism_is_caught_and_its_line_named(bot: str, place: str, tmp_path: Path) -> None:
    """A bot that reads the real clock or the real process by a way nobody covers: exit 4, both stacks, its line."""
    call = windtunnel("verify", ZOO / "bad" / f"{bot}.yaml", "--json", "--out", tmp_path / "kept", cwd=tmp_path)

    (line,) = call.results
    assert call.code == 4, call.err
    assert line["equal"] is False
    assert any(frame.endswith(place) for frame in line["turns"]["first"][3])
    assert any(frame.endswith(place) for frame in line["turns"]["second"][3])
    assert place in call.err
    assert len(list((tmp_path / "kept").rglob("turns.jsonl.zst"))) == 2


def test_flights_without_a_digest_are_inconclusive(tmp_path: Path) -> None:
    """Where the process died in both flights there is nothing to compare: exit 3, and it says so."""
    call = windtunnel("verify", ZOO / "bad" / "segfaults.yaml", "--json", cwd=tmp_path)

    (line,) = call.results
    assert call.code == 3, call.err
    assert line["digests"] == [None, None]
    assert "left no digest to compare" in call.err


def test_a_share_of_runs_flies_twice(tmp_path: Path) -> None:
    """`run --verify-share` flies the first run a second time and ends with 4 where its digest differs; others pass."""
    call = windtunnel(
        "run", CLOCK, "--seeds", "1..2", "--verify-share", "10%", "--out", tmp_path / "runs", cwd=tmp_path
    )

    assert call.code == 4
    assert "a second flight differs" in call.err
    assert call.err.count("two flights, digests") == 1
    assert (tmp_path / "runs" / "reads_a_real_clock" / "1" / "record.jsonl.zst").is_file()


@pytest.mark.parametrize("share", ["110%", "-1", "some", "1/0"])
def test_a_share_is_a_share(share: str, tmp_path: Path) -> None:
    """What is no share from 0 to 100% is refused with an example."""
    call = windtunnel("run", CLOCK, f"--verify-share={share}", cwd=tmp_path)

    assert call.code == 2
    assert "as in 10%" in call.err


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    """Ctrl-C while flights are under way ends with 130 and leaves nothing behind."""
    process = subprocess.Popen(
        [WINDTUNNEL, "verify", ZOO / "stranger.yaml", "--seeds", "1..50", "--json"],
        cwd=tmp_path, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)

    assert first["equal"]
    assert process.returncode == 130
    assert len(rest.splitlines()) < 49
    assert list(tmp_path.iterdir()) == []
