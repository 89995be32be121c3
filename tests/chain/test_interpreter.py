"""The translated interpreter against py-evm's own, on generated programs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from eth.vm.code_stream import CodeStream
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.chain.engine import AccountOverride, BlockEnvironment, CallRequest
from sim.chain.flat import FlatState
from sim.chain.pyevm import PyEvm, PyEvmSession
from sim.chain.segment import FAST, jump_destinations, sar, sdiv, signextend, smod, translate
from sim.chain.state import Layer

ADDRESS = b"\xaa" * 20
CALLEE = b"\xbb" * 20
ENV = BlockEnvironment(
    number=5, timestamp=1_000, gas_limit=30_000_000, base_fee=7, coinbase=b"\xcc" * 20, prev_randao=b"\x01" * 32,
    chain_id=1,
)  # fmt: skip
WORD = st.one_of(
    st.integers(0, 40), st.integers(0, 2**256 - 1), st.sampled_from([2**255, 2**256 - 1, 2**255 - 1, 31, 32, 255, 256])
)


def push(value: int) -> bytes:
    return b"\x7f" + value.to_bytes(32, "big")


def run(code: bytes, data: bytes, gas: int, fork: str, *, plain: bool, callee: bytes = b"\x00") -> tuple[object, ...]:
    """Run *code* twelve times in one engine, so that its segments grow hot, and return the last outcome."""
    engine = PyEvm(fork)
    if plain:
        state_module: Any = import_module(f"eth.vm.forks.{fork}.state")
        base = getattr(state_module, "".join(part.capitalize() for part in fork.split("_")) + "State")
        engine._state_class.computation_class = without_warnings(base.computation_class)
    seen: tuple[object, ...] = ()
    for _ in range(1 if plain else 12):
        flat = FlatState(Layer(None, {}, {}), engine.codes)
        session = PyEvmSession(engine, flat, ENV)
        session.set_account(ADDRESS, AccountOverride(code=code, balance=10**18, state_diff={0: 5, 1: 2**255}))
        session.set_account(CALLEE, AccountOverride(code=callee))
        session.seal()
        result = session.call(CallRequest(ADDRESS, data, b"\xdd" * 20, gas=21_000 + 68 * len(data) + gas))
        seen = (result.success, result.output, result.gas_used, result.logs, flat.seal().storage)
    return seen


def without_warnings(computation: Any) -> Any:
    opcodes = {value: getattr(opcode, "__wrapped__", opcode) for value, opcode in computation.opcodes.items()}
    return type("Plain", (computation,), {"opcodes": opcodes})


PIECES = st.one_of(
    WORD.map(push),
    st.integers(0x80, 0x9F).map(lambda op: bytes([op])),
    st.sampled_from([0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, *range(0x10, 0x1E), 0x50]).map(
        lambda op: bytes([op])
    ),
    st.sampled_from([0x30, 0x33, 0x34, 0x36, 0x38, 0x3D, 0x58, 0x59, 0x5A, 0x42, 0x46]).map(lambda op: bytes([op])),
    st.tuples(st.integers(0, 200), st.sampled_from([0x51, 0x52, 0x53, 0x35, 0x54, 0x55])).map(
        lambda pair: push(pair[0]) + bytes([pair[1]])
    ),
    st.tuples(st.integers(0, 90), st.integers(0, 200)).map(lambda pair: push(pair[0]) + push(pair[1]) + b"\x20"),
    st.just(b"\x5b"),
    st.binary(min_size=1, max_size=3),
)
CALL = push(32) + push(0) + push(4) + push(28) + push(0) + push(int.from_bytes(CALLEE, "big")) + push(50_000) + b"\xf1"
RETURN_TOP = push(0) + b"\x52" + push(64) + push(0) + b"\xf3"


@st.composite
def programs(draw: st.DrawFn) -> bytes:
    """Random instructions, jumps that land and jumps that do not, and a return of the top of the stack."""
    parts = [push(value) for value in draw(st.lists(WORD, max_size=4))]
    body = draw(st.lists(PIECES, max_size=25))
    parts += body
    if draw(st.booleans()):
        parts.append(CALL)
    if draw(st.booleans()):
        so_far = sum(map(len, parts))
        condition = push(draw(st.sampled_from([0, 1, 7])))
        parts += [condition, push(so_far + 33 + 33 + 1 + draw(st.sampled_from([1, 1, 0]))), b"\x57", b"\x00", b"\x5b"]
    if draw(st.booleans()):
        junk = draw(st.binary(max_size=4))
        parts += [push(sum(map(len, parts)) + 33 + 1 + len(junk)), b"\x56", junk, b"\x5b"]
    parts += draw(st.lists(PIECES, max_size=10))
    return b"".join(parts) + draw(st.sampled_from([RETURN_TOP, b"", b"\xfd", b"\x5a" + RETURN_TOP]))


@settings(max_examples=100)
@given(
    code=programs(), data=st.binary(max_size=70), gas=st.one_of(st.just(200_000), st.integers(0, 3_000)),
    fork=st.sampled_from(["cancun", "istanbul", "byzantium"]),
)  # fmt: skip
def test_programs_run_as_py_evm_runs_them(code: bytes, data: bytes, gas: int, fork: str) -> None:
    """Outcome, output, gas, logs and storage of any program equal those of py-evm's own loop, out of gas included."""
    callee = push(1) + push(0) + b"\x55" + push(9) + RETURN_TOP

    assert run(code, data, gas, fork, plain=False, callee=callee) == run(
        code, data, gas, fork, plain=True, callee=callee
    )


