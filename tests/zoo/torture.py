"""What bots do to the libraries they lean on, all at once; what it saw ends as one hash in a request.

web3.py over HTTP and over a WebSocket with subscriptions, aiohttp sessions, websockets, threads with locks and queues,
timeouts that race replies, cancellations, sets of tasks, every source of chance.
"""

import asyncio
import contextlib
import hashlib
import os
import queue
import random
import secrets
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import websockets
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider

SEEN = hashlib.blake2b(digest_size=16)
DROPPED = (aiohttp.ClientError, ConnectionError, TimeoutError, websockets.WebSocketException)


def saw(*what):
    SEEN.update(repr(what).encode())


async def post(session, url, method, *params):
    body = {"jsonrpc": "2.0", "id": random.getrandbits(31), "method": method, "params": params}
    async with session.post(url, json=body, headers={"x-request": str(uuid.uuid4())}) as reply:
        return (await reply.json()).get("result")


async def web3_http(account):
    w3 = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_B_HTTP"]))
    saw(await asyncio.gather(w3.eth.chain_id, w3.eth.block_number, w3.eth.get_balance(account.address)))
    fees = {"maxFeePerGas": 3 * await w3.eth.gas_price, "maxPriorityFeePerGas": 10**9, "chainId": 1}
    for nonce in range(2):
        tx = {"to": account.address, "value": nonce, "gas": 21_000, "nonce": nonce, **fees}
        tx_hash = await w3.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction)
        saw((await w3.eth.wait_for_transaction_receipt(tx_hash, poll_latency=0.31))["status"])
    await w3.provider.disconnect()


async def web3_socket():
    async with AsyncWeb3(WebSocketProvider(os.environ["NODE_B_WS"])) as w3:
        await w3.eth.subscribe("newHeads")
        await w3.eth.subscribe("newPendingTransactions")
        async for message in w3.socket.process_subscriptions():
            result = message["result"]
            saw(time.monotonic(), getattr(result, "hash", result))
            if random.random() < 0.3:
                saw(await w3.eth.block_number)


async def plain_socket():
    while True:
        with contextlib.suppress(*DROPPED):
            async with websockets.connect(os.environ["NODE_WS"]) as socket:
                await socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
                async for message in socket:
                    saw(time.time(), message)
        saw("dropped", time.monotonic())
        await asyncio.sleep(random.uniform(0.05, 0.2))


async def sessions():
    limit = asyncio.Semaphore(3)
    async with aiohttp.ClientSession() as keep, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(0.06)) as hasty:

        async def ask(number):
            async with limit:
                await asyncio.sleep(random.expovariate(10))
                session, url = random.choice([(keep, "NODE_HTTP"), (hasty, "NODE_B_HTTP")])
                try:
                    return number, await post(session, os.environ[url], "eth_getBlockByNumber", "latest", False)
                except DROPPED as error:
                    return number, type(error).__name__

        for _ in range(6):
            tasks = {asyncio.create_task(ask(number)) for number in range(5)}
            done, late = await asyncio.wait(tasks, timeout=0.4)
            saw([task.result() for task in done])  # in the set's order
            for task in late:
                task.cancel()
            saw([type(each).__name__ for each in await asyncio.gather(*late, return_exceptions=True)])
            for each in asyncio.as_completed([asyncio.sleep(random.random() / 9, n) for n in range(4)]):
                saw(await each)


def thread_work(jobs, lock, ledger, loop):
    while (job := jobs.get()) is not None:
        time.sleep(random.random() / 50)
        with lock:
            ledger.append((job, threading.current_thread().name, time.monotonic()))
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01, job), loop)
        ledger.append(future.result())


async def threads():
    loop, jobs, lock, ledger = asyncio.get_running_loop(), queue.Queue(), threading.Lock(), []
    workers = [asyncio.create_task(asyncio.to_thread(thread_work, jobs, lock, ledger, loop)) for _ in range(3)]
    for job in range(9):
        jobs.put(job)
        await asyncio.sleep(0.01)
    with ThreadPoolExecutor(2) as pool:
        saw(await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, n / 100) for n in range(4))))
    for _ in workers:
        jobs.put(None)
    await asyncio.gather(*workers)
    saw(ledger, secrets.token_hex(8), os.urandom(4), {str(number) for number in range(20)})


async def main():
    account = AsyncWeb3().eth.account.from_key(os.environ["BOT_KEY"])
    endless = [asyncio.create_task(web3_socket()), asyncio.create_task(plain_socket())]
    async with asyncio.TaskGroup() as group:
        group.create_task(web3_http(account))
        group.create_task(sessions())
        group.create_task(threads())
    await asyncio.sleep(0.5)
    for task in endless:
        task.cancel()
    ends = await asyncio.gather(*endless, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    async with aiohttp.ClientSession() as session:
        await post(session, os.environ["NODE_HTTP"], "web3_sha3", "0x" + SEEN.hexdigest())
    print("saw", SEEN.hexdigest(), flush=True)


asyncio.run(main())
