"""Swaps a second at block level: the reference engine against eth-tester, on the same signed transactions.

    python -m tests.bench.swaps [BLOCKS]

Processor time is measured, not wall time, so that a busy machine does not blur the ratio.
"""

from __future__ import annotations

import sys
from time import process_time

from sim.chain.artifacts import bundled
from sim.chain.block import Block
from sim.chain.engine import CallRequest
from tests.chain.oracle import Oracle
from tests.chain.world import COINBASE, TRADERS, VENUES, World

SWAPS_PER_BLOCK = 10


def record(blocks: int) -> list[Block]:
    """Return blocks of swaps through both routers; the first holds the approvals."""
    world = World.new("cancun")
    found = [world.approve_all()]
    for number in range(blocks):
        for ordinal in range(SWAPS_PER_BLOCK):
            world.swap(ordinal % TRADERS, VENUES[(number + ordinal) % 2], 10**16, buy=True)
        found.append(world.propose())
    return found


def pyevm_s(blocks: list[Block]) -> float:
    """Return the processor time in which our engine builds and appends *blocks* but the first."""
    world, begun_s = World.new("cancun"), 0.0
    for number, block in enumerate(blocks):
        if number == 1:
            begun_s = process_time()
        again = world.builder.build(world.chain.head, block.header.timestamp, COINBASE, candidates=block.transactions)
        world.chain.append(again)
        assert len(again.transactions) == len(block.transactions)
    return process_time() - begun_s


def eth_tester_s(blocks: list[Block]) -> float:
    """Return the processor time in which eth-tester does the same."""
    oracle = Oracle(World.new("cancun").chain)
    oracle.replay(blocks[0], receipts=False)
    begun_s = process_time()
    for block in blocks[1:]:
        oracle.replay(block, receipts=False)
    return process_time() - begun_s


def calls_per_s(count: int) -> float:
    """Return how often a second the engine answers getReserves()."""
    world = World.new("cancun")
    request = CallRequest(world.places["uniswap_v2.pair"], bundled("UniswapV2Pair").call("getReserves"))
    for _ in range(20):
        world.chain.call(request, world.chain.head)
    begun_s = process_time()
    for _ in range(count):
        world.chain.call(request, world.chain.head)
    return count / (process_time() - begun_s)


def main() -> None:
    """Print both figures and their ratio."""
    blocks = record(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
    swaps = sum(len(block.transactions) for block in blocks[1:])
    ours, theirs = swaps / pyevm_s(blocks), swaps / eth_tester_s(blocks)
    print(f"{swaps} swaps in blocks of {SWAPS_PER_BLOCK}, swaps a second of processor time:")
    print(f"  pyevm {ours:.0f}   eth-tester {theirs:.0f}   ratio {ours / theirs:.1f}")
    print(f"  getReserves() called {calls_per_s(2000):.0f} times a second")


if __name__ == "__main__":
    main()
