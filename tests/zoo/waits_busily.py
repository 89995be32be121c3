"""Busy waits on plain attributes, everywhere: a thread for the loop, the loop for a thread, a thread for a thread."""

import asyncio
import threading
import time


class Flags:
    ready = asked = answered = stopping = False


def wait_for_loop(flags):
    while not flags.ready:
        pass
    return time.monotonic()


def answer(flags):
    while not flags.asked:
        pass
    time.sleep(0.5)
    flags.answered = True


def wait_by_method(event):
    turns = 0
    while not event.is_set():
        turns += 1
    return turns > 0


def watch_clock(until):
    while time.monotonic() < until:
        pass
    return time.monotonic() - until < 0.01


async def main():
    flags, event = Flags(), threading.Event()
    began = time.monotonic()
    waiting = asyncio.create_task(asyncio.to_thread(wait_for_loop, flags))
    await asyncio.sleep(2)
    flags.ready = True
    print("thread saw it", 2.0 <= await waiting - began < 2.1)

    thread = threading.Thread(target=answer, args=(flags,))
    thread.start()
    flags.asked = True
    while not flags.answered:  # holds the loop
        pass
    thread.join()
    print("loop saw it", 2.5 < time.monotonic() - began < 2.7)

    found = asyncio.create_task(asyncio.to_thread(wait_by_method, event))
    threading.Timer(0.01, event.set).start()
    print("method saw it", await found)
    print("clock saw it", await asyncio.to_thread(watch_clock, time.monotonic() + 1))


asyncio.run(main())
