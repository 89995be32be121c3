"""Hears SIGTERM, and sends one transaction more."""

import asyncio
import os
import signal

from web3 import AsyncHTTPProvider, AsyncWeb3


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    w3 = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_HTTP"]))
    me = w3.eth.account.from_key(os.environ["BOT_KEY"])
    await stop.wait()
    tx = {"to": "0x" + "11" * 20, "value": 1, "gas": 21_000, "nonce": await w3.eth.get_transaction_count(me.address),
          "chainId": 1, "maxFeePerGas": 30 * 10**9, "maxPriorityFeePerGas": 10**9}  # fmt: skip
    await w3.eth.send_raw_transaction(me.sign_transaction(tx).raw_transaction)
    await w3.provider.disconnect()


asyncio.run(main())
