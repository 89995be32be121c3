"""Waits for a flag that nobody can set, without an await."""

import asyncio


async def wait_for(flags):
    while not flags:
        pass


asyncio.run(wait_for([]))
