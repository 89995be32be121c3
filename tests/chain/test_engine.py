from __future__ import annotations

import pytest

from sim.chain.artifacts import bundled
from sim.chain.block import Receipt
from sim.chain.engine import AccountOverride, BlockEnvironment, CallRefused, CallRequest, CallReverted, Invalid
from sim.chain.estimate import revert_message
from sim.chain.flat import FlatState
from sim.chain.keccak import keccak
from sim.chain.pyevm import PyEvm, checksum_address, make_engine
from sim.chain.state import Layer, StateGone
from sim.chain.transaction import decode, sign
from sim.errors import UsageError
from sim.units import ETHER, GWEI
from tests.chain.world import COINBASE, World, trader

CONTRACT = b"\xaa" * 20
ENV = BlockEnvironment(
    number=5, timestamp=1_000, gas_limit=30_000_000, base_fee=7, coinbase=COINBASE, prev_randao=bytes(32), chain_id=1
)


def opened(code: bytes, fork: str = "cancun"):  # type: ignore[no-untyped-def]
    engine = PyEvm(fork)
    session = engine.open_block(Layer(None, {}, {}), ENV)
    session.set_account(CONTRACT, AccountOverride(code=code, state_diff={0: 5, 1: 5}))
    session.set_account(trader(0).address, AccountOverride(balance=ETHER))
    return engine.open_block(session.seal(), ENV)


def transaction(nonce: int, **fields: object):  # type: ignore[no-untyped-def]
    settings = {"to": CONTRACT, "gas": 100_000, "max_fee": 10, "max_priority_fee": 3, "chain_id": 1} | fields
    return decode(sign(trader(0).key, nonce=nonce, **settings))  # type: ignore[arg-type]


def test_each_transaction_starts_cold_with_its_own_originals() -> None:
    """What one transaction warmed or wrote is cold and original for the next: EIP-2929 and EIP-2200."""
    session = opened(bytes.fromhex("5f54600101 5f55 00".replace(" ", "")))  # slot 0 += 1

    receipts = [session.apply(transaction(nonce)) for nonce in range(3)]

    gas = [receipt.gas_used for receipt in receipts]
    assert gas == [gas[0]] * 3
    # 21000, 2 PUSH0, PUSH1, ADD, cold SLOAD 2100, SSTORE of a clean warm slot 2900
    assert gas[0] == 21_000 + 2 + 2 + 3 + 3 + 2_100 + 2_900


def test_an_access_list_warms_and_refunds_are_a_fifth() -> None:
    """A listed slot costs less to read, and clearing a slot gives back 4800, at most a fifth of the gas: EIP-3529."""
    session = opened(bytes.fromhex("5f5f5500"))  # slot 0 = 0

    listed = session.apply(transaction(0, access_list=((CONTRACT, (0,)),)))

    used = 21_000 + 2_400 + 1_900 + 2 + 2 + 2_900
    assert listed.gas_used == used - 4_800
    assert used // 5 > 4_800


