"""A cancelled waiter of `async_lock` gives the lock of another task up: two are inside at once."""

from __future__ import annotations

import asyncio
from typing import Any

from web3._utils.async_caching import async_lock
from web3._utils.http_session_manager import HTTPSessionManager


async def bot() -> dict[str, Any]:
    manager = HTTPSessionManager()
    inside: list[str] = []
    together: list[list[str]] = []

    async def work(name: str) -> None:
        async with async_lock(manager.session_pool, manager._lock):
            inside.append(name)
            together.append(list(inside))
            await asyncio.sleep(1)
            inside.remove(name)

    first = asyncio.create_task(work("first"))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(work("second"))
    await asyncio.sleep(0.1)
    waiter = asyncio.create_task(work("cancelled"))
    await asyncio.sleep(0.1)
    waiter.cancel()
    await asyncio.wait([first, second], timeout=5)
    return {"together": together}
