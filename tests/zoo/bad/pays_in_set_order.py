"""Stops what is pending in the order of a set, and crashes unless the oldest is stopped first."""

import asyncio
import sys


async def job(name, stopped):
    try:
        await asyncio.sleep(60)
    finally:
        stopped.append(name)


async def main():
    stopped = []
    tasks = [asyncio.create_task(job(n, stopped)) for n in range(6)]
    _, pending = await asyncio.wait(tasks, timeout=1)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print("stopped", stopped, "texts", [*{f"text {n}" for n in range(5)}])
    if stopped[0] != 0:
        sys.exit(3)


asyncio.run(main())
