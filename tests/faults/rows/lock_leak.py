"""Requests cancelled while they wait for the session manager's lock: every AsyncHTTPProvider waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3._utils.http_session_manager import HTTPSessionManager

from tests.faults.node import HTTP, http, ok


async def answer(call: dict[str, Any]) -> dict[str, Any]:
    return ok(call, "0x10")


def apps() -> dict[int, web.Application]:
    return {8545: http(answer)}


async def bot() -> dict[str, Any]:
    tried_us = -2
    while not HTTPSessionManager._lock.locked() and tried_us < 1000:
        tried_us += 2
        w3 = AsyncWeb3(AsyncHTTPProvider(HTTP))
        try:
            async with asyncio.timeout(tried_us * 1e-6):
                await asyncio.gather(*(w3.eth.block_number for _ in range(3)))
        except TimeoutError:
            pass
        await asyncio.sleep(0.1)
    unrelated = AsyncWeb3(AsyncHTTPProvider(HTTP))
    try:
        number = await asyncio.wait_for(unrelated.eth.block_number, 600)
    except TimeoutError:
        number = None
    await asyncio.sleep(0.1)  # giving up released the lock once: to the next thread that nobody waits for
    locked = HTTPSessionManager._lock.locked()
    HTTPSessionManager._lock.release()
    await asyncio.sleep(0.1)
    while HTTPSessionManager._lock.locked():  # each cancelled request left a thread that takes it once more
        HTTPSessionManager._lock.release()
        await asyncio.sleep(0.1)
    freed = await asyncio.wait_for(AsyncWeb3(AsyncHTTPProvider(HTTP)).eth.block_number, 600)
    return {"tried_us": tried_us, "locked": locked, "number": number, "freed": freed}
