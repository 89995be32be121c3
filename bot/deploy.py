"""Deploying the executor contract, once, from the bot's own account."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account as Accounts
from eth_utils.address import to_checksum_address

from bot import wire
from bot.config import Settings
from bot.errors import ConfigError, NodeFailure
from bot.locks import LockOrder, NamedLock
from bot.metrics import Metrics
from bot.provider import Endpoint, Endpoints

RECEIPT_TRIES_MAX = 120
RECEIPT_WAIT_S = 1.0
TIP_WEI = 10**9


def creation_code(artifact: Path) -> bytes:
    """Return the creation code of a Foundry-style artefact.

    Raises:
        ConfigError: The file is missing or is no artefact.
    """
    try:
        code = json.loads(artifact.read_text())["bytecode"]["object"]
        return bytes.fromhex(code.removeprefix("0x"))
    except OSError as error:
        raise ConfigError(f"{artifact}: {error.strerror}; `make setup` compiles bot/contracts/Executor.vy") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{artifact} is no Foundry-style artefact (bytecode.object): {error}") from error


async def deploy(settings: Settings) -> str:
    """Deploy the executor, owned by the bot's account; returns its address when it stands.

    Raises:
        ConfigError: The transaction reverted.
        NodeFailure: No node answered, or the transaction was not included in time.
    """
    numbers = Metrics()
    lock = NamedLock("endpoint", LockOrder(), numbers, settings.lock_timeout_s)
    endpoints = Endpoints(
        [Endpoint("a", settings.node_http, numbers, settings.rpc_timeout_s)], settings.chain_id, lock, numbers
    )
    try:
        return await _deploy(settings, endpoints)
    finally:
        await endpoints.close()


async def _deploy(settings: Settings, endpoints: Endpoints) -> str:
    signer = Accounts.from_key(settings.bot_key.get_secret_value())
    code = creation_code(Path(settings.artifact))
    data = wire.hexed(code + encode(["address", "address"], [signer.address, settings.weth]))
    await endpoints.verify_all()
    head = wire.header(await endpoints.request("eth_getBlockByNumber", ["latest", False]))
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": settings.chain_id,
        "nonce": wire.quantity(await endpoints.request("eth_getTransactionCount", [signer.address, "pending"])),
        "value": 0,
        "data": data,
        "gas": wire.quantity(await endpoints.request("eth_estimateGas", [{"from": signer.address, "data": data}])),
        "maxPriorityFeePerGas": TIP_WEI,
        "maxFeePerGas": 2 * head.base_fee_wei + TIP_WEI,
    }
    signed = signer.sign_transaction(fields)
    await endpoints.request("eth_sendRawTransaction", [wire.hexed(bytes(signed.raw_transaction))])
    for _ in range(RECEIPT_TRIES_MAX):
        receipt = await endpoints.request("eth_getTransactionReceipt", [wire.hexed(bytes(signed.hash))])
        if receipt is not None:
            if wire.quantity(receipt["status"]) != 1:
                raise ConfigError(f"the deployment {wire.hexed(bytes(signed.hash))} reverted")
            return to_checksum_address(receipt["contractAddress"])
        await asyncio.sleep(RECEIPT_WAIT_S)
    raise NodeFailure(f"the deployment {wire.hexed(bytes(signed.hash))} was not included in {RECEIPT_TRIES_MAX} s")
