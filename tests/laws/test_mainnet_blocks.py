"""Law 2, first part: what mainnet computed, the reference engine computes."""

from __future__ import annotations

import pytest

from sim.chain.block import Receipt, roots
from sim.chain.engine import BlockEnvironment
from sim.chain.pyevm import PyEvm
from tests.chain.mainnet import FORKS, block_hashes, codes, recorded

SMALL = (4370000, 12522062, 19426587, 19933122)


def check(number: int) -> None:
    block = recorded(number)
    engine = PyEvm(block.fork)
    for code in codes():
        engine.codes.add(code)
    env = BlockEnvironment.of(block.header, 1, lambda height: block_hashes().get(height, b""))

    session = engine.open_block(block.prestate, env)
    outcomes = [session.apply(tx) for tx in block.transactions]

    assert block.header.hash == block.hash
    assert tuple(tx.sender for tx in block.transactions) == block.senders
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert len(receipts) == len(outcomes), [outcome for outcome in outcomes if not isinstance(outcome, Receipt)]
    bloom = 0
    for receipt in receipts:
        bloom |= receipt.bloom
    assert session.gas_used == block.header.gas_used
    assert bloom == block.header.logs_bloom
    assert roots(block.transactions, receipts) == (block.header.transactions_root, block.header.receipts_root)


@pytest.mark.parametrize("number", SMALL)
def test_small_blocks_replay(number: int) -> None:
    """A mainnet block replays with its own hash, senders, gas used, bloom, transactions root and receipts root."""
    check(number)


@pytest.mark.full
@pytest.mark.parametrize("number", sorted(set(FORKS) - set(SMALL)))
def test_big_blocks_replay(number: int) -> None:
    """So do the big ones, every fork from Byzantium to Cancun among them."""
    check(number)
