"""Ends with an exception that nobody catches."""

import asyncio


async def trade():
    await asyncio.sleep(1)
    raise ValueError("no liquidity: reserve 0, wanted 17")


asyncio.run(trade())
