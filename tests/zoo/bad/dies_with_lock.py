"""A thread takes the book's lock, fails, and never gives it back; a task waits for it."""

import asyncio
import threading

book = threading.Lock()


def refresh():
    book.acquire()
    raise OSError("the node is gone")


def read_book():
    with book:
        return "read"


async def main():
    threading.Thread(target=refresh).start()
    await asyncio.sleep(1)
    print(await asyncio.to_thread(read_book))


asyncio.run(main())
