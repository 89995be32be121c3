"""Grinds hashes in a pool of threads and in a pool of processes while its loop goes on; says what they found."""

import asyncio
import hashlib
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


def grind(start):
    """Return the first number from *start* on whose hash begins with a zero byte."""
    number = start
    while hashlib.sha256(b"%d" % number).digest()[0]:
        number += 1
    return number


async def beat(beats):
    while True:
        await asyncio.sleep(0.001)
        beats.append(time.monotonic())


async def main():
    loop, beats = asyncio.get_running_loop(), []
    beating = asyncio.create_task(beat(beats))
    for kind in (ThreadPoolExecutor, ProcessPoolExecutor):
        with kind(3) as pool:
            found = await asyncio.gather(*[loop.run_in_executor(pool, grind, 1000 * n) for n in range(8)])
            print(kind.__name__, found == [grind(1000 * n) for n in range(8)], sum(found))
    beating.cancel()
    print("the loop went on", len(beats) > 5)


asyncio.run(main())
