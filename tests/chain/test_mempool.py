from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.chain.genesis import presigned
from sim.chain.mempool import Mempool, MempoolLimits
from sim.chain.transaction import Transaction, TransactionRejected, decode, sign_legacy
from sim.units import ETHER, GWEI
from tests.chain.world import TRADERS, World, trader

TO = b"\x0f" * 20


def refused(world: World, raw: bytes) -> str:
    with pytest.raises(TransactionRejected) as caught:
        world.mempool.add(raw)
    assert caught.value.code == -32000
    return caught.value.message


def test_refusals_are_geths() -> None:
    """What geth's pool refuses is refused, with its words and its numbers."""
    world, owner = World.new(), trader(0)
    world.send(owner, TO, gas=21_000, nonce=0)
    known = world.signed(owner, TO, gas=21_000, nonce=0)
    poor = world.signed(trader(9), TO, gas=21_000, nonce=0, max_fee=GWEI)
    rich = world.chain.state(world.chain.head).balance(owner.address)
    limit = world.chain.head.header.gas_limit
    fields = {"nonce": 1, "gas": 21_000}
    cases = {
        "already known": known,
        "replacement transaction underpriced": world.signed(owner, TO, gas=21_000, nonce=0, max_fee=41 * GWEI),
        "exceeds block gas limit": world.signed(owner, TO, nonce=1, gas=limit + 1, max_fee=1, max_priority_fee=1),
        "max priority fee per gas higher than max fee per gas":
            world.signed(owner, TO, **fields, max_fee=1, max_priority_fee=2),
        "intrinsic gas too low: gas 20999, minimum needed 21000": world.signed(owner, TO, nonce=1, gas=20_999),
        "insufficient gas for floor data gas cost: gas 30000, minimum needed 61000":
            world.signed(owner, TO, b"\x01" * 1_000, nonce=1, gas=30_000 + 8_000 - 8_000),
        "transaction underpriced: gas tip cap 0, minimum needed 1":
            world.signed(owner, TO, **fields, max_priority_fee=0),
        f"insufficient funds for gas * price + value: balance 0, tx cost {21_000 * GWEI}, overshot {21_000 * GWEI}":
            poor,
        f"insufficient funds for gas * price + value: balance {rich}, queued cost {21_000 * 40 * GWEI}, "
        f"tx cost {rich}, overshot {21_000 * 40 * GWEI}":
            world.signed(owner, TO, **fields, value=rich - 21_000 * 40 * GWEI),
        "nonce has max value": world.signed(owner, TO, gas=21_000, nonce=2**64 - 1),
        "tx fee (1.20 ether) exceeds the configured cap (1.00 ether)":
            world.signed(owner, TO, nonce=1, gas=12_000_000, max_fee=100 * GWEI),
        "max initcode size exceeded: code size 49153, limit 49152":
            world.signed(owner, None, bytes(49_153), nonce=1, gas=5_000_000),
    }  # fmt: skip
    cases["oversized data: transaction size 131188, limit 131072"] = world.signed(
        owner, TO, bytes(131_072), nonce=1, gas=1_000_000
    )

    answers = {message: refused(world, raw) for message, raw in cases.items() if "floor" not in message}

    assert answers == {message: message for message in answers}
    floor = refused(world, cases["insufficient gas for floor data gas cost: gas 30000, minimum needed 61000"])
    assert floor == "intrinsic gas too low: gas 30000, minimum needed 37000"
    floor = refused(world, world.signed(owner, TO, b"\x01" * 1_000, nonce=1, gas=40_000))
    assert floor == "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000"


def test_other_chains_and_unprotected_transactions_are_refused() -> None:
    """A transaction of another chain, or of none, is refused as geth refuses it."""
    world, key = World.new(), trader(0).key
    other = sign_legacy(key, chain_id=5, nonce=0, to=TO, gas=21_000, gas_price=GWEI)

    assert refused(world, other) == "invalid sender: invalid chain id for signer: have 5 want 1"
    unprotected = presigned("create2")
    assert refused(world, unprotected) == "only replay-protected (EIP-155) transactions allowed over RPC"


def test_a_used_nonce_is_too_low() -> None:
    """Once a nonce is on the chain, no other transaction takes it."""
    world, owner = World.new(), trader(0)
    world.send(owner, TO, gas=21_000)
    world.propose()

    message = refused(world, world.signed(owner, TO, gas=21_000, nonce=0, max_fee=90 * GWEI))

    assert message == "nonce too low: next nonce 1, tx nonce 0"


@pytest.mark.parametrize(
    ("max_fee", "tip", "taken"),
    [
        (44, 11, True),
        (44, 10, False),
        (43, 11, False),
        (40, 10, False),
        (100, 10, False),
        (40, 20, False),
        (50, 12, True),
    ],
)
def test_a_replacement_pays_a_tenth_more_on_both_fees(max_fee: int, tip: int, taken: bool) -> None:
    """A transaction takes another's nonce iff each of its fees is at least a tenth above the other's."""
    world, owner = World.new(), trader(0)
    old = world.send(owner, TO, gas=21_000, nonce=0, max_fee=40 * GWEI, max_priority_fee=10 * GWEI)
    raw = world.signed(owner, TO, gas=21_000, nonce=0, max_fee=max_fee * GWEI, max_priority_fee=tip * GWEI, value=1)

    if taken:
        new = world.mempool.add(raw)
        assert [tx.hash for tx in world.mempool.transactions()] == [new]
        assert world.mempool.get(old) is None
    else:
        assert refused(world, raw) == "replacement transaction underpriced"


