"""Straight runs of EVM instructions as Python functions: the part of an interpreter that costs the most.

A segment starts where execution can arrive and ends at a jump or before an instruction that looks beyond stack and
memory. Within it the stack is known at translation time, so pushes, swaps and copies cost nothing, and its gas is
charged once, before it runs. That is exact: nothing inside a segment can see the gas that is left, and a frame that
runs out of gas anywhere loses all of it and every change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eth.exceptions import InvalidJumpDestination

from sim.chain.keccak import keccak

MASK = (1 << 256) - 1
SIGN = 1 << 255
STEPS_MAX = 256

_POP, _JUMP, _JUMPI, _PC, _JUMPDEST = 0x50, 0x56, 0x57, 0x58, 0x5B
_READING = (0x20, 0x35, 0x51, 0x52)

# opcode -> number of operands, and the result with {0} the top of the stack and {1} what is under it
_PURE: dict[int, tuple[int, str]] = {
    0x01: (2, "({0} + {1}) & M"),
    0x02: (2, "{0} * {1} & M"),
    0x03: (2, "({0} - {1}) & M"),
    0x04: (2, "{0} // {1} if {1} else 0"),
    0x05: (2, "sdiv({0}, {1})"),
    0x06: (2, "{0} % {1} if {1} else 0"),
    0x07: (2, "smod({0}, {1})"),
    0x08: (3, "({0} + {1}) % {2} if {2} else 0"),
    0x09: (3, "{0} * {1} % {2} if {2} else 0"),
    0x0B: (2, "signextend({0}, {1})"),
    0x10: (2, "1 if {0} < {1} else 0"),
    0x11: (2, "1 if {0} > {1} else 0"),
    0x12: (2, "1 if {0} ^ S < {1} ^ S else 0"),
    0x13: (2, "1 if {0} ^ S > {1} ^ S else 0"),
    0x14: (2, "1 if {0} == {1} else 0"),
    0x15: (1, "0 if {0} else 1"),
    0x16: (2, "{0} & {1}"),
    0x17: (2, "{0} | {1}"),
    0x18: (2, "{0} ^ {1}"),
    0x19: (1, "{0} ^ M"),
    0x1A: (2, "{1} >> (248 - 8 * {0}) & 255 if {0} < 32 else 0"),
    0x1B: (2, "{1} << {0} & M if {0} < 256 else 0"),
    0x1C: (2, "{1} >> {0} if {0} < 256 else 0"),
    0x1D: (2, "sar({0}, {1})"),
}

# opcode -> the result, which depends on the frame alone
_FRAME: dict[int, str] = {
    0x30: "int.from_bytes(c.msg.storage_address, 'big')",
    0x33: "int.from_bytes(c.msg.sender, 'big')",
    0x34: "c.msg.value",
    0x36: "len(c.msg.data)",
    0x38: "len(c.code)",
    0x3D: "len(c.return_data)",
}

# SLOAD is one more, where the fork has it charge by itself
FAST = frozenset({*_PURE, *_FRAME, *_READING, _POP, _JUMP, _JUMPI, _PC, _JUMPDEST, *range(0x5F, 0xA0)})


def signed(value: int) -> int:
    """Return the two's complement *value* as a Python integer."""
    return value - (1 << 256) if value & SIGN else value


def sdiv(a: int, b: int) -> int:
    """Return a / b, both signed, rounded toward zero."""
    if not b:
        return 0
    left, right = signed(a), signed(b)
    quotient = abs(left) // abs(right)
    return (quotient if (left < 0) == (right < 0) else -quotient) & MASK


def smod(a: int, b: int) -> int:
    """Return the remainder of a / b, both signed, with the sign of a."""
    if not b:
        return 0
    left = signed(a)
    rest = abs(left) % abs(signed(b))
    return (-rest if left < 0 else rest) & MASK


def signextend(size: int, value: int) -> int:
    """Return *value*, a signed number of *size* + 1 bytes, in 32 bytes."""
    if size > 30:
        return value
    bit = 8 * size + 7
    low = value & ((1 << bit + 1) - 1)
    return low | (MASK ^ ((1 << bit + 1) - 1)) if value >> bit & 1 else low


def sar(shift: int, value: int) -> int:
    """Return *value*, signed, shifted right by *shift*."""
    return signed(value) >> min(shift, 256) & MASK


