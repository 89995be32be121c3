"""Holds locks for known times, and leaves a task, a lock, a connection, a session and a thread behind."""

import asyncio
import os
import threading
import time

import aiohttp

OPEN = []


class Desk:
    def __init__(self):
        self.nonce_lock = asyncio.Lock()
        self.book = asyncio.Lock()

    async def hold(self, lock, seconds):
        async with lock:
            await asyncio.sleep(seconds)

    async def both(self, first, second):
        async with first, second:
            await asyncio.sleep(0)


async def forgotten():
    await asyncio.Event().wait()


async def main():
    desk = Desk()
    await asyncio.gather(desk.hold(desk.nonce_lock, 1), desk.hold(desk.nonce_lock, 2), desk.hold(desk.book, 0.5))
    await desk.both(desk.nonce_lock, desk.book)
    await desk.both(desk.book, desk.nonce_lock)
    OPEN.append(asyncio.create_task(forgotten(), name="watcher"))
    OPEN.append(await asyncio.open_connection("node-a", 8545))
    session = aiohttp.ClientSession()
    async with session.post(os.environ["NODE_HTTP"], json={}) as answer:
        await answer.read()
    threading.Thread(target=time.sleep, args=(1000,), name="sleeper").start()
    await desk.book.acquire()
    await asyncio.sleep(0.5)


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
