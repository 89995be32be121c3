"""Uniswap V2 swaps a second: the reference engine, eth-tester and Anvil on the same signed transactions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

from sim.chain.artifacts import bundled
from sim.chain.block import Block
from sim.units import ETHER
from tests.bench.anvil import KeepAlive, silent
from tests.bench.table import Effort, Table, Target, versus
from tests.chain.oracle import Oracle, everything
from tests.chain.world import COINBASE, TRADERS, VENUES, World, trader

SWAPS: Final = 25
"""Swaps in a block."""

BLOCKS: Final = 2
"""Blocks in a round."""

WARM_UP_BLOCKS: Final = 3
"""Untimed at the start: the reference engine translates code that has become hot."""

FORK: Final = "prague"
ROUTER: Final = bundled("UniswapV2Router02")
THRICE: Final = Target(">=", 3.0)


class Ours:
    """Our mempool, builder and chain over `pyevm`; each block it builds is what the peers are given."""

    def __init__(self) -> None:
        self.world = World.new(FORK)
        self._signed = 0

    def sign(self) -> list[bytes]:
        """Return the next block's swaps, signed: both ways, on both venues, by all traders."""
        raws = []
        for _ in range(SWAPS):
            self._signed += 1
            raws.append(self._swap(self._signed))
        return raws

    def _swap(self, ordinal: int) -> bytes:
        world, owner = self.world, trader(ordinal % TRADERS)
        venue, buy = VENUES[ordinal % 2], ordinal // 4 % 2 == 0
        path = (world.places["weth"], world.places["token"])
        amount = (ETHER // 10 if buy else 200 * ETHER) + ordinal
        args = (amount, 0, path if buy else path[::-1], owner.address, 2**40)
        return world.signed(owner, world.places[f"{venue}.router"], ROUTER.call("swapExactTokensForTokens", args))

    def block(self, raws: Sequence[bytes]) -> Block:
        """Take raw transactions, build the block and make it the head."""
        world = self.world
        for raw in raws:
            world.mempool.add(raw)
        head = world.chain.head
        block = world.builder.build(head, head.header.timestamp + 12, COINBASE)
        world.chain.append(block)
        return block


class Anvil:
    """Anvil on the same start state, over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._node = KeepAlive(port)

    def block(self, block: Block) -> None:
        """Send the raw transactions one by one and have them mined."""
        ask = self._node.ask
        for tx in block.transactions:
            ask("eth_sendRawTransaction", f"0x{tx.raw.hex()}")
        ask("evm_mine", {"timestamp": block.header.timestamp})

    def gas_used(self) -> int:
        """Return the gas of the newest block."""
        return int(self._node.ask("eth_getBlockByNumber", "latest", False)["gasUsed"], 16)

    def close(self) -> None:
        """Hang up."""
        self._node.close()


def start_file(world: World) -> dict[str, Any]:
    """Return the start state as geth's genesis file, which Anvil reads."""
    chain, start = world.chain, world.chain.start.header
    alloc = {
        f"0x{address.hex()}": {
            "balance": hex(account["balance"]),
            "nonce": hex(account["nonce"]),
            "code": f"0x{account['code'].hex()}",
            "storage": {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in account["storage"].items()},
        }
        for address, account in everything(chain.layer(chain.start), chain).items()
    }
    return {
        "config": {"chainId": chain.config.chain_id},
        "alloc": alloc,
        "gasLimit": hex(start.gas_limit),
        "difficulty": "0x0",
        "timestamp": hex(start.timestamp),
        "baseFeePerGas": hex(start.base_fee or 0),
    }


@dataclass(frozen=True)
class Rates:
    """Swaps a second, round by round."""

    ours: list[float] = field(default_factory=list)
    eth_tester: list[float] = field(default_factory=list)
    anvil: list[float] = field(default_factory=list)


def measure(effort: Effort) -> list[Table]:
    """Uniswap V2 swaps a second through its router, in blocks of 25: `pyevm` against eth-tester and Anvil."""
    with TemporaryDirectory(prefix="windtunnel-bench-") as folder:
        ours, genesis = Ours(), Path(folder) / "genesis.json"
        genesis.write_text(json.dumps(start_file(ours.world)))
        options = ("--init", str(genesis), "--no-mining", "--order", "fifo", "--hardfork", FORK)
        with silent(*options) as (node, _):
            anvil = Anvil(node.port)
            rates = _race(ours, Oracle(ours.world.chain), anvil, effort)
            anvil.close()
    rows = (
        versus("eth-tester (`PyEVMBackend`)", rates.ours, rates.eth_tester, 0, THRICE),
        versus("Anvil, over HTTP", rates.ours, rates.anvil, 0),
    )
    return [Table("Swaps a second, in blocks of 25", ("peer", "`pyevm`", "peer", "ratio", "target"), rows)]


def _race(ours: Ours, oracle: Oracle, anvil: Anvil, effort: Effort) -> Rates:
    approvals = ours.world.approve_all()
    oracle.mine(approvals)
    anvil.block(approvals)
    rates, blocks = Rates(), effort.count(BLOCKS)
    for number in range(-1, effort.rounds):
        batches = [ours.sign() for _ in range(blocks if number >= 0 else effort.count(WARM_UP_BLOCKS))]
        at_s = [perf_counter()]
        built = [ours.block(raws) for raws in batches]
        at_s.append(perf_counter())
        for block in built:
            oracle.mine(block)
        at_s.append(perf_counter())
        for block in built:
            anvil.block(block)
        at_s.append(perf_counter())
        assert all(receipt.status for block in built for receipt in block.receipts), "a swap failed"
        assert built[-1].header.gas_used == oracle.gas_used() == anvil.gas_used(), "the engines disagree"
        if number >= 0:
            for found, began_s, ended_s in zip(
                (rates.ours, rates.eth_tester, rates.anvil), at_s, at_s[1:], strict=False
            ):
                found.append(blocks * SWAPS / (ended_s - began_s))
    return rates
