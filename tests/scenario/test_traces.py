"""Recorded traces are read from CSV files, and refused with the file's line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.scenario import Scenario, load, resolved, world_hash
from sim.units import MS, S

Write = Callable[..., Path]
Loaded = Callable[..., Scenario]
Refused = Callable[..., str]

LEAST = "duration: 60s\nbot: {script: fly.py}\n"
LINK = "links: [{between: [bot, '*'], trace: t.csv}]\n"


def test_rows_begin_at_the_first_and_say_hosts_methods_and_ends(write: Write, loaded: Loaded) -> None:
    """Epoch seconds become time since the first row, URLs become hosts, good statuses are ok; units may be written."""
    write(
        "time,latency_ms,method,endpoint,status\n"
        "1767225601.5,40.25,eth_call,https://RPC.example.com:443/v2,200\n"
        "\n"
        "1767225600,1s500ms,GET,rpc.example.com:80,Timeout\n"
        "1767225602,7,,,503\n",
        "t.csv",
    )

    trace = loaded(LINK).links[0].trace

    assert trace is not None
    assert [tuple(row) for row in trace.rows] == [
        (1_500 * MS, "rpc.example.com", "eth_call", 40_250_000, "ok"),
        (0, "rpc.example.com", "GET", 1_500 * MS, "timeout"),
        (2 * S, "", "", 7 * MS, "503"),
    ]


def test_what_a_trace_holds_is_part_of_the_world_and_its_place_is_not(write: Write) -> None:
    """The resolved scenario names the file in full; the world's hash is that of the rows."""
    text = "time,latency_ms\n0,5\n"
    write(text, "t.csv")
    write(text, "copy.csv")
    write(text.replace("5", "6"), "other.csv")
    hashes, texts = [], []

    for name in ("t.csv", "copy.csv", "other.csv"):
        write(LEAST + LINK.replace("t.csv", name))
        scenario = load("s.yaml")
        hashes.append(world_hash(scenario))
        texts.append(resolved(scenario))

    assert hashes[0] == hashes[1] != hashes[2]
    assert str(Path("copy.csv").absolute()) in texts[1]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "cannot read"),
        ("", "no column 'time'; there are none"),
        ("time,latency_ms\n", "t.csv has no rows"),
        ("time,delay\n", "has a column 'delay'; columns are time, endpoint, method, latency, status"),
        ("time,latncy\n", "has a column 'latncy'; did you mean 'latency'?"),
        ("time,status\n", "no column 'latency'"),
        ("time,latency\n0,5\n", "t.csv:2: 5 has no unit; write a duration"),
        ("time,latency_ms\n0,5\nnoon,5\n", "t.csv:3: 'noon' is not a duration"),
        ("time,latency_ms,status\n0,5,down\n", "t.csv:2: 'down' is no status; write ok, timeout, reset, refused or"),
        ("time,latency_ms,status\n0,5,999\n", "t.csv:2: '999' is no status"),
    ],
)
def test_a_bad_trace_is_refused(write: Write, refused: Refused, text: str | None, part: str) -> None:
    """With the place of the key, and the line of the file where it has one."""
    if text is not None:
        write(text, "t.csv")

    message = refused(LEAST + LINK)

    assert message.startswith("s.yaml:3:38: links[0].trace: ")
    assert part in message


def test_a_trace_goes_both_ways_and_has_the_delay_to_itself(write: Write, refused: Refused) -> None:
    """It holds requests and answers, so one direction makes no sense, nor a delay beside it."""
    write("time,latency_ms\n0,5\n", "t.csv")

    one_way = refused(LEAST + "links: [{from: bot, to: '*', trace: t.csv}]\n")
    delayed = refused(LEAST + "links: [{between: [bot, '*'], delay: 1ms, trace: t.csv}]\n")

    assert one_way.startswith("s.yaml:3:30: links[0].trace: a trace holds requests and answers; give between")
    assert delayed.startswith("s.yaml:3:31: links[0].delay: delay and trace are both given")
