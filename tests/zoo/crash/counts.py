"""Pays itself once a slot; where RESUME is not set it counts its nonces from the one it began with, in memory alone."""

import asyncio
import os

from eth_account import Account
from web3 import AsyncHTTPProvider, AsyncWeb3


async def main():
    account = Account.from_key(os.environ["BOT_KEY"])
    w3 = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_HTTP"]))
    nonce = int(os.environ["FIRST_NONCE"])
    if os.environ.get("RESUME"):
        nonce = await w3.eth.get_transaction_count(account.address, "pending")
    print("from", nonce)
    while True:
        fee = 2 * (await w3.eth.get_block("latest"))["baseFeePerGas"]
        transaction = {
            "to": account.address, "value": 1, "nonce": nonce, "gas": 21000, "chainId": 1,
            "maxFeePerGas": fee, "maxPriorityFeePerGas": 10**9,
        }  # fmt: skip
        try:
            await w3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
            print("sent", nonce)
        except Exception as error:
            print("refused", nonce, error)
        nonce += 1
        await asyncio.sleep(12)


asyncio.run(main())
