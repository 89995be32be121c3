"""The book is read before the nonce lock is taken: both still use two locks, in one order."""

import asyncio
import threading

book = threading.Lock()


async def next_nonce(nonce):
    async with nonce:
        return 7


def rebalance(loop, nonce):
    with book:
        return asyncio.run_coroutine_threadsafe(next_nonce(nonce), loop).result()


def read_book():
    with book:
        return "read"


async def pay(nonce):
    found = await asyncio.to_thread(read_book)
    async with nonce:
        await asyncio.sleep(0.01)
        return found


async def main():
    loop, nonce = asyncio.get_running_loop(), asyncio.Lock()
    found = await asyncio.gather(pay(nonce), asyncio.to_thread(rebalance, loop, nonce))
    print("done", found)


asyncio.run(main())
