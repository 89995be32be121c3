"""Sums what it heard, once a second; with QUADRATIC in its environment it begins each sum anew for each item."""

import asyncio
import os
import threading


def total(items):
    result = 0
    for item in items:
        result += item
    return result


def slow_total(items):
    result = 0
    for end in range(len(items)):
        result = 0
        for item in items[: end + 1]:
            result += item
    return result


async def sums():
    add = slow_total if os.environ.get("QUADRATIC") else total
    heard = []
    for second in range(10):
        heard.extend(range(10))
        print(second, add(heard))
        await asyncio.sleep(1)


async def idles():
    while True:
        await asyncio.sleep(0.5)


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(sums())
        idle = group.create_task(idles(), name="idler")
        await asyncio.to_thread(total, range(100))
        threading.Thread(target=total, args=(range(50),), name="helper").start()
        await asyncio.sleep(10)
        idle.cancel()


asyncio.run(main())
