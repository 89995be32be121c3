"""Runs until it is cancelled or interrupted, cleans up for half a second, and ends as CPython would."""

import asyncio


async def main():
    print("flying")
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print("asked to stop")
        await asyncio.sleep(0.5)
        print("clean")
        raise


if __name__ == "__main__":
    asyncio.run(main())
