"""Keeps everything it ever saw."""

import asyncio


async def main():
    seen = []
    while True:
        await asyncio.sleep(0.001)
        seen.append(bytes(10**6))


asyncio.run(main())
