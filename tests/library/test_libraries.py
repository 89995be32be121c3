"""Unmodified libraries fly: what their bots print on the simulated network is what they print on a real one."""

from __future__ import annotations

import re

from tests.flight.command import Flock
from tests.library.conftest import LIBRARIES

HEADS = ["head 23000001", "head 23000002"]


def talk(resolver: str, block: int) -> list[str]:
    """Return what one round of the aiohttp bot prints when the newest block is *block*."""
    return [
        f"with {resolver}", *[f"block {block}"] * 3, "over https 200 1", "connections kept 2", "down 111",
        "no such name", "timed out", "subscribed True", f"head {block + 1}",
    ]  # fmt: skip


def test_every_library_passes(libraries: Flock) -> None:
    """Each flight ends with the verdict pass, no gating finding and no leaked task; the call's exit code is 0."""
    results = {result["scenario"]: result for result in libraries.call.results}

    gating = [finding for result in results.values() for finding in result["findings"] if finding["gating"]]

    assert libraries.call.code == 0, libraries.call.err
    assert {name: result["verdict"] for name, result in results.items()} == dict.fromkeys(LIBRARIES, "pass")
    assert gating == []


def test_aiohttp_client(libraries: Flock) -> None:
    """The same with aiodns and with the resolver that aiohttp takes where aiodns is not installed."""
    printed = libraries.run("aiohttp").printed

    assert printed == [
        "by itself it takes AsyncResolver", *talk("AsyncResolver", 23000000), *talk("ThreadedResolver", 23000001),
    ]  # fmt: skip


def test_aiohttp_server(libraries: Flock) -> None:
    """A server inside the bot answers, streams over three seconds, echoes on a WebSocket, and stops."""
    printed = libraries.run("aiohttp_server").printed

    assert printed[1:] == [
        "200 {'hello': 'bot'}", "streamed ['0', '1', '2']", "SHOUT", "echo closed 1000", "404", "stopped",
    ]  # fmt: skip


def test_websockets(libraries: Flock) -> None:
    """A subscription, a ping of one round trip, a clean close, wss, and a server of the bot's own."""
    printed = libraries.run("websockets").printed

    assert printed == [
        "subscribed True", *HEADS, "ping 0.02", "closed 1000", "over wss 7", "desserts", "end enough",
    ]  # fmt: skip


def test_httpx(libraries: Flock) -> None:
    """The client reuses a connection, speaks https, opens five at once, and sees a host that is down and a time-out."""
    run = libraries.run("httpx")

    opened = len(run.events("net.open"))

    assert run.printed == [
        "HTTP/1.1 block 23000000", "HTTP/1.1 block 23000000", "over https 200 1", "at once 5", "down",
        "timed out ReadTimeout", "without a loop [1, 1]",
    ]  # fmt: skip
    assert opened == 6 + 2, "one for the first two calls, one for https, four more for five at once; two without a loop"


def test_requests(libraries: Flock) -> None:
    """Sessions work in the main thread and in three workers; a read timed out after 5 virtual milliseconds."""
    printed = libraries.run("requests").printed

    first, again, *rest = printed[:6]

    assert first.startswith("200 block 23000000 in 0.04")
    assert again.startswith("200 block 23000000 in 0.02"), "the connection was kept: one round trip"
    assert rest == [
        "over https 200 1", "down NewConnectionError", "timed out after 0.005", "no such name NameResolutionError",
    ]  # fmt: skip
    assert printed[6:-1] == [f"{each} 23000000 ThreadPoolExecutor-0_{each % 3}" for each in range(6)]
    assert printed[-1] == "six by three in 0.081"


def test_web3_async(libraries: Flock) -> None:
    """A transfer over HTTP, two heads over a WebSocket whose handler calls back, and a batch."""
    run = libraries.run("web3_async")

    assert sorted(run.printed) == ["batch 1 True", *HEADS, "included 1"]
    assert run.result["metrics"]["bot.included"]["value"] == 1


def test_web3_sync(libraries: Flock) -> None:
    """Web3(HTTPProvider) works in the main thread, and in worker threads while the event loop goes on ticking."""
    run = libraries.run("web3_sync")

    assert run.printed == [
        "connected True block 23000000 0.06", "included 1 while the loop ticked True", "blocks {23000001} 20",
    ]  # fmt: skip
    assert run.result["metrics"]["bot.included"]["value"] == 1


def test_prometheus_server(libraries: Flock) -> None:
    """Its server in threads answers aiohttp and urllib with what was counted, and shuts down."""
    scraped, by_urllib, stopped = libraries.run("prometheus").printed

    assert re.fullmatch(r"""200 \['sent_total\{venue="uniswap_v2"\} 3.0', 'took_seconds_sum 6\.000\d+'\]""", scraped), (
        scraped
    )
    assert by_urllib.startswith("by urllib (200, ")
    assert stopped == "stopped []"


def test_structlog(libraries: Flock) -> None:
    """Lines carry virtual time, bound values and each task's own context variables."""
    printed = libraries.run("structlog").printed

    assert printed[0] == (
        '{"event": "started", "level": "info", "timestamp": "2026-01-01T00:00:00Z", "venue": "uniswap_v2"}'
    )
    assert ['"task": "a"' in printed[1], '"task": "b"' in printed[2]] == [True, True]
    assert all('"timestamp": "2026-01-01T00:00:01.' in line for line in printed[1:4])
    assert printed[-1] == "through logging"
