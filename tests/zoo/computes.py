"""Computes in every kind of function: plain, nested call, coroutine, loop, thread."""

import asyncio
import threading


def burn(count):
    return sum(n * n for n in range(count))


def calls_burn():
    for _ in range(4):
        burn(20_000)


async def waits():
    burn(1_000)
    await asyncio.sleep(5)
    return [n * n for n in range(100)]


async def loops():
    for _ in range(100):
        await asyncio.sleep(0.05)


def in_thread():
    burn(30_000)


class Book:
    def update(self):
        return sorted(range(1000), key=lambda n: -n)


async def main():
    calls_burn()
    Book().update()
    await asyncio.gather(waits(), loops())
    thread = threading.Thread(target=in_thread)
    thread.start()
    await asyncio.to_thread(thread.join)


asyncio.run(main())
