"""Adds zeros for ever inside C, where no signal handler of Python runs."""

import asyncio
import itertools


async def main():
    await asyncio.sleep(1)
    sum(itertools.repeat(0))


asyncio.run(main())
