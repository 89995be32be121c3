"""Clears away whatever a process can reach: tasks, chance, signals, logging, modules, threads, registries, clocks."""

import asyncio
import decimal
import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings

import aiohttp
import prometheus_client
import structlog


async def watch():
    async with aiohttp.ClientSession() as session:
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        while True:
            async with session.post(os.environ["NODE_HTTP"], json=call) as answer:
                print("block", int((await answer.json())["result"], 16))
            await asyncio.sleep(10)


def trample():
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        print("cancelling", task.get_coro().__qualname__)
        task.cancel()
    random.seed(7)
    random.shuffle(list(range(1000)))
    logging.disable(logging.CRITICAL)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).handlers.clear()
    logging.root.manager.loggerDict.clear()
    structlog.configure(processors=[])
    for collector in list(prometheus_client.REGISTRY._collector_to_names):
        prometheus_client.REGISTRY.unregister(collector)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("aiohttp", "eth", "simpy", "sim", "rlp")]:
        del sys.modules[name]
    sys.setswitchinterval(0.5)
    decimal.getcontext().prec = 3
    warnings.simplefilter("error")
    asyncio.set_event_loop_policy(None)
    gc.enable()
    gc.collect()
    os.environ.clear()
    os.umask(0o077)
    print("threads", [thread.name for thread in threading.enumerate()])


async def main():
    tasks = [asyncio.create_task(watch()) for _ in range(3)]
    await asyncio.sleep(15)
    trample()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(15)
    print("gone")


asyncio.run(main())
