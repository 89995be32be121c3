"""Law 2, second part, on a flight: eth-tester gives the receipts that the bot's own node gave."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils import keccak, to_bytes, to_canonical_address

from sim.chain.block import Block, Header, Log, Receipt
from sim.chain.chain import Chain
from sim.chain.pyevm import make_engine
from sim.chain.transaction import decode
from sim.host.clock import NsEnvironment
from sim.host.machine import Machine
from sim.host.net import Network
from sim.record import Recorder
from sim.rng import Streams
from sim.scenario import load
from sim.world import World
from tests.chain.oracle import Oracle, differences
from tests.flight.command import ROOT, ZOO, Run, windtunnel

# The bot stays for its look at the blocks.
SETS = ["--set", f"bot.path={ROOT}", "--set", "bot.stop.grace=60s"]


def start_of(path: Path, seed: int) -> Chain:
    """Return the chain of a scenario as it is before the first slot."""
    scenario, env, streams = load(path), NsEnvironment(), Streams(seed)
    recorder = Recorder(io.BytesIO(), lambda: 0)
    network = Network(env, streams, recorder)
    network.add_site("world")
    machine = Machine(env, "world", epoch_ns=scenario.chain.epoch * 10**9)
    engine = make_engine("pyevm", scenario.chain.hardfork)
    world = World(scenario, streams, env, network, machine, recorder, engine, cache=None, lock_hash="")
    world.loop.close()
    return world.chain


def number(text: str | None) -> int:
    return int(text or "0x0", 16)


def raw_of(tx: dict[str, Any]) -> bytes:
    """Return the signed bytes of a transaction from its JSON, proved by its hash."""
    to, signature = to_bytes(hexstr=tx["to"] or "0x"), [number(tx[name]) for name in "vrs"]
    value, data, nonce, gas = number(tx["value"]), to_bytes(hexstr=tx["input"]), number(tx["nonce"]), number(tx["gas"])
    if number(tx["type"]) == 0:
        raw = rlp.encode([nonce, number(tx["gasPrice"]), gas, to, value, data, *signature])
    else:
        assert number(tx["type"]) == 2
        tip, most = number(tx["maxPriorityFeePerGas"]), number(tx["maxFeePerGas"])
        access = [
            [to_bytes(hexstr=entry["address"]), [to_bytes(hexstr=slot) for slot in entry["storageKeys"]]]
            for entry in tx["accessList"]
        ]
        fields = [number(tx["chainId"]), nonce, tip, most, gas, to, value, data, access, *signature]
        raw = b"\x02" + rlp.encode(fields)
    assert keccak(raw) == to_bytes(hexstr=tx["hash"])
    return raw


def receipt_of(found: dict[str, Any]) -> Receipt:
    logs = tuple(
        Log(to_canonical_address(log["address"]), tuple(map(_bytes, log["topics"])), _bytes(log["data"]))
        for log in found["logs"]
    )
    created = found["contractAddress"]
    return Receipt(
        tx_hash=_bytes(found["transactionHash"]), status=number(found["status"]), gas_used=number(found["gasUsed"]),
        cumulative_gas_used=number(found["cumulativeGasUsed"]), logs=logs, bloom=number(found["logsBloom"]),
        contract_address=None if created is None else _bytes(created),
        effective_gas_price=number(found["effectiveGasPrice"]), type=number(found["type"]),
    )  # fmt: skip


def _bytes(text: str) -> bytes:
    return to_bytes(hexstr=text)


def block_of(found: dict[str, Any], receipts: list[dict[str, Any]]) -> Block:
    header = Header(
        number=number(found["number"]), parent_hash=_bytes(found["parentHash"]), timestamp=number(found["timestamp"]),
        gas_limit=number(found["gasLimit"]), base_fee=number(found["baseFeePerGas"]), coinbase=_bytes(found["miner"]),
        prev_randao=_bytes(found["mixHash"]),
    )  # fmt: skip
    transactions = tuple(decode(raw_of(tx)) for tx in found["transactions"])
    return Block(header, transactions, tuple(map(receipt_of, receipts)))


@pytest.mark.parametrize("name", ["smoke", pytest.param("quickstart", marks=pytest.mark.full)])
def test_a_flights_receipts_equal_eth_testers(name: str, tmp_path: Path) -> None:
    """Every transaction of the flight, the bot's own among them, has eth-tester's receipt, through reorgs too."""
    scenario = ROOT / "scenarios" / f"{name}.yaml"
    call = windtunnel("run", scenario, "--bot", ZOO / "witness.py", *SETS, "--out", "run", cwd=tmp_path)
    run = Run(tmp_path / "run")
    assert call.code == 0, call.err + run.log
    seen = json.loads((run.folder / "cwd" / "blocks.json").read_text())

    oracle = Oracle(start_of(scenario, 1))
    found = []
    for block in (block_of(*each) for each in seen):
        found += [f"block {block.number}: {each}" for each in differences(block.receipts, oracle.replay(block))]

    assert found == []
    senders = {event.actor for event in run.events("tx.included")}
    assert "bot" in senders
    assert any(sender.startswith("trader") for sender in senders)
    assert len(run.events("reorg")) == 1
    assert len(seen) == max(event.data["number"] for event in run.events("block")) - 23_000_000
    assert sum(len(block["transactions"]) for block, _ in seen) > 30
