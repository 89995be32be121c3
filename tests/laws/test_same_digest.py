"""Law 1: the same scenario and seed give the same digest, wherever and however they are flown."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.flight.command import ROOT, ZOO, Call, Flock, Run, surroundings, windtunnel

CHECKOUT = ("sim", "bot", "reports", "scenarios", "build/contracts")
"""What of the tree a flight reads: sources, and the artefacts that set-up made."""

NO_VECTORS = "glibc.cpu.hwcaps=-AVX2,-FMA"
SMOKE, QUICKSTART = "scenarios/smoke.yaml", "scenarios/quickstart.yaml"

FLY = """
import sys
root, scenario, out, hash_seed, *seeds = sys.argv[1:]
sys.path.insert(0, root)
from pathlib import Path
import sim
from sim.record import open_record
from sim.run import Order, fly
from sim.scenario import load
assert Path(sim.__file__).is_relative_to(root), sim.__file__
for seed in map(int, seeds):
    variables = (("PYTHONHASHSEED", hash_seed),)
    fly(Order(load(scenario), seed, out=Path(out) / str(seed), surroundings=variables))
"""


def elsewhere(tmp_path: Path) -> Path:
    """Return a copy of the checkout under a long path."""
    copy = tmp_path / "another" / "checkout with a longer name"
    for part in CHECKOUT:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def flown_differently(tmp_path: Path, scenario: str, seeds: Sequence[int]) -> list[str]:
    """Fly from a copy of the checkout, with all else that must not matter changed as well; return the digests.

    The other checkout path, hash seed, environment size, working directory, time zone and language, no AVX2 and no
    FMA in libm, and no start state in the cache.
    """
    checkout, out = elsewhere(tmp_path), tmp_path / "out"
    desk = tmp_path / "desk"
    desk.mkdir()
    padding = {f"PADDING_{number}": "x" * 500 for number in range(20)}
    environment = surroundings(
        TZ="Asia/Kathmandu", LANG="C", PYTHONHASHSEED="4711", GLIBC_TUNABLES=NO_VECTORS,
        WINDTUNNEL_CACHE=str(tmp_path / "cache"), **padding,
    )  # fmt: skip
    program = (sys.executable, "-P", "-c", FLY, checkout, checkout / scenario, out, "4711")

    call = windtunnel(*map(str, seeds), cwd=desk, program=program, env=environment)

    assert call.code == 0, call.err
    assert list((tmp_path / "cache").rglob("*")), "the start state was not made anew"
    return [Run(out / str(seed)).events("digest")[0].data["digest"] for seed in seeds]


def digests_of(call: Call) -> list[str]:
    """Return the digests that `--json` told, by seed."""
    assert call.code == 0, call.err
    return [result["digest"] for result in sorted(call.results, key=lambda result: result["seed"])]


def test_smoke_has_the_same_digest_in_another_process(smoke: Flock, tmp_path: Path) -> None:
    """Two seeds of smoke, flown by two processes that share nothing but the source's text; the seeds differ."""
    here = digests_of(smoke.call)

    there = flown_differently(tmp_path, SMOKE, [1, 2])

    assert there == here
    assert len(set(here)) == 2


@pytest.mark.full
def test_twenty_seeds_of_smoke_have_the_same_digest_in_another_process(tmp_path: Path) -> None:
    """Twenty seeds, twenty digests, each the same in both processes."""
    call = windtunnel("run", ROOT / SMOKE, "--seeds", "1..20", "--json", "--out", "here", "-j", "2", cwd=tmp_path)
    here = digests_of(call)

    there = flown_differently(tmp_path, SMOKE, range(1, 21))

    assert there == here
    assert len(set(here)) == 20


@pytest.mark.full
def test_five_seeds_of_quickstart_have_the_same_digest_in_another_process(tmp_path: Path) -> None:
    """Ten virtual minutes with all three faults, on five seeds, a tenth of the proof."""
    call = windtunnel("run", ROOT / QUICKSTART, "--seeds", "1..5", "--json", "--out", "here", "-j", "2", cwd=tmp_path)
    here = digests_of(call)

    there = flown_differently(tmp_path, QUICKSTART, range(1, 6))

    assert there == here
    assert len(set(here)) == 5


def test_a_cached_start_state_gives_the_same_digest(tmp_path: Path) -> None:
    """The first flight with an empty cache fills it, the second takes the state from there: one digest."""
    cache = tmp_path / "cache"
    environment = surroundings(WINDTUNNEL_CACHE=str(cache))

    digests, made = [], []
    for name in ("miss", "hit"):
        words = ["run", ZOO / "small.yaml", "--bot", ZOO / "quiet.py", "--out", name, "--json"]
        digests += digests_of(windtunnel(*words, cwd=tmp_path, env=environment))
        made.append({path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()})

    assert digests[0] == digests[1]
    assert len(made[0]) == 1
    assert made[1] == made[0]


def test_what_is_printed_and_where_it_lies_do_not_enter_the_digest(smoke: Flock, tmp_path: Path) -> None:
    """-v, --set of the value that stands there, another id and another folder leave the digest alone."""
    scenario = tmp_path / "another_name.yaml"
    scenario.write_text(f"extends: {ROOT / SMOKE}\n")

    call = windtunnel("run", scenario, "-v", "--set", "chain.slot=12000ms", "--out", "deep/er", "--json", cwd=tmp_path)

    assert digests_of(call) == digests_of(smoke.call)[:1]


def test_taking_faults_away_moves_no_other_stream(tmp_path: Path) -> None:
    """With one fault of two every other stream draws the same; with none, all that does not react to a reorg.

    The rival and the proposer draw once more for each block of the other branch, under keys of their own.
    """
    flights = []
    for number, words in enumerate(([], ["--faults", "deep"], ["--faults", "none"])):
        out = tmp_path / str(number)
        windtunnel("run", ROOT / SMOKE, "--bot", ZOO / "tidy.py", *words, "--out", out, cwd=tmp_path)
        flights.append(Run(out))

    with_all, with_one, with_none = (
        {event.actor: event.data for event in run.events("stream") if not event.actor.startswith("fault.")}
        for run in flights
    )
    assert {"market.flow", "market.price", "market.rival", "chain.proposer"} <= with_all.keys()
    assert with_all == with_one
    differing = {name for name in with_all if with_all[name] != with_none[name]}
    assert differing <= {"market.rival", "chain.proposer"}
    assert flights[0].events("price") == flights[1].events("price") == flights[2].events("price")
    assert [len(run.events("reorg")) for run in flights] == [1, 1, 0]
