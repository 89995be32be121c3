"""Links of a scenario, felt by unmodified clients in flight."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flight.command import ROOT, ZOO, Call, Run, once, windtunnel

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


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Fly the bot that meets one trouble after another once, and return what it saw of each."""

    def flown(folder: Path) -> Call:
        return windtunnel("run", LINKS / "troubles.yaml", "--out", folder / "run", "--json", cwd=folder)

    flock = once(tmp_path_factory.getbasetemp(), "troubles", flown)
    assert flock.call.code == 0, flock.call.err
    lines = (line.split(" | ", 1) for line in Run(flock.folder / "run").printed)
    return dict(lines)  # type: ignore[arg-type]


def test_a_partition_costs_more_than_it_lasts(seen: dict[str, str]) -> None:
    """A request sent into a partition of ten seconds arrives at TCP's next retransmission: after 12.6 s, not 9.

    With the way back cut alone it is the answer that waits.
    """
    assert seen["cut before"] == seen["one_way before"] == "0x1 61"
    assert seen["cut"] == seen["one_way"] == "0x1 12620"


def test_a_degraded_link_is_slow_while_it_lasts(seen: dict[str, str]) -> None:
    """200 ms each way instead of 10."""
    assert seen["lossy"] == "0x1 400"


def test_a_half_open_connection_looks_open(seen: dict[str, str]) -> None:
    """A ping on it is answered by a reset, or by nothing until websockets gives up; so is what a stream sends."""
    assert seen["reboot looks open"] == seen["nat looks open"] == "OPEN False"
    assert seen["reboot websocket"] == "ConnectionClosedError 14101", "the next ping is due after 14 s"
    assert seen["reboot stream"] == "ConnectionResetError 20"
    assert seen["nat websocket"] == "ConnectionClosedError 44081", "20 s for the pong, 10 s to close"
    assert seen["nat stream"] == "TimeoutError 30000"


def test_a_disconnect_may_refuse_for_a_while_and_take_a_share(seen: dict[str, str]) -> None:
    """A restart resets connections and refuses new ones; a share of one half resets about half of twenty."""
    assert seen["restart"].startswith("ConnectionResetError")
    assert seen["restart refuses"].startswith("ConnectionRefusedError")
    assert 5 <= int(seen["some"]) <= 15


def test_a_close_may_come_late(seen: dict[str, str]) -> None:
    """The `close` of websockets waits for the server's end of the stream, seven seconds late."""
    assert seen["slow_fin"] == "None 7020"


def test_a_node_closes_idle_connections(seen: dict[str, str]) -> None:
    """Forty seconds after its answer the node ends the stream."""
    assert seen["keep_alive first"] == "HTTP/1.1 200 OK 20"
    assert seen["keep_alive"].endswith(" 40000")


def test_a_request_may_cross_with_the_close(seen: dict[str, str]) -> None:
    """Sent 3 ms before the end of the stream is here, a POST on a pooled connection fails: the server has closed."""
    assert seen["crossing first"].startswith("0x1")
    assert seen["crossing"] == "ServerDisconnectedError 3"


def test_names_fail_and_move(seen: dict[str, str]) -> None:
    """The resolver says no at once, says nothing for ten seconds, or gives the other host's address."""
    assert seen["gone"] == "gaierror 1"
    assert seen["mute"] == "gaierror 10000"
    assert "10.0." in seen["moved"]
    assert seen["addresses"] == "True"
    errors = [seen[f"{name} aiohttp"].split()[0] for name in ("gone", "mute", "moved")]
    assert errors == ["ClientConnectorDNSError", "ClientConnectorDNSError", "0x1"]


def test_a_host_gets_slow(seen: dict[str, str]) -> None:
    """Three times 20 ms, 40 ms more, and half a millisecond for the name."""
    assert seen["slow"] == "101"


def test_a_black_hole_is_given_up_after_127_seconds(seen: dict[str, str]) -> None:
    """Six more handshakes are begun, then the connect times out."""
    assert seen["silent"] == "TimeoutError 127001"


def test_an_idle_connection_is_forgotten_on_the_way(seen: dict[str, str]) -> None:
    """Quiet for 340 s is well, for 360 s too long where 350 s is the limit: a pooled connection fails a POST."""
    assert [seen[name] for name in ("idle first", "idle allowed", "idle again")] == ["0x1 61", "0x1 20", "0x1 61"]
    assert seen["idle"] == "ClientOSError 20"


def test_faults_of_the_network_stand_in_the_record(tmp_path: Path) -> None:
    """Begin and end of each, with what was done; without them nothing of it happens."""
    call = windtunnel(
        "run", LINKS / "troubles.yaml", "--faults", "cut,moved", "--set", "duration=900s", "--out", tmp_path / "run",
        "--json", cwd=tmp_path,
    )  # fmt: skip
    assert call.code in (0, 1), call.err

    faults = [(event.actor, event.site, event.data) for event in Run(tmp_path / "run").events("fault")]

    assert [(actor, site, data["phase"]) for actor, site, data in faults] == [
        ("cut", "bot-node-a", "begin"),
        ("cut", "bot-node-a", "end"),
        ("moved", "a.example.com", "begin"),
        ("moved", "a.example.com", "end"),
    ]
    assert faults[0][2]["directions"] == [["bot", "node-a"], ["node-a", "bot"]]
    assert faults[2][2]["answer"] == "b.example.com"
    assert "one_way | 0x1 20" in Run(tmp_path / "run").log


def test_metrics_over_udp_reach_a_host_or_are_lost(tmp_path: Path) -> None:
    """Of the statsd lines of a blocking socket and an asyncio endpoint a fifth is gone; HTTP beside them is whole."""
    run = fly("metrics.yaml", tmp_path / "run")

    assert all(65 <= int(each) <= 92 for each in run.printed[0].split())
    assert run.result["findings"] == []


def test_a_recorded_trace_is_played_back(tmp_path: Path) -> None:
    """Each call of web3.py takes what the newest row of its method says, and ends as it says; so do other clients.

    A call opens a connection, so it costs three round trips: TCP, TLS, and the request.
    """
    run = fly("recorded.yaml", tmp_path / "run")

    said = dict(line.split(" | ") for line in run.printed)
    assert said == {
        "first": "1 121",
        "slower": "1 360",
        "limited": "ClientResponseError 429 45",
        "silent": "TimeoutError 1000",
        "reset": "ClientOSError 90",
        "logs": "[] 960",
        "refused": "ClientConnectorError 30",
        "again": "1 151",
        "websocket": '"result":"0x1"} 251',
        "requests": "200 151",
    }


def test_the_shipped_bot_comes_through_a_rough_network(tmp_path: Path) -> None:
    """Every fault of the network happens to it within three minutes; it trades on and leaves nothing behind."""
    call = windtunnel(
        "run", ROOT / "scenarios" / "rough_network.yaml", "--out", tmp_path / "run", "--json", cwd=tmp_path
    )

    run = Run(tmp_path / "run")
    begun = {event.data["kind"] for event in run.events("fault")}
    assert (call.code, run.result["findings"]) == (0, [])
    assert begun >= {"partition", "half_open", "dns", "disconnect", "slow_close"}
    assert run.result["metrics"]["bot.included"]["value"] > 0
