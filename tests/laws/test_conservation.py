"""Law 4: from the start block on value is conserved, block by block."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.chain.block import Block
from sim.chain.chain import Chain
from sim.chain.deal import Dealer
from sim.chain.state import Layer
from sim.rng import Stream
from tests.chain.world import TRADERS, VENUES, World, trader
from tests.laws.test_oracle_receipts import trade


def ether_moved(chain: Chain, block: Block) -> int:
    """Return by how much all balances together changed in *block*."""
    layer = chain.layer(block)
    assert layer.parent is not None
    before, after = layer.parent, layer
    return sum(_balance(after, address) - _balance(before, address) for address in layer.accounts)


def _balance(layer: Layer, address: bytes) -> int:
    account = layer.account(address)
    return account.balance if account else 0


def burned(block: Block) -> int:
    assert block.header.base_fee is not None
    return block.header.base_fee * block.header.gas_used


def tokens_held(world: World, token: str, layer: Layer) -> int:
    """Return the sum of the balances of everybody who can hold a token here."""
    place = balance_place(world, token)
    holders = {trader(index).address for index in range(TRADERS)} | set(world.places.values())
    holders |= {bytes([number]) * 20 for number in range(16)}
    return sum(layer.slot(world.places[token], place(holder)) for holder in holders)


def balance_place(world: World, token: str) -> Callable[[bytes], int]:
    """Return where the token keeps a holder's balance, as the dealer finds it."""
    start = world.chain.start
    dealer = Dealer(world.chain.engine, world.chain.layer(start), world.chain.environment(start))
    return dealer._layout(world.places[token], token).balance_slot


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_every_block_conserves_value(seed: int) -> None:
    """In each block ether changes by what is burned alone, and what accounts hold of a token is its supply."""
    world = World.new()
    chance = Stream(seed, "conservation")
    world.approve_all()
    for number in range(5):
        trade(world, chance, number)
        world.propose()
        if chance.chance(0.3, number, "reorg"):
            world.chain.reorg(world.builder.competing(1, b"\xdd" * 20))
            for index in range(TRADERS):
                world.nonces[trader(index).address] = world.mempool.pending_nonce(trader(index).address)

    for number in range(world.chain.start.number + 1, world.chain.head.number + 1):
        block = world.chain.get_block(number)
        assert block is not None
        assert ether_moved(world.chain, block) == -burned(block)
        layer = world.chain.layer(block)
        supply = layer.slot(world.places["token"], _supply_slot(world))
        assert tokens_held(world, "token", layer) == supply
        assert tokens_held(world, "weth", layer) == _balance(layer, world.places["weth"])


def _supply_slot(world: World) -> int:
    """Return the slot of the token's supply: the one of its first slots that holds what totalSupply says."""
    supply = world.read("token", "totalSupply")
    layer = world.chain.layer(world.chain.head)
    return next(slot for slot in range(10) if layer.slot(world.places["token"], slot) == supply)


def test_the_start_block_is_consistent() -> None:
    """At the start block pools hold their reserves, accounts their balances, and supplies are the sum of balances."""
    world = World.new()

    for venue in VENUES:
        pair = f"{venue}.pair"
        reserves = {world.read(token, "balanceOf", world.places[pair]) for token in ("weth", "token")}
        assert reserves == {1_000 * 10**18, 2_000_000 * 10**18}
    layer = world.chain.layer(world.chain.head)
    assert world.read("weth", "balanceOf", trader(0).address) == 50 * 10**18
    assert world.read("token", "balanceOf", trader(0).address) == 100_000 * 10**18
    assert (
        world.read("weth", "totalSupply") == _balance(layer, world.places["weth"]) == tokens_held(world, "weth", layer)
    )
    assert world.read("token", "totalSupply") == tokens_held(world, "token", layer)
