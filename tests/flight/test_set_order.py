"""The order of sets as a dimension: recorded, the same in each process, and found only where a bot depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flight.command import ZOO, Run, windtunnel


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Flights of one bot and seed under several orders, two of them twice."""
    folder = tmp_path_factory.mktemp("orders")
    runs = {}
    for name, number in (("0", 0), ("0 again", 0), ("1", 1), ("2", 2), ("2 again", 2), ("3", 3)):
        out = folder / name
        words = ("--set", f"bot.set_order={number}") if number else ()
        windtunnel("run", ZOO / "bad" / "pays_in_set_order.yaml", *words, "--out", out, cwd=folder)
        runs[name] = Run(out)
    return runs


def test_an_order_is_the_same_in_each_process(flown: dict[str, Run]) -> None:
    """The same number gives the same digest and output in two processes, another number others; 0 is the default."""
    digests = {name: run.result["digest"] for name, run in flown.items()}

    assert digests["0"] == digests["0 again"]
    assert digests["2"] == digests["2 again"]
    assert flown["2"].printed == flown["2 again"].printed
    assert len(set(digests.values())) == len(digests) - 2
    assert flown["0"].printed[0].startswith("stopped [0, 1, 2, 3, 4, 5] ")
    assert len({run.printed[0].partition("texts")[2] for run in flown.values()}) > 1


def test_what_needs_another_order_is_of_level_2(flown: dict[str, Run]) -> None:
    """In the order of creation the bot passes; where another order makes it crash, world and finding say L2."""
    worlds = {name: run.result["fingerprint"]["world"] for name, run in flown.items()}
    failed = [run.finding("crash") for run in flown.values() if run.result["verdict"] == "fail"]

    assert flown["0"].result["verdict"] == "pass"
    assert failed
    assert {finding["level"] for finding in failed} == {"L2"}
    assert all(finding["gating"] for finding in failed)
    assert [worlds[name]["level"] for name in ("0", "1", "2")] == ["L0", "L2", "L2"]
    assert worlds["2"] == worlds["2 again"]
    assert len({worlds[name]["scenario"] for name in ("0", "1", "2")}) == 3


def test_a_replay_takes_the_recorded_order(flown: dict[str, Run], tmp_path: Path) -> None:
    """`replay` of an explored order gives the same digest and the exit code of then."""
    run = next(run for run in flown.values() if run.result["verdict"] == "fail")

    call = windtunnel("replay", run.folder, cwd=tmp_path)

    assert call.code == 1, call.err
    assert f"same digest {run.result['digest']}" in call.out + call.err
    assert "bot.set_order=" in run.result["replay"]
