"""Endpoints: JSON-RPC over HTTP through web3.py, with time limits, fail-over and one chain id."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint

from bot.errors import ConfigError, Disconnected, NodeError, NodeFailure, RateLimited, RequestTimeout, WrongChain
from bot.locks import NamedLock
from bot.metrics import Metrics
from bot.wire import quantity

log = structlog.get_logger()

# Answers that ask for patience and not for another request: JSON-RPC's own (EIP-1474) and providers' habits.
RATE_LIMIT_CODES = frozenset({-32005, -32043, -32029, 42903, 429})
RETRY_AFTER_MAX_S = 5.0
# An idle connection that the server closed shows only when it is used again, so a read gets a second try.
READ_TRIES = 2


class KeepAliveProvider(AsyncHTTPProvider):
    """web3.py's HTTP provider on one `aiohttp` session of its own.

    The stock one takes a class-level thread lock for each request, which a cancellation leaks (web3.py #3867), opens
    a connection per request, sends accepted transactions again after a timeout and ignores `Retry-After`. Only the
    exchange of bytes is replaced.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=8, keepalive_timeout=60),
                timeout=self._timeout,
                headers={"Content-Type": "application/json"},
            )
        async with self._session.post(self._url, data=request_data) as response:
            body = await response.read()
            if response.status == 429:
                raise RateLimited("HTTP status 429", _seconds(response.headers.get("Retry-After")))
            # Nodes answer JSON-RPC errors with any status; only what is not JSON-RPC is a failure of the line.
            if response.status >= 400 and not body.lstrip().startswith((b"{", b"[")):
                raise Disconnected(f"HTTP status {response.status}")
            return body

    async def disconnect(self) -> None:
        """Close the session, and the thread pool that the stock provider makes and never closes."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._request_session_manager.session_pool.shutdown(wait=False)
        await super().disconnect()


class Endpoint:
    """One node: a name for logs, its provider, and whether it proved to serve our chain."""

    def __init__(self, name: str, url: str, metrics: Metrics, timeout_s: float) -> None:
        self.name = name
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        self.verified = False
        self._metrics = metrics
        self._provider = KeepAliveProvider(url, timeout_s)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """Return the result of one request.

        Raises:
            NodeFailure: No answer, or none that is JSON-RPC.
            NodeError: The node's own error.
        """
        asked_s = time.monotonic()
        outcome = "ok"
        try:
            return await self._exchange(method, params)
        except (NodeFailure, NodeError) as error:
            outcome = type(error).__name__
            error.add_note(f"{method} to {self.name} ({self.host})")
            raise
        finally:
            self._metrics.rpc.labels(self.name, method, outcome).inc()
            self._metrics.rpc_s.labels(self.name).observe(time.monotonic() - asked_s)

    async def verify(self, chain_id: int) -> None:
        """Refuse the endpoint unless it serves *chain_id*."""
        served = quantity(await self.request("eth_chainId", []))
        if served != chain_id:
            raise WrongChain(f"{self.name} ({self.host}) serves chain {served}, CHAIN_ID is {chain_id}")
        self.verified = True

    async def close(self) -> None:
        """Close the connection."""
        await self._provider.disconnect()

    async def _exchange(self, method: str, params: Sequence[Any]) -> Any:
        try:
            answer = await self._provider.make_request(RPCEndpoint(method), params)
        except TimeoutError as error:
            raise RequestTimeout("no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Disconnected(f"{type(error).__name__}: {error}") from error
        except ValueError as error:
            raise Disconnected(f"the answer is not JSON: {error}") from error
        if not isinstance(answer, dict):
            raise Disconnected(f"the answer is a {type(answer).__name__}, not a JSON-RPC object")
        failure = answer.get("error")
        if failure is not None:
            raise _node_error(failure)
        if "result" not in answer:
            raise Disconnected("the answer has neither result nor error")
        return answer["result"]


class Endpoints:
    """The endpoints in order of preference, one of them current; requests move on when it fails."""

    def __init__(self, endpoints: Sequence[Endpoint], chain_id: int, lock: NamedLock, metrics: Metrics) -> None:
        assert endpoints, "no endpoint"
        self._endpoints = list(endpoints)
        self._chain_id = chain_id
        self._lock = lock
        self._metrics = metrics
        self.current = self._endpoints[0]

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """Return the result from the current endpoint, or from the next one that answers.

        Raises:
            NodeFailure: No endpoint answered.
            NodeError: A node said no.
        """
        failure: NodeFailure | None = None
        for _ in range(len(self._endpoints)):
            endpoint = self.current
            try:
                if not endpoint.verified:
                    await endpoint.verify(self._chain_id)
                return await _ask(endpoint, method, params)
            except NodeFailure as error:
                failure = error
                await self._move_on(endpoint, error)
        assert failure is not None
        raise failure

    async def verify_all(self) -> None:
        """Check every endpoint's chain id; those of another chain are dropped, and none left is an error."""
        for endpoint in list(self._endpoints):
            try:
                await endpoint.verify(self._chain_id)
            except WrongChain as error:
                log.critical("endpoint.refused", endpoint=endpoint.name, error=str(error))
                self._endpoints.remove(endpoint)
                await endpoint.close()
                if not self._endpoints:
                    raise ConfigError(str(error)) from error
            except (NodeFailure, NodeError) as error:
                log.warning("endpoint.down", endpoint=endpoint.name, error=str(error))
        if self.current not in self._endpoints:
            self.current = self._endpoints[0]

    def prefer_first(self) -> None:
        """Go back to the first endpoint, whose node also feeds us; it is verified again if it had failed."""
        self.current = self._endpoints[0]

    async def close(self) -> None:
        """Close every endpoint."""
        for endpoint in self._endpoints:
            await endpoint.close()

    async def _move_on(self, failed: Endpoint, error: NodeFailure) -> None:
        async with self._lock.hold():
            # It may serve another chain when it comes back.
            failed.verified = False
            if self.current is not failed or len(self._endpoints) == 1:
                return
            index = self._endpoints.index(failed)
            self.current = self._endpoints[(index + 1) % len(self._endpoints)]
            self._metrics.failovers.labels(self.current.name).inc()
        log.warning("endpoint.failover", of=failed.name, to=self.current.name, error=f"{type(error).__name__}: {error}")


async def _ask(endpoint: Endpoint, method: str, params: Sequence[Any]) -> Any:
    """Ask an endpoint; what can be repeated is, once."""
    tries = 1 if method == "eth_sendRawTransaction" else READ_TRIES
    for attempt in range(1, tries + 1):
        try:
            return await endpoint.request(method, params)
        except RateLimited as error:
            if attempt == tries:
                raise
            # Jitter, so that a fleet that was told to wait does not come back at once.
            wait_s = error.retry_after_s if error.retry_after_s is not None else 0.25
            await asyncio.sleep(min(wait_s, RETRY_AFTER_MAX_S) * random.uniform(1.0, 1.25))
        except Disconnected:
            if attempt == tries:
                raise
    raise AssertionError("unreachable: every try returns or raises")


def _node_error(failure: Any) -> NodeError | RateLimited:
    if not isinstance(failure, dict):
        return NodeError(-32603, str(failure))
    code, message = int(failure.get("code", -32603)), str(failure.get("message", ""))
    if code in RATE_LIMIT_CODES:
        return RateLimited(f"{message} (code {code})")
    return NodeError(code, message, failure.get("data"))


def _seconds(text: str | None) -> float | None:
    """Return `Retry-After` in its usual form; the date form is not used by nodes."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
