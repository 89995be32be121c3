"""Every worker of its pool waits for a job that is queued behind it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2, thread_name_prefix="quotes")


def quote(loop, venue):
    async def ask():
        return await loop.run_in_executor(pool, len, venue)

    return asyncio.run_coroutine_threadsafe(ask(), loop).result()


async def main():
    loop = asyncio.get_running_loop()
    print(await asyncio.gather(*[loop.run_in_executor(pool, quote, loop, venue) for venue in ("v2", "fork")]))


asyncio.run(main())
