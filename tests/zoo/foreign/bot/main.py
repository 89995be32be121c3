import asyncio
import json
import logging
import sys
import tomllib
from pathlib import Path

from aiohttp import ClientSession
from reports.daily import write_daily
from sim.forecast import next_amount
from tests.constants import ROUNDS
from web3 import AsyncHTTPProvider, AsyncWeb3

ABI = json.loads((Path(__file__).parent.parent / "out" / "Counter.json").read_text())["abi"]
log = logging.getLogger("bot")


async def heads(url, queue):
    async with ClientSession() as session, session.ws_connect(url) as ws:
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        async for message in ws:
            if "params" in message.json():
                queue.put_nowait(int(message.json()["params"]["result"]["number"], 16))


async def count(config):
    w3 = AsyncWeb3(AsyncHTTPProvider(config["rpc"]))
    owner = w3.eth.account.from_key(config["key"])
    counter = w3.eth.contract(address=config["counter"], abi=ABI)
    queue = asyncio.Queue()
    listener = asyncio.create_task(heads(config["ws"], queue))
    for turn in range(ROUNDS):
        number = await queue.get()
        nonce = await w3.eth.get_transaction_count(owner.address)
        tx = await counter.functions.add(next_amount(turn)).build_transaction({"from": owner.address, "nonce": nonce})
        await w3.eth.send_raw_transaction(owner.sign_transaction(tx).raw_transaction)
        log.info("head %d, added %d", number, next_amount(turn))
    await queue.get()
    total = await counter.functions.total().call()
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await w3.provider.disconnect()
    return total


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stdout)
    config = tomllib.loads(Path("config.toml").read_text())
    print("argv", sys.argv[1:], "path", sys.path[0] == str(Path(__file__).parent.parent), config["fee_text"])
    total = asyncio.run(count(config))
    write_daily(total)
    print("total", total)
