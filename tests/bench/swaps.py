"""Swaps a second at block level: the reference engine, eth-tester and Anvil, on the same signed transactions."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

from sim.chain.block import Block
from tests.bench.anvil import KeepAlive, silent
from tests.bench.table import Effort, Table, Target, versus
from tests.chain.oracle import Oracle, everything
from tests.chain.world import COINBASE, TRADERS, VENUES, World

FORK: Final = "cancun"
BLOCKS: Final = 20
PEER_BLOCKS: Final = 4
SWAPS_PER_BLOCK: Final = 10
THRICE: Final = Target(">=", 3.0)


def measure(effort: Effort) -> list[Table]:
    """Swaps a second through Uniswap's router: the reference engine against eth-tester and Anvil."""
    blocks, few = record(effort.count(BLOCKS)), record(effort.count(PEER_BLOCKS))
    rows = []
    for name, side, given, target in (("eth-tester", eth_tester_s, few, THRICE), ("Anvil", anvil_s, blocks, None)):
        rates: tuple[list[float], list[float]] = ([], [])
        for _ in range(effort.rounds):
            rates[0].append(swaps_in(blocks) / pyevm_s(blocks))
            rates[1].append(swaps_in(given) / side(given))
        rows.append(versus(f"swaps, against {name}", *rates, 0, target))
    return [Table("Swaps a second", ("what", "pyevm", "peer", "ratio", "target"), tuple(rows))]


def record(count: int) -> list[Block]:
    """Return blocks of swaps through both routers; the first holds the approvals."""
    world = World.new(FORK)
    found = [world.approve_all()]
    for number in range(count):
        for ordinal in range(SWAPS_PER_BLOCK):
            world.swap(ordinal % TRADERS, VENUES[(number + ordinal) % 2], 10**16, buy=True)
        found.append(world.propose())
    return found


def swaps_in(blocks: list[Block]) -> int:
    """Return the number of swaps, the approvals not counted."""
    return sum(len(block.transactions) for block in blocks[1:])


def timed(blocks: list[Block], run: Callable[[Block], int]) -> float:
    """Return the seconds in which *run* does *blocks* but the first; each uses the gas that it used when recorded."""
    assert run(blocks[0]) == blocks[0].header.gas_used
    began_s = perf_counter()
    used = [run(block) for block in blocks[1:]]
    took_s = perf_counter() - began_s
    assert used == [block.header.gas_used for block in blocks[1:]]
    return took_s


def pyevm_s(blocks: list[Block]) -> float:
    """Return the seconds in which our engine builds and appends *blocks*."""
    world = World.new(FORK)

    def run(block: Block) -> int:
        again = world.builder.build(world.chain.head, block.header.timestamp, COINBASE, candidates=block.transactions)
        world.chain.append(again)
        return again.header.gas_used

    return timed(blocks, run)


def eth_tester_s(blocks: list[Block]) -> float:
    """Return the seconds in which eth-tester runs and mines them."""
    oracle = Oracle(World.new(FORK).chain)

    def run(block: Block) -> int:
        oracle.mine(block)
        return oracle.gas_used()

    return timed(blocks, run)


def anvil_s(blocks: list[Block]) -> float:
    """Return the seconds in which Anvil takes them over HTTP, one request a transaction, and mines them."""
    chain = World.new(FORK).chain
    options = ("--no-mining", "--order", "fifo", "--hardfork", FORK, "--chain-id", str(chain.config.chain_id),
               "--gas-limit", str(chain.config.gas_limit), "--timestamp", str(chain.epoch_s))  # fmt: skip
    with silent(*options) as (node, _):
        wire = KeepAlive(node.port)
        for address, account in everything(chain.layer(chain.start), chain).items():
            at = "0x" + address.hex()
            wire.ask("anvil_setBalance", at, hex(account["balance"]))
            wire.ask("anvil_setNonce", at, hex(account["nonce"]))
            wire.ask("anvil_setCode", at, "0x" + account["code"].hex())
            for slot, value in account["storage"].items():
                wire.ask("anvil_setStorageAt", at, f"0x{slot:064x}", f"0x{value:064x}")

        def run(block: Block) -> int:
            wire.ask("evm_setNextBlockTimestamp", block.header.timestamp)
            wire.ask("anvil_setNextBlockBaseFeePerGas", hex(block.header.base_fee or 0))
            for tx in block.transactions:
                wire.ask("eth_sendRawTransaction", "0x" + tx.raw.hex())
            wire.ask("evm_mine")
            return int(wire.ask("eth_getBlockByNumber", "latest", False)["gasUsed"], 16)

        took_s = timed(blocks, run)
        wire.close()
    return took_s
