"""py-evm's interpreter loop, with the hot straight runs of instructions translated to Python once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from eth.exceptions import Halt, OutOfGas
from eth.vm.code_stream import CodeStream
from eth.vm.gas_meter import GasMeter
from eth.vm.logic.invalid import InvalidOpcode
from eth.vm.stack import Stack

from sim.chain.segment import FAST, jump_destinations, straight_run, translate

RUN = 0x100
STACK_MAX = 1024
HOT = 8
PROGRAMS_MAX = 1 << 12
_SLOAD = 0x54


class _Segment:
    """A run of instructions: one by one as py-evm has them, and as one function once it is hot."""

    __slots__ = ("fast", "following", "gas", "heat", "need", "room", "run", "steps")

    def __init__(self, steps: list[tuple[int, Any]], following: int, *, fast: bool) -> None:
        self.steps = steps
        self.following = following
        self.fast = fast
        self.heat = 0
        self.run: Callable[[Any, list[int]], int] | None = None
        self.gas = self.need = self.room = 0


class _Program:
    """What is known of one contract's code under one fork's instructions."""

    __slots__ = ("code", "fast", "jumpdests", "opcodes", "segments")

    def __init__(self, code: bytes, opcodes: dict[int, Any], fast: frozenset[int]) -> None:
        self.code = code
        self.opcodes = opcodes
        self.fast = fast
        self.jumpdests = jump_destinations(code)
        self.segments: dict[int, _Segment] = {}

    def segment(self, start: int) -> _Segment:
        """Return the segment that starts at *start*."""
        positions = straight_run(self.code, start, self.opcodes, self.fast, self.jumpdests)
        steps = [(at, self._instruction(at)) for at in positions or [start]]
        last = steps[-1][0]
        following = last + 1
        if last < len(self.code) and 0x60 <= self.code[last] <= 0x7F:
            following += self.code[last] - 0x5F
        found = self.segments[start] = _Segment(steps, following, fast=bool(positions))
        return found

    def _instruction(self, at: int) -> Any:
        opcode = self.code[at] if at < len(self.code) else 0
        found = self.opcodes.get(opcode)
        return InvalidOpcode(opcode) if found is None else found

    def translate(self, segment: _Segment) -> None:
        """Make *segment* one function."""
        positions = [at for at, _ in segment.steps]
        segment.run, segment.need, growth = translate(self.code, positions, self.jumpdests, segment.following)
        segment.room = STACK_MAX - max(growth, 0)
        segment.gas = sum(opcode.gas_cost for at, opcode in segment.steps if self.code[at] not in _CHARGES_ITSELF)


# Berlin's SLOAD has a gas cost of nothing and charges within; the same holds for what `segment.sload` does
_CHARGES_ITSELF = frozenset({_SLOAD})


class _Code(CodeStream):
    """Code whose jump destinations are known, and which py-evm's loop sees as one instruction."""

    def __init__(self, program: _Program) -> None:
        self.program_counter = 0
        self.program = program
        self._raw_code_bytes = program.code
        self._length_cache = len(program.code)

    def is_valid_opcode(self, position: int) -> bool:
        return position in self.program.jumpdests

    def __iter__(self) -> Iterator[int]:
        yield RUN
        yield 0


class _IntegerStack(Stack):
    """A stack that holds integers alone."""

    def push_bytes(self, value: bytes) -> None:
        self.push_int(int.from_bytes(value, "big"))


class _Meter(GasMeter):
    """A gas meter that only counts."""

    def consume_gas(self, amount: int, reason: str) -> None:
        left = self.gas_remaining - amount
        if left < 0:
            raise OutOfGas(f"Out of gas: Needed {amount} - Remaining {self.gas_remaining} - Reason: {reason}")
        self.gas_remaining = left


def _extend_memory(computation: Any, start: int, size: int) -> None:
    """Let memory reach to *start* + *size*, and charge for what is new.

    Source:
        Yellow paper, equation 326.
    """
    memory = computation._memory._bytes  # noqa: SLF001 (py-evm's frame)
    before = len(memory)
    if size and start + size > before:
        words, had = (start + size + 31) // 32, before // 32
        computation.consume_gas(3 * (words - had) + words * words // 512 - had * had // 512, "memory")
        memory.extend(bytes(32 * words - before))


def _run(computation: Any) -> None:
    """Run the whole program of *computation*; end by the exception with which its last instruction ends it."""
    code, meter, stack = computation.code, computation.get_gas_meter(), computation._stack.values  # noqa: SLF001
    program = code.program
    segments = program.segments
    at, size = 0, len(code)
    while at < size:
        segment = segments.get(at) or program.segment(at)
        run = segment.run
        if run is not None:
            left = meter.gas_remaining - segment.gas
            if left >= 0 and segment.need <= len(stack) <= segment.room:
                meter.gas_remaining = left
                at = run(computation, stack)
                continue
        elif segment.fast:
            segment.heat += 1
            if segment.heat == HOT:
                program.translate(segment)
        for position, instruction in segment.steps:
            code.program_counter = position + 1
            instruction(computation)
        at = code.program_counter
    raise Halt("STOP")


def fast_computation(computation: Any) -> Any:
    """Return py-evm's computation class of a fork with its interpreter loop replaced.

    Same instructions, gas and results; tests/chain holds both side by side on generated programs.
    """
    # py-evm wraps SELFDESTRUCT in a deprecation warning; the chain's past and present still run it
    opcodes = {value: getattr(opcode, "__wrapped__", opcode) for value, opcode in computation.opcodes.items()}
    fast = FAST | {_SLOAD} if opcodes[_SLOAD].gas_cost == 0 else FAST
    programs: dict[bytes, _Program] = {}

    def program_of(code: bytes) -> _Program:
        found = programs.get(code)
        if found is None:
            if len(programs) >= PROGRAMS_MAX:
                programs.clear()
            found = programs[code] = _Program(code, opcodes, fast)
        return found

    def prepare(self: Any, state: Any, message: Any, transaction_context: Any) -> None:
        computation.__init__(self, state, message, transaction_context)
        self._stack = _IntegerStack()
        self._gas_meter = _Meter(self._gas_meter.start_gas, self._gas_meter.refund_strategy)
        self.consume_gas = self._gas_meter.consume_gas
        if not message.is_create:  # creation code runs once, there is nothing to gain
            self.code = _Code(program_of(message.code))

    name = f"Fast{computation.__name__}"
    return type(
        name, (computation,), {"__init__": prepare, "opcodes": {**opcodes, RUN: _run}, "extend_memory": _extend_memory}
    )
