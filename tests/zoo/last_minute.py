"""Sends its last transaction five milliseconds before it is told to stop; the line to the node is longer than that."""

import asyncio
import os
import signal

import aiohttp
from eth_account import Account

DURATION_S = 10


async def ask(session, method, *params):
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with session.post(os.environ["NODE_HTTP"], json=call) as answer:
        return (await answer.json())["result"]


async def main():
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    started_s = loop.time()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    me = Account.from_key(os.environ["BOT_KEY"])
    tx = {"to": "0x" + "11" * 20, "value": 1, "gas": 21_000, "nonce": 0, "chainId": 1,
          "maxFeePerGas": 30 * 10**9, "maxPriorityFeePerGas": 10**9}  # fmt: skip
    raw = me.sign_transaction(tx).raw_transaction.to_0x_hex()
    async with aiohttp.ClientSession() as session:
        await ask(session, "eth_chainId")
        await asyncio.sleep(started_s + DURATION_S - 0.005 - loop.time())
        print("sending before the stop:", not stop.is_set())
        answer = asyncio.create_task(ask(session, "eth_sendRawTransaction", raw))
        await stop.wait()
        print("answered after it:", await answer is not None)


asyncio.run(main())
