"""Ends with a thread at work, a pool that has jobs, a lock that nobody will release and a connection."""

import asyncio
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

inventory = threading.Lock()
pool = ThreadPoolExecutor(1)
node = socket.socket()


def watch():
    time.sleep(3600)


async def main():
    url = urlsplit(os.environ["NODE_HTTP"])
    await asyncio.to_thread(node.connect, (url.hostname, url.port))
    await asyncio.to_thread(inventory.acquire)
    threading.Thread(target=watch, name="watch").start()
    pool.submit(time.sleep, 3600)
    pool.submit(time.sleep, 3600)
    print("gone")


asyncio.run(main())
