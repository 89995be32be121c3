"""Prints its clocks before and after somebody sets the wall clock back."""

import asyncio
import datetime as dt
import time


async def main() -> None:
    for _ in range(2):
        ahead = time.time() - dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
        now = (dt.datetime.now(dt.UTC) - dt.datetime(2026, 1, 1, tzinfo=dt.UTC)).total_seconds()
        print(round(ahead, 2), round(now, 2), round(asyncio.get_running_loop().time() - STARTED, 2))
        await asyncio.sleep(20)


STARTED = time.monotonic()
asyncio.run(main())