def test_tips_go_to_the_coinbase_and_the_base_fee_burns() -> None:
    """The sender pays base fee and tip on the gas used; the coinbase gets the tip alone."""
    session = opened(b"\x00")

    receipt = session.apply(transaction(0, value=5))
    layer = session.seal()

    sender, coinbase = layer.account(trader(0).address), layer.account(COINBASE)
    assert receipt.effective_gas_price == 10
    assert sender is not None
    assert coinbase is not None
    assert sender.balance == ETHER - 5 - 10 * receipt.gas_used
    assert coinbase.balance == 3 * receipt.gas_used


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"nonce": 1}, "nonce too high: address {who}, tx: 1 state: 0"),
        ({"max_fee": 6, "max_priority_fee": 1},
         "max fee per gas less than block base fee: address {who}, maxFeePerGas: 6, baseFee: 7"),
        ({"max_fee": 2, "max_priority_fee": 3},
         ("max priority fee per gas higher than max fee per gas: address {who}, "
         "maxPriorityFeePerGas: 3, maxFeePerGas: 2")),
        ({"value": ETHER},
         f"insufficient funds for gas * price + value: address {{who}} have {ETHER} want {ETHER + 1_000_000}"),
        ({"gas": 20_000}, "intrinsic gas too low: have 20000, want 21000"),
        ({"gas": 30_000_001}, "gas limit reached"),
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_block_changes_nothing(fields: dict[str, int], reason: str) -> None:
    """A transaction that a block cannot hold is refused with geth's reason, and leaves no trace."""
    session = opened(b"\x00")

    outcome = session.apply(transaction(**({"nonce": 0} | fields)))

    assert outcome == Invalid(reason.format(who=checksum_address(trader(0).address)))
    assert session.seal().accounts == {}
    assert session.gas_used == 0


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("5f5ffd", "execution reverted"),
        ("fe", "invalid opcode: INVALID"),
        ("0c", "invalid opcode: opcode 0xc not defined"),
        ("5f56", "invalid jump destination"),
        ("01", "stack underflow"),
        ("5b5f56", "out of gas"),
        ("60015f5f3e", "return data out of bounds"),
        ("5f35 5f55 00", None),
    ],
)
def test_failures_have_geths_words(code: str, error: str | None) -> None:
    """A failed transaction says why in geth's words."""
    session = opened(bytes.fromhex(code))

    receipt = session.apply(transaction(0))

    assert isinstance(receipt, Receipt)
    assert receipt.error == error
    assert receipt.status == (0 if error else 1)


def test_a_loop_that_runs_out_of_gas_uses_all_of_it() -> None:
    """Out of gas takes the whole limit, translated or not."""
    session = opened(bytes.fromhex("5b5f56"))

    gas = [session.apply(transaction(nonce, gas=60_000)).gas_used for nonce in range(2)]

    assert gas == [60_000, 60_000]


def test_calls_can_see_what_is_not_so() -> None:
    """A call with overrides sees code, balance, nonce and storage as given, whole or by slot, and leaves no trace."""
    world = World.new()
    reader = bytes.fromhex("5f355460 00 52 60205ff3".replace(" ", ""))
    read = CallRequest(CONTRACT, (1).to_bytes(32, "big"))
    overrides = [
        AccountOverride(code=reader, state_diff={1: 9}),
        AccountOverride(code=reader, state={0: 3}),
    ]

    results = [world.chain.call(read, world.chain.head, {CONTRACT: override}) for override in overrides]
    after = world.chain.call(read, world.chain.head)

    assert [int.from_bytes(result.output, "big") for result in results] == [9, 0]
    assert after.output == b""


def test_calls_that_cannot_start_are_refused_in_geths_words() -> None:
    """A call without funds or gas is refused as geth's eth_call refuses it."""
    world = World.new()
    poor = b"\x01" * 20
    who = "address 0x0101010101010101010101010101010101010101"
    cases = {
        f"err: insufficient funds for transfer: {who} (supplied gas 50000000)":
            CallRequest(CONTRACT, sender=poor, value=1),
        f"insufficient funds for gas * price + value: {who} have 0 want {30_000 * 20 * GWEI}":
            CallRequest(CONTRACT, sender=poor, gas=30_000, max_fee=20 * GWEI),
        f"max fee per gas less than block base fee: {who}, maxFeePerGas: 1, baseFee: {10 * GWEI}":
            CallRequest(CONTRACT, sender=poor, gas=30_000, max_fee=1),
        "err: intrinsic gas too low: have 5, want 21000 (supplied gas 5)": CallRequest(CONTRACT, gas=5),
    }  # fmt: skip

    for message, request in cases.items():
        with pytest.raises(CallRefused) as refused:
            world.chain.call(request, world.chain.head)
        assert refused.value.message == message
        assert refused.value.code == -32000


