"""web3.py's asynchronous providers: a transfer and its receipt over HTTP, heads over a WebSocket, a batch."""

import asyncio
import os

from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
from web3.utils.subscriptions import NewHeadsSubscription


async def transfer(w3):
    me = w3.eth.account.from_key(os.environ["BOT_KEY"])
    tx = {"from": me.address, "to": "0x" + "11" * 20, "value": 10**15, "gas": 21_000, "chainId": await w3.eth.chain_id,
          "nonce": await w3.eth.get_transaction_count(me.address), "maxFeePerGas": 3 * (await w3.eth.gas_price),
          "maxPriorityFeePerGas": 10**9}  # fmt: skip
    tx_hash = await w3.eth.send_raw_transaction(me.sign_transaction(tx).raw_transaction)
    print("included", (await w3.eth.wait_for_transaction_receipt(tx_hash))["status"])


async def heads(count):
    async with AsyncWeb3(WebSocketProvider(os.environ["NODE_WS"])) as w3:

        async def on_head(context):
            print("head", context.result["number"])
            if (
                context.result["number"] >= await w3.eth.block_number
                and context.subscription.handler_call_count >= count
            ):
                await context.subscription.unsubscribe()

        await w3.subscription_manager.subscribe([NewHeadsSubscription(label="heads", handler=on_head)])
        await w3.subscription_manager.handle_subscriptions()
        async with w3.batch_requests() as batch:
            batch.add(w3.eth.chain_id)
            batch.add(w3.eth.get_block("latest"))
            chain_id, block = await batch.async_execute()
        print("batch", chain_id, block["number"] >= count)


async def main():
    w3 = AsyncWeb3(AsyncHTTPProvider(os.environ["NODE_HTTP"]))
    await asyncio.gather(transfer(w3), heads(2))
    await w3.provider.disconnect()


asyncio.run(main())
