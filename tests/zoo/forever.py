"""Flies for ever, a microsecond at a time."""

import asyncio


async def main():
    print("flying", flush=True)
    while True:
        await asyncio.sleep(0.000_001)


asyncio.run(main())