def test_estimates_suffice_and_are_close() -> None:
    """An estimated limit lets the transaction through and is at most 1.5 % over the least that does."""
    world = World.new()
    world.approve_all()
    owner = trader(0)
    path = (world.places["weth"], world.places["token"])
    data = bundled("UniswapV2Router02").call("swapExactTokensForTokens", (10**16, 0, path, owner.address, 2**40))
    request = CallRequest(world.places["uniswap_v2.router"], data, owner.address)

    gas = world.chain.estimate_gas(request, world.chain.head)

    low, high = 21_000, gas
    while low + 1 < high:
        middle = (low + high) // 2
        passed = world.chain.call(CallRequest(request.to, data, owner.address, gas=middle), world.chain.head).success
        low, high = (low, middle) if passed else (middle, high)
    assert high <= gas <= high * 1015 // 1000 + 1
    plain = CallRequest(b"\x44" * 20, sender=owner.address, value=1)
    assert world.chain.estimate_gas(plain, world.chain.head) == 21_000


def test_estimates_that_fail_say_why() -> None:
    """A revert comes with its reason and data under code 3; a lack of gas with the allowance."""
    world = World.new()
    owner = trader(0).address
    path = (world.places["weth"], world.places["token"])
    router = bundled("UniswapV2Router02")
    expired = router.call("swapExactTokensForTokens", (1, 0, path, owner, 1))
    request = CallRequest(world.places["uniswap_v2.router"], expired, owner)

    with pytest.raises(CallReverted) as reverted:
        world.chain.estimate_gas(request, world.chain.head)
    with pytest.raises(CallRefused) as short:
        world.chain.estimate_gas(
            CallRequest(world.places["token"], bundled("ERC20Token").call("approve", (owner, 5)), owner, gas=25_000),
            world.chain.head,
        )

    assert reverted.value.message == "execution reverted: UniswapV2Router: EXPIRED"
    assert reverted.value.code == 3
    assert reverted.value.data[:4] == keccak(b"Error(string)")[:4]
    assert short.value.message == "gas required exceeds allowance (25000)"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (b"", "execution reverted"),
        (b"\x12\x34\x56\x78", "execution reverted"),
        (
            bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"),
            "execution reverted: arithmetic underflow or overflow",
        ),
        (bytes.fromhex("4e487b71") + (0x99).to_bytes(32, "big"), "execution reverted: unknown panic code: 0x99"),
        (bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (99).to_bytes(32, "big"), "execution reverted"),
    ],
)
def test_revert_data_is_read_as_geth_reads_it(output: bytes, message: str) -> None:
    """Error(string) and Panic(uint256) are put in words, anything else is not."""
    assert revert_message(output) == message


def test_old_state_is_gone_in_geths_words() -> None:
    """A state older than the window cannot be read, its block still can."""
    world = World.new(finalized_depth=4, state_window=8)
    old = world.propose()
    for _ in range(14):
        world.propose()

    with pytest.raises(StateGone, match="missing trie node"):
        world.chain.call(CallRequest(CONTRACT), old)
    assert world.chain.get_block(old.number) is old


def test_other_engines_say_how_to_get_them() -> None:
    """The native engine is refused with the way to build it, an unknown one with those there are."""
    with pytest.raises(UsageError, match="make native"):
        make_engine("revm")
    with pytest.raises(UsageError, match="there are pyevm, revm and both"):
        make_engine("geth")


def test_self_destruct_keeps_an_old_contract_and_ends_a_new_one() -> None:
    """Before Cancun a contract can end itself, from Cancun on only in the transaction that made it: EIP-6780."""
    ending = bytes.fromhex("30ff")
    codes = {}
    for fork in ("shanghai", "cancun"):
        session = opened(ending, fork)
        session.apply(transaction(0))
        flat = FlatState(session.seal(), session._engine.codes)
        codes[fork] = flat.get_code(CONTRACT)

    assert codes == {"shanghai": b"", "cancun": ending}
