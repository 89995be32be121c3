"""What a start finds and a crash leaves: called twice in one flight, it says what is left of the first time."""

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import aiohttp
import note
import structlog
from prometheus_client import REGISTRY, Counter

starts = Counter("starts", "Starts of the bot")
starts.inc()
note.calls.append(1)


class Loud:
    def __del__(self):
        print("__del__ ran")


async def waits(loud):
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(os.environ["NODE_WS"]):
            await asyncio.sleep(100)
    finally:
        print("finally ran", bool(loud))


def works():
    try:
        while True:
            time.sleep(0.3)
    finally:
        print("thread's finally ran")


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    atexit.register(print, "atexit ran")
    log = Path("journal").open("a")  # noqa: SIM115
    log.write("flushed\n")
    log.flush()
    log.write("in Python's buffer\n")
    threading.Thread(target=works, name="worker", daemon=True).start()
    pool = loop.run_in_executor(None, time.sleep, 50)
    task = asyncio.create_task(waits(Loud()), name="waiter")
    os.environ["MARK"] = "set"
    sys.argv.append("marked")
    os.chdir("/")
    if os.environ.get("BLOCK"):
        time.sleep(20)  # the crash finds it amid a callback
    await stop.wait()
    print("stopped at", round(time.monotonic() - started))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    os._exit(0 if pool else 1)


started = time.monotonic()
journal = Path("journal")
print("journal", journal.read_text().split("\n") if journal.exists() else None)
print("argv", sys.argv[1:], "mark", os.environ.get("MARK"), "here", Path.cwd().name)
print("module", len(note.calls), "metric", REGISTRY.get_sample_value("starts_total"))
print("threads", [thread.name for thread in threading.enumerate()], "handlers", len(logging.root.handlers))
print("structlog", structlog.is_configured(), "sigterm", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
logging.basicConfig(level=logging.DEBUG)
logging.getLogger("asyncio").setLevel(logging.ERROR)
structlog.configure()
asyncio.run(main())