def sha3(c: Any, start: int, size: int) -> int:
    """Return the hash of a stretch of memory, and charge for its words."""
    c.extend_memory(start, size)
    c.consume_gas(6 * ((size + 31) // 32), "SHA3")
    return int.from_bytes(keccak(c._memory._bytes[start : start + size]), "big")  # noqa: SLF001 (py-evm's frame)


def sload(c: Any, slot: int) -> int:
    """Return a word of storage, and charge for it as EIP-2929 has it."""
    address, state = c.msg.storage_address, c.state
    if state.is_storage_warm(address, slot):
        c.consume_gas(100, "SLOAD")
    else:
        state.mark_storage_warm(address, slot)
        c.consume_gas(2100, "SLOAD")
    value: int = state.get_storage(address, slot)
    return value


_NAMES: dict[str, Any] = {
    "M": MASK, "S": SIGN, "sdiv": sdiv, "smod": smod, "signextend": signextend, "sar": sar, "sha3": sha3,
    "sload": sload, "InvalidJump": InvalidJumpDestination,
}  # fmt: skip


class Translation:
    """A segment being translated: the source so far, and the stack as expressions over what was there before."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stack: list[str] = []
        self.taken = 0
        self.height = 0
        self.growth = 0
        self._fresh = 0
        self._uses_memory = False

    def pop(self) -> str:
        """Take the top of the stack, from below the segment if need be."""
        self.height -= 1
        if self.stack:
            return self.stack.pop()
        self.taken += 1
        return f"i{self.taken}"

    def push(self, expression: str) -> None:
        """Put a name or a number on the stack."""
        self.stack.append(expression)
        self.height += 1
        self.growth = max(self.growth, self.height)

    def compute(self, expression: str, operands: tuple[str, ...] = ()) -> None:
        """Push the value of *expression*, worked out now if every operand is a number."""
        if operands and all(operand[0].isdigit() for operand in operands):
            self.push(str(eval(expression, dict(_NAMES))))  # noqa: S307 (our own templates on our own numbers)
            return
        self._fresh += 1
        self.lines.append(f"t{self._fresh} = {expression}")
        self.push(f"t{self._fresh}")

    def reach(self, depth: int) -> None:
        """Bring at least *depth* items into the known part of the stack."""
        while len(self.stack) < depth:
            self.taken += 1
            self.stack.insert(0, f"i{self.taken}")

    def memory(self, offset: str) -> None:
        """Let memory hold a word at *offset*."""
        if not self._uses_memory:
            self._uses_memory = True
            self.lines.append("m = c._memory._bytes")
        self.lines += [f"if {offset} + 32 > len(m):", f" c.extend_memory({offset}, 32)", " m = c._memory._bytes"]

    def finish(self, returns: list[str], jumpdests: frozenset[int]) -> Callable[[Any, list[int]], int]:
        """Return the function: it takes frame and stack, and returns where execution goes on."""
        keep = 0
        while keep < min(self.taken, len(self.stack)) and self.stack[keep] == f"i{self.taken - keep}":
            keep += 1
        drop, left = self.taken - keep, self.stack[keep:]
        head = [f"i{index} = st[-{index}]" for index in range(1, self.taken + 1)]
        tail = []
        if drop and left:
            tail.append(f"st[-{drop}:] = ({', '.join(left)},)")
        elif drop:
            tail.append(f"del st[-{drop}:]")
        elif left:
            tail.append(f"st.append({left[0]})" if len(left) == 1 else f"st += ({', '.join(left)},)")
        source = "def segment(c, st):\n " + "\n ".join(head + self.lines + tail + returns)
        names = {**_NAMES, "J": jumpdests}
        exec(source, names)  # noqa: S102 (the source is made of our own templates)
        function: Callable[[Any, list[int]], int] = names["segment"]
        return function


def translate(
    code: bytes, steps: list[int], jumpdests: frozenset[int], following: int
) -> tuple[Callable[[Any, list[int]], int], int, int]:
    """Translate the instructions at *steps*.

    Args:
        following: where execution goes on after the last of them, if that does not jump.

    Returns:
        The function, how deep it reaches into the stack, and by how much it grows it at the most.
    """
    t = Translation()
    returns = [f"return {following}"]
    for index, at in enumerate(steps, 1):
        opcode = code[at]
        if opcode == _JUMP and index < len(steps):
            t.pop()  # the next step is where it leads
        elif opcode in (_JUMP, _JUMPI):
            returns = _jump(t, opcode, jumpdests, following)
        else:
            _step(t, code, at, opcode)
    return t.finish(returns, jumpdests), t.taken, t.growth


def _jump(t: Translation, opcode: int, jumpdests: frozenset[int], following: int) -> list[str]:
    target = t.pop()
    condition = t.pop() if opcode == _JUMPI else None
    known = target[0].isdigit()
    if known and int(target) in jumpdests:
        lines = [f"return {target}"]
    elif known:
        lines = ["raise InvalidJump('invalid jump destination')"]
    else:
        lines = [f"if {target} in J:", f" return {target}", "raise InvalidJump('invalid jump destination')"]
    if condition is None:
        return lines
    return [f"if {condition}:", *(f" {line}" for line in lines), f"return {following}"]


def _step(t: Translation, code: bytes, at: int, opcode: int) -> None:
    if 0x5F <= opcode <= 0x7F:
        size = opcode - 0x5F
        t.push(str(int.from_bytes(code[at + 1 : at + 1 + size].ljust(size, b"\x00"), "big")))
    elif 0x80 <= opcode <= 0x8F:
        depth = opcode - 0x7F
        t.reach(depth)
        t.push(t.stack[-depth])
    elif 0x90 <= opcode <= 0x9F:
        depth = opcode - 0x8E
        t.reach(depth)
        t.stack[-1], t.stack[-depth] = t.stack[-depth], t.stack[-1]
    elif opcode in _PURE:
        count, template = _PURE[opcode]
        operands = tuple(t.pop() for _ in range(count))
        t.compute(template.format(*operands), operands)
    elif opcode in _FRAME:
        t.compute(_FRAME[opcode])
    elif opcode == _POP:
        t.pop()
    elif opcode == _PC:
        t.push(str(at))
    else:
        assert opcode in _READS or opcode == _JUMPDEST, f"instruction {opcode:#x} is not translated"
        if opcode != _JUMPDEST:
            _READS[opcode](t)


def _calldataload(t: Translation) -> None:
    start = t.pop()
    t.compute(f"int.from_bytes(c.msg.data[{start}:{start} + 32].ljust(32, b'\\0'), 'big')")


def _sha3(t: Translation) -> None:
    start, size = t.pop(), t.pop()
    t.compute(f"sha3(c, {start}, {size})")


def _sload(t: Translation) -> None:
    t.compute(f"sload(c, {t.pop()})")


def _mload(t: Translation) -> None:
    offset = t.pop()
    t.memory(offset)
    t.compute(f"int.from_bytes(m[{offset}:{offset} + 32], 'big')")


def _mstore(t: Translation) -> None:
    offset, value = t.pop(), t.pop()
    t.memory(offset)
    t.lines.append(f"m[{offset}:{offset} + 32] = ({value}).to_bytes(32, 'big')")


_READS: dict[int, Callable[[Translation], None]] = {
    0x20: _sha3, 0x35: _calldataload, 0x51: _mload, 0x52: _mstore, 0x54: _sload,
}  # fmt: skip


def jump_destinations(code: bytes) -> frozenset[int]:
    """Return where *code* may be jumped to."""
    found, at = [], 0
    while at < len(code):
        opcode = code[at]
        if opcode == _JUMPDEST:
            found.append(at)
        at += opcode - 0x5E if 0x60 <= opcode <= 0x7F else 1
    return frozenset(found)


def straight_run(
    code: bytes, start: int, known: Mapping[int, Any], fast: frozenset[int], jumpdests: frozenset[int]
) -> list[int]:
    """Return the positions of the instructions of the segment that starts at *start*; none if the first is not fast.

    A jump to where the push before it says is no end: the segment goes on there, unless it has been there.
    """
    steps: list[int] = []
    at, target = start, -1
    seen: set[int] = set()
    while at < len(code) and len(steps) < STEPS_MAX:
        opcode = code[at]
        if opcode not in fast or opcode not in known or (opcode == _JUMPDEST and steps and at != target):
            break
        steps.append(at)
        if opcode == _JUMPI or (opcode == _JUMP and (target not in jumpdests or target in seen)):
            break
        if opcode == _JUMP:
            seen.add(target)
            at = target
            continue
        size = opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0
        target = int.from_bytes(code[at + 1 : at + 1 + size], "big") if size else -1
        at += 1 + size
    return steps
