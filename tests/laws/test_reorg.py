"""The state does not remember how the head got where it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.chain.builder import seal_block
from sim.chain.chain import Chain
from sim.chain.engine import BlockEnvironment
from sim.chain.state import Layer
from tests.chain.world import TRADERS, VENUES, World, trader

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("swap"), st.integers(0, TRADERS - 1), st.integers(0, 3)),
        st.tuples(st.just("block"), st.just(0), st.just(0)),
        st.tuples(st.just("reorg"), st.integers(1, 4), st.integers(0, 1)),
    ),
    min_size=4,
    max_size=24,
)


def flattened(layer: Layer | None) -> tuple[dict[bytes, object], dict[bytes, dict[int, int]]]:
    assert layer is not None
    accounts: dict[bytes, object] = {}
    below: Layer | None = layer
    while below is not None:
        for address in below.accounts:
            accounts.setdefault(address, layer.account(address))
        below = below.parent
    alive = {address: account for address, account in accounts.items() if account is not None}
    return alive, {address: layer.slots(address) for address in sorted(alive)}


def straight(chain: Chain) -> Layer:
    """Execute the canonical transactions again, block by block, from the start block on."""
    layer = chain.layer(chain.start)
    for number in range(chain.start.number + 1, chain.head.number + 1):
        block = chain.get_block(number)
        assert block is not None
        env = BlockEnvironment.of(block.header, chain.config.chain_id, chain.ancestors(block.header))
        session = chain.engine.open_block(layer, env)
        for tx in block.transactions:
            session.apply(tx)
        again, layer = seal_block(block.header, session, block.transactions, block.receipts)
        assert again.hash == block.hash
        assert again.digest == block.digest
    return layer


@settings(max_examples=12)
@given(moves=MOVES)
def test_any_reorgs_end_in_the_state_of_straight_execution(moves: list[tuple[str, int, int]]) -> None:
    """After any blocks and reorgs the state equals that of executing the canonical blocks once; so do the indices."""
    world = World.new(finalized_depth=6)
    world.approve_all()
    for kind, number, extra in moves:
        if kind == "swap":
            world.nonces[trader(number).address] = world.mempool.pending_nonce(trader(number).address)
            buy = bool(extra & 1)
            world.swap(number, VENUES[extra >> 1], 10**16 * (1 if buy else 2000), buy=buy)
        elif kind == "block":
            world.propose()
        else:
            depth = min(number, world.chain.head.number - world.chain.finalized.number)
            if depth:
                skip = {tx.hash for tx in world.chain.head.transactions} if extra else set()
                world.chain.reorg(world.builder.competing(depth, b"\xdd" * 20, skip=skip))

    again = straight(world.chain)

    assert flattened(world.chain.layer(world.chain.head)) == flattened(again)
    held = set()
    for number in range(world.chain.start.number, world.chain.head.number + 1):
        block = world.chain.get_block(number)
        assert block is not None
        for index, tx in enumerate(block.transactions):
            held.add(tx.hash)
            assert world.chain.find_transaction(tx.hash) == (block, index)
    assert not held & {tx.hash for tx in world.mempool.transactions()}


def test_squashing_old_layers_changes_nothing() -> None:
    """With a window of a few blocks, long histories with reorgs keep the state of straight execution."""
    world, whole = World.new(finalized_depth=4, state_window=8), World.new(finalized_depth=4)
    for each in (world, whole):
        each.approve_all()
        for number in range(40):
            each.swap(number % TRADERS, VENUES[number % 2], 10**16, buy=True)
            each.propose()
            if number % 7 == 6:
                each.chain.reorg(each.builder.competing(3, b"\xdd" * 20))

    assert world.chain.head.hash == whole.chain.head.hash
    assert flattened(world.chain.layer(world.chain.head)) == flattened(whole.chain.layer(whole.chain.head))
    assert world.chain.layer(world.chain.head).depth() < 16
    assert whole.chain.layer(whole.chain.head).depth() > 40