@pytest.mark.parametrize("depth", [1023, 1024, 1025])
def test_the_stack_has_a_limit(depth: int) -> None:
    """A program that pushes too much fails as in py-evm, and one that just fits goes through."""
    code = b"\x5f" * depth + b"\x00"

    outcome = run(code, b"", 200_000, "cancun", plain=False)

    assert outcome == run(code, b"", 200_000, "cancun", plain=True)
    assert outcome[0] is (depth <= 1024)


def test_a_loop_through_inner_jumps_runs_as_in_py_evm() -> None:
    """A program that reaches the same jump twice on one straight way, and loops, ends as in py-evm."""
    loop = bytes.fromhex("600c 5b 60 06 56 5b 80 15 60 1c 57 5b 60 01 90 03 60 16 56 5b 60 02 56 5b 60 2a")
    inner = bytes.fromhex("6007 56 5b 6007 56".replace(" ", ""))

    outcomes = [
        (run(code, b"", gas, "cancun", plain=False), run(code, b"", gas, "cancun", plain=True))
        for code in (loop + RETURN_TOP, b"\x5b\x5b\x5b\x5b" + inner, b"\x60\x00\x5b\x60\x02\x56")
        for gas in (100, 3_000, 60_000)
    ]

    assert all(translated == plain for translated, plain in outcomes)


@given(a=WORD, b=WORD)
def test_signed_arithmetic_equals_py_evms(a: int, b: int) -> None:
    """Signed division, remainder, extension and shift give what py-evm's instructions give."""
    results = []
    for opcode, own in ((0x05, sdiv), (0x07, smod), (0x0B, signextend), (0x1D, sar)):
        code = push(b) + push(a) + bytes([opcode]) + RETURN_TOP
        output = run(code, b"", 100_000, "cancun", plain=True)[1]
        assert isinstance(output, bytes)
        results.append((own(a, b), int.from_bytes(output[:32], "big")))

    assert all(mine == theirs for mine, theirs in results)


@given(st.binary(max_size=200))
def test_jump_destinations_equal_py_evms(code: bytes) -> None:
    """A position is a jump destination iff py-evm finds a JUMPDEST there that is no push's data."""
    stream = CodeStream(code)

    expected = {at for at, byte in enumerate(code) if byte == 0x5B and stream.is_valid_opcode(at)}

    assert jump_destinations(code) == expected


def test_every_fast_instruction_is_translated() -> None:
    """No instruction is called fast that the translation does not know."""
    for opcode in sorted(FAST):
        code = bytes([opcode]) + bytes(32)

        function, need, growth = translate(code, [0], frozenset({0}), 1)

        assert callable(function)
        assert 0 <= need <= 17
        assert growth <= 1
