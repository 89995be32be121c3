from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.chain.flat import FlatState
from sim.chain.state import AccountState, CodeStore, Layer, StateGone, changes_digest

ADDRESSES = [bytes([number]) * 20 for number in range(1, 5)]
PLACE = st.sampled_from(ADDRESSES)
STEP = st.one_of(
    st.tuples(st.just("balance"), PLACE, st.integers(0, 5)),
    st.tuples(st.just("nonce"), PLACE, st.integers(0, 3)),
    st.tuples(st.just("code"), PLACE, st.sampled_from([b"", b"\x01", b"\x02"])),
    st.tuples(st.just("store"), PLACE, st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.tuples(st.just("delete"), PLACE, st.none()),
    st.tuples(st.just("mark"), PLACE, st.none()),
    st.tuples(st.just("back"), PLACE, st.none()),
    st.tuples(st.just("block"), PLACE, st.none()),
)
Model = dict[bytes, tuple[int, int, bytes, dict[int, int]]]


def perform(flat: FlatState, model: Model, step: tuple[str, bytes, object]) -> None:
    kind, address, value = step
    nonce, balance, code, slots = model.get(address, (0, 0, b"", {}))
    if kind == "balance":
        flat.set_balance(address, value)  # type: ignore[arg-type]
        model[address] = (nonce, value, code, slots)  # type: ignore[assignment]
    elif kind == "nonce":
        flat.set_nonce(address, value)  # type: ignore[arg-type]
        model[address] = (value, balance, code, slots)  # type: ignore[assignment]
    elif kind == "code":
        flat.set_code(address, value)  # type: ignore[arg-type]
        model[address] = (nonce, balance, value, slots)  # type: ignore[assignment]
    elif kind == "store":
        slot, word = value  # type: ignore[misc]
        if nonce:  # only a contract, which has a nonce, writes storage
            flat.set_storage(address, slot, word)
            model[address] = (nonce, balance, code, {**slots, slot: word})
    elif kind == "delete":
        flat.delete_account(address)
        model.pop(address, None)


def shown(layer: Layer, codes: CodeStore) -> Model:
    found: Model = {}
    for address in ADDRESSES:
        account = layer.account(address)
        if account is not None:
            slots = {slot: layer.slot(address, slot) for slot in range(4) if layer.slot(address, slot)}
            assert slots == layer.slots(address)
            found[address] = (account.nonce, account.balance, codes.get(account.code_hash), slots)
    return found


def plain(model: Model) -> Model:
    cleaned = {
        address: (nonce, balance, code, {slot: word for slot, word in slots.items() if word})
        for address, (nonce, balance, code, slots) in model.items()
    }
    return {address: entry for address, entry in cleaned.items() if entry[:3] != (0, 0, b"")}


@given(st.lists(STEP, max_size=60))
def test_layers_equal_a_plain_dictionary(steps: list[tuple[str, bytes, object]]) -> None:
    """Any writes, deletions, marks and returns over any blocks leave the state that a dictionary would hold."""
    codes, layer, model = CodeStore(), Layer(None, {}, {}), Model()
    flat, marks = FlatState(layer, codes), list[tuple[int, Model]]()
    for step in steps:
        if step[0] == "mark":
            marks.append((flat.record(), dict(model)))
        elif step[0] == "back" and marks:
            mark, model = marks.pop()
            flat.discard(mark)
        elif step[0] == "block":
            model = {address: entry for address, entry in model.items() if address in plain(model)}
            layer = flat.seal()
            flat, marks = FlatState(layer, codes), []
        else:
            perform(flat, model, step)

    sealed = flat.seal()

    assert shown(sealed, codes) == plain(model)
    while sealed.depth():
        bottom = sealed
        while bottom.parent is not None and bottom.parent.parent is not None:
            bottom = bottom.parent
        bottom.squash()
    assert shown(sealed, codes) == plain(model)


def test_a_block_that_changes_nothing_leaves_an_empty_layer() -> None:
    """Writing what was there, or taking a write back, is no change."""
    codes, address = CodeStore(), ADDRESSES[0]
    base = Layer(None, {address: AccountState(1, 5, codes.add(b""))}, {address: {0: 7}})
    flat = FlatState(base, codes)

    flat.set_balance(address, 6)
    flat.set_balance(address, 5)
    flat.set_storage(address, 0, 8)
    flat.set_storage(address, 0, 7)
    flat.touch_account(ADDRESSES[1])
    layer = flat.seal()

    assert (layer.accounts, layer.storage, layer.wiped) == ({}, {}, frozenset())
    assert changes_digest(layer) == changes_digest(Layer(base, {}, {}))


def test_branches_do_not_see_each_other() -> None:
    """Two layers on one parent hold their own values, and the parent keeps its."""
    codes, address = CodeStore(), ADDRESSES[0]
    base = Layer(None, {address: AccountState(0, 5, codes.add(b""))}, {})
    left, right = FlatState(base, codes), FlatState(base, codes)

    left.set_balance(address, 1)
    right.set_balance(address, 2)

    balances = [layer.account(address) for layer in (left.seal(), right.seal(), base)]
    assert [account.balance for account in balances if account] == [1, 2, 5]


def test_a_squashed_branch_says_so() -> None:
    """A layer whose ground was squashed into another branch cannot be read."""
    base = Layer(None, {}, {})
    kept, lost = Layer(base, {}, {}), Layer(base, {}, {})

    kept.squash()

    kept.require()
    with pytest.raises(StateGone, match="missing trie node"):
        lost.require()


def test_the_digest_does_not_depend_on_the_order_of_writes() -> None:
    """The same changes made in another order have the same digest; another value has another."""
    codes = CodeStore()
    digests = []
    for order in (ADDRESSES, ADDRESSES[::-1]):
        flat = FlatState(Layer(None, {}, {}), codes)
        for address in order:
            flat.set_nonce(address, 1)
            for slot in (1, 2) if order is ADDRESSES else (2, 1):
                flat.set_storage(address, slot, 9)
        digests.append(changes_digest(flat.seal()))
    other = FlatState(Layer(None, {}, {}), codes)
    other.set_nonce(ADDRESSES[0], 1)

    assert digests[0] == digests[1] != changes_digest(other.seal())
