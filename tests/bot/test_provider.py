from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.errors import ConfigError, Disconnected, LockOrderError, LockTimeout, NodeError, RateLimited, RequestTimeout
from bot.locks import LockOrder, NamedLock
from bot.metrics import Metrics, serve
from bot.provider import Endpoint, Endpoints
from tests.bot.anvil import Node, running
from tests.bot.line import Line, laid

ANVIL_CHAIN = 31337


@asynccontextmanager
async def two_lines(chain_id: int = ANVIL_CHAIN, timeout_s: float = 5.0) -> AsyncIterator[tuple[Line, Line, Endpoints]]:
    """Two endpoints over two lines to one real node."""
    with running() as node:
        async with laid(node) as first, laid(node) as second:
            metrics = Metrics()
            nodes = [Endpoint(name, line.http, metrics, timeout_s) for name, line in (("a", first), ("b", second))]
            endpoints = Endpoints(nodes, chain_id, NamedLock("endpoint", LockOrder(), metrics, 1.0), metrics)
            try:
                yield first, second, endpoints
            finally:
                await endpoints.close()


def answer(text: str, status: int = 200, **headers: str) -> web.Response:
    return web.Response(
        text=text, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_a_failing_node_hands_over_to_the_next() -> None:
    """When the first endpoint answers nonsense the second is asked, and stays current."""

    async def requests() -> None:
        async with two_lines() as (first, second, endpoints):
            first.answer = lambda _: answer("<html>502</html>", 502)

            block = await endpoints.request("eth_blockNumber", [])

            assert block == "0x0"
            assert endpoints.current.name == "b"
            assert second.requests["eth_chainId"] == 1

    asyncio.run(requests())


def test_another_chain_is_not_failed_over_to() -> None:
    """An endpoint that serves another chain id is never asked anything else."""

    async def requests() -> None:
        async with two_lines() as (first, second, endpoints):
            first.answer = lambda _: answer("", 503)
            second.answer = lambda request: answer('{"jsonrpc":"2.0","id":0,"result":"0x1"}')

            with pytest.raises(Exception, match="serves chain 1, CHAIN_ID is 31337"):
                await endpoints.request("eth_getBalance", ["0x" + "00" * 20, "latest"])

            assert set(second.requests) == {"eth_chainId"}

    asyncio.run(requests())


def test_no_endpoint_of_the_chain_is_a_configuration_error() -> None:
    """If every endpoint serves another chain, the configuration is wrong and the start ends."""

    async def requests() -> None:
        async with two_lines(chain_id=1) as (_, _, endpoints):
            with pytest.raises(ConfigError, match="CHAIN_ID is 1"):
                await endpoints.verify_all()

    asyncio.run(requests())


def test_a_nodes_no_is_not_failed_over() -> None:
    """An error of the node's own is raised with its code and text; the next endpoint would say the same."""

    async def requests() -> None:
        async with two_lines() as (_, second, endpoints):
            with pytest.raises(NodeError) as caught:
                await endpoints.request("eth_noSuchMethod", [])

            assert caught.value.code == -32601 or "Method" in caught.value.message
            assert not second.requests

    asyncio.run(requests())


def test_a_rate_limit_is_waited_out() -> None:
    """Status 429 is tried again after what `Retry-After` says, and then answered."""

    async def requests() -> None:
        async with two_lines() as (first, _, endpoints):
            refused: list[int] = []

            def once(request: dict[str, Any]) -> web.Response | None:
                if request["method"] == "eth_blockNumber" and not refused:
                    refused.append(1)
                    return answer("slow down", 429, {"Retry-After": "0"})
                return None

            first.answer = once

            assert await endpoints.request("eth_blockNumber", []) == "0x0"
            assert endpoints.current.name == "a"

    asyncio.run(requests())


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer("slow down", 429), RateLimited),
        (answer('{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}}'), RateLimited),
        (answer("not json"), Disconnected),
        (answer("[]"), Disconnected),
        (answer('{"jsonrpc":"2.0","id":1}'), Disconnected),
        (answer("<html>", 520), Disconnected),
        (answer('{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted"}}', 400), NodeError),
    ],
)
def test_every_bad_answer_has_its_error(response: web.Response, error: type[Exception]) -> None:
    """Throttling, nonsense and refusals are told apart, whatever the HTTP status."""

    async def requests() -> None:
        async with two_lines() as (first, _, endpoints):
            text, status = response.text or "", response.status
            first.answer = lambda _: answer(text, status)
            with pytest.raises(error):
                await endpoints.current.request("eth_blockNumber", [])

    asyncio.run(requests())


def test_cancelled_requests_leave_the_line_usable() -> None:
    """Fifty requests cancelled at once neither jam the next one nor leave a session open."""

    async def requests() -> None:
        async with two_lines() as (_, _, endpoints):
            tasks = [asyncio.create_task(endpoints.request("eth_blockNumber", [])) for _ in range(50)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

            assert await endpoints.request("eth_blockNumber", []) == "0x0"

    asyncio.run(requests())


def test_no_answer_is_a_timeout() -> None:
    """A node that takes the request and says nothing is given up after the limit."""

    async def requests() -> None:
        hung_up = asyncio.Event()

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            hung_up.set()

        server = await asyncio.start_server(never, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint("a", Node(port).http, Metrics(), timeout_s=0.05)
        with pytest.raises(RequestTimeout):
            await endpoint.request("eth_blockNumber", [])
        await endpoint.close()
        await hung_up.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(requests())


def test_locks_refuse_the_wrong_order() -> None:
    """A task that holds a lock may not ask for one that comes before it, so no two tasks can deadlock."""

    async def locking() -> None:
        order, metrics = LockOrder(), Metrics()
        nonce, endpoint = (NamedLock(name, order, metrics, 1.0) for name in ("nonce", "endpoint"))
        async with nonce.hold(), endpoint.hold():
            pass
        async with endpoint.hold():
            with pytest.raises(LockOrderError, match="'nonce' asked for while holding"):
                async with nonce.hold():
                    pass

    asyncio.run(locking())


def test_locks_do_not_wait_for_ever() -> None:
    """A lock that is not free in time says its name, and is whole afterwards."""

    async def locking() -> None:
        lock = NamedLock("nonce", LockOrder(), Metrics(), timeout_s=0.0)

        async def second() -> None:
            async with lock.hold():
                pass

        async with lock.hold():
            with pytest.raises(LockTimeout, match="'nonce'"):
                await asyncio.create_task(second())
        async with NamedLock("nonce", LockOrder(), Metrics(), timeout_s=1.0).hold():
            pass

    asyncio.run(locking())


def test_metrics_are_served_while_it_flies() -> None:
    """`/metrics` shows the registry and `/healthz` the state, with the status a probe understands."""

    async def asking() -> None:
        metrics = Metrics()
        metrics.heads.labels("extended").inc()
        async with serve(metrics, "127.0.0.1", 0, lambda: (False, "the feed is down")) as port:
            node = Node(port)
            page = await _get(f"{node.http}/metrics")
            health = await _get(f"{node.http}/healthz")
        assert 'bot_heads_total{step="extended"} 1.0' in page[1]
        assert health == (503, "the feed is down\n")

    asyncio.run(asking())


async def _get(url: str) -> tuple[int, str]:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()
