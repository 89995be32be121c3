"""web3.py's synchronous HTTP provider: in the main thread, and in worker threads beside an event loop."""

import asyncio
import os
import time

from web3 import HTTPProvider, Web3


def transfer(w3):
    me = w3.eth.account.from_key(os.environ["BOT_KEY"])
    tx = {"from": me.address, "to": "0x" + "11" * 20, "value": 10**15, "gas": 21_000, "chainId": w3.eth.chain_id,
          "nonce": w3.eth.get_transaction_count(me.address), "maxFeePerGas": 3 * w3.eth.gas_price,
          "maxPriorityFeePerGas": 10**9}  # fmt: skip
    return w3.eth.send_raw_transaction(me.sign_transaction(tx).raw_transaction)


async def tick(count):
    for _ in range(count):
        await asyncio.sleep(1)
    return count


async def main(w3, tx_hash):
    ticks = asyncio.create_task(tick(20))
    receipt = await asyncio.to_thread(w3.eth.wait_for_transaction_receipt, tx_hash, poll_latency=0.5)
    print("included", receipt["status"], "while the loop ticked", not ticks.done())
    blocks = await asyncio.gather(*(asyncio.to_thread(w3.eth.get_block, "latest") for _ in range(4)))
    print("blocks", {block["number"] for block in blocks}, await ticks)


w3 = Web3(HTTPProvider(os.environ["NODE_HTTP"]))
began = time.monotonic()
print("connected", w3.is_connected(), "block", w3.eth.block_number, round(time.monotonic() - began, 2))
asyncio.run(main(w3, transfer(w3)))
