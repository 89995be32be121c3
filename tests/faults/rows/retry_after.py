"""A node that answers 429 with `Retry-After: 10` is asked again after 0.125 s, 0.25 s; a WebSocket after 1.75^n s."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import Any

from aiohttp import ClientResponseError, web
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
from web3.exceptions import ProviderConnectionError

from tests.faults.node import HTTP, http

asked_s: list[float] = []


async def answer(_call: dict[str, Any]) -> web.Response:
    asked_s.append(asyncio.get_running_loop().time())
    return web.Response(status=429, headers={"Retry-After": "10"})


def apps() -> dict[int, web.Application]:
    return {8545: http(answer)}


class Attempts(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.at_s: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Connecting"):
            self.at_s.append(asyncio.get_running_loop().time())


def gaps_s(instants_s: list[float]) -> list[float]:
    return [round(later - earlier, 2) for earlier, later in pairwise(instants_s)]


async def bot() -> dict[str, Any]:
    w3 = AsyncWeb3(AsyncHTTPProvider(HTTP))
    try:
        await w3.eth.block_number
    except ClientResponseError as error:
        status = error.status
    await w3.provider.disconnect()
    attempts = Attempts()
    logging.getLogger("web3.providers").addHandler(attempts)
    logging.getLogger("web3.providers").setLevel(logging.INFO)
    try:
        await WebSocketProvider("ws://node:9999", max_connection_retries=3).connect()
    except ProviderConnectionError:
        return {"status": status, "http gaps": gaps_s(asked_s), "websocket gaps": gaps_s(attempts.at_s)}
    return {}