def test_a_gap_holds_back_what_is_behind_it() -> None:
    """Behind a nonce gap a transaction waits untold; when the gap closes, all are told of in nonce order."""
    world, owner = World.new(), trader(0)
    told: list[int] = []
    world.mempool.on_transaction.append(lambda tx: told.append(tx.nonce))

    for nonce in (2, 1):
        world.send(owner, TO, gas=21_000, nonce=nonce)

    assert told == []
    assert world.mempool.pending_nonce(owner.address) == 0
    assert world.propose().transactions == ()
    world.send(owner, TO, gas=21_000, nonce=0)
    assert told == [0, 1, 2]
    assert world.mempool.pending_nonce(owner.address) == 3
    pending, queued = world.mempool.content()
    assert sorted(pending[owner.address]) == [0, 1, 2]
    assert queued == {}
    assert [tx.nonce for tx in world.propose().transactions] == [0, 1, 2]


def test_orphans_come_back() -> None:
    """After a reorg every transaction of the lost blocks that the new one lacks waits again, and is told of again."""
    world = World.new()
    kept = world.send(trader(0), TO, gas=21_000)
    lost = world.send(trader(1), TO, gas=21_000)
    world.propose()
    told: list[bytes] = []
    world.mempool.on_transaction.append(lambda tx: told.append(tx.hash))

    change = world.chain.reorg(world.builder.competing(1, b"\xdd" * 20, skip={lost}))

    assert [block.number for block in change.removed] == [block.number for block in change.added]
    assert world.chain.find_transaction(kept) is not None
    assert world.chain.find_transaction(lost) is None
    assert [tx.hash for tx in world.mempool.transactions()] == told == [lost]
    assert [tx.hash for tx in world.propose().transactions] == [lost]
    assert len(world.mempool) == 0


def test_an_orphan_loses_to_what_took_its_nonce() -> None:
    """An orphan does not come back if the new branch used its nonce otherwise."""
    world, owner = World.new(), trader(0)
    orphan = world.send(owner, TO, gas=21_000, nonce=0)
    world.propose()
    rival = world.signed(owner, TO, gas=21_000, nonce=0, value=7)
    parent = world.chain.get_block(world.chain.head.header.parent_hash)
    assert parent is not None
    block = world.builder.build(parent, world.chain.head.header.timestamp, b"\xdd" * 20, candidates=[decode(rival)])

    world.chain.reorg([block])

    assert world.chain.find_transaction(orphan) is None
    assert len(world.mempool) == 0


def test_a_full_mempool_drops_the_lowest_tip() -> None:
    """A full mempool makes room for a better tip and refuses a worse one."""
    world = World.new()
    pool = Mempool(world.chain, MempoolLimits(total=2))
    low = pool.add(world.signed(trader(0), TO, gas=21_000, max_priority_fee=GWEI))
    pool.add(world.signed(trader(1), TO, gas=21_000, max_priority_fee=2 * GWEI))

    with pytest.raises(TransactionRejected, match=r"^transaction underpriced$"):
        pool.add(world.signed(trader(2), TO, gas=21_000, nonce=0, max_priority_fee=GWEI))
    pool.add(world.signed(trader(2), TO, gas=21_000, nonce=0, max_priority_fee=3 * GWEI))

    assert pool.get(low) is None
    assert len(pool) == 2


def test_a_queue_is_limited() -> None:
    """Behind a gap no more than the limit of one sender's transactions wait; the highest nonces go."""
    world = World.new()
    pool = Mempool(world.chain, MempoolLimits(account_queue=3))

    for nonce in range(1, 7):
        pool.add(world.signed(trader(0), TO, gas=21_000, nonce=nonce))

    assert [tx.nonce for tx in pool.transactions()] == [1, 2, 3]


def test_what_can_no_longer_be_paid_is_dropped() -> None:
    """A transaction whose sender has become too poor leaves the mempool with the block that made it so."""
    world, owner = World.new(), trader(0)
    balance = world.chain.state(world.chain.head).balance(owner.address)
    world.send(owner, TO, gas=21_000, value=balance // 2)
    cheap = world.send(owner, TO, gas=21_000, value=balance // 3)
    spender = world.signed(
        owner, TO, gas=21_000, nonce=0, value=balance - ETHER, max_fee=80 * GWEI, max_priority_fee=9 * GWEI
    )

    block = world.build(candidates=[decode(spender)])
    world.chain.append(block)

    assert world.mempool.get(cheap) is None


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, TRADERS - 1), st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)), max_size=14
    )
)
def test_executable_is_in_order(sends: list[tuple[int, int, int, int]]) -> None:
    """What can be included comes in nonce order per sender, and a sender's first offers do not rise in tip."""
    world = World.new()
    for index, nonce, tip, spare in sends:
        raw = world.signed(
            trader(index), TO, gas=21_000, nonce=nonce, max_fee=(10 + spare) * GWEI, max_priority_fee=tip * GWEI
        )
        with suppress(TransactionRejected):
            world.mempool.add(raw)
    base_fee = 11 * GWEI

    order = list(world.mempool.executable(base_fee))

    by_sender: dict[bytes, list[Transaction]] = {}
    for tx in order:
        assert tx.effective_tip(base_fee) >= 0
        assert tx.nonce == len(by_sender.setdefault(tx.sender, []))
        by_sender[tx.sender].append(tx)
    heads = [tx for tx in order if tx.nonce == 0]
    tips = [tx.effective_tip(base_fee) for tx in heads]
    assert tips == sorted(tips, reverse=True)
