"""How much gas a call needs, searched for as geth does, so that a bot gets the number it would get there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sim.chain.block import Header
from sim.chain.engine import CallRefused, CallRequest, CallResult, CallReverted
from sim.chain.state import StateView

TX_GAS = 21_000
GAS_MAX = 50_000_000
CALL_STIPEND = 2_300
OUT_OF_GAS = ("out of gas", "contract creation code storage out of gas")


def estimate_gas(
    run: Callable[[CallRequest], CallResult], state: StateView, request: CallRequest, header: Header
) -> int:
    """Return a gas limit with which *request* goes through; up to 1.5 % above the least.

    Raises:
        CallReverted: it reverts.
        CallRefused: it fails otherwise, or needs more gas than its sender can pay or a block can hold.

    Source:
        geth `eth/gasestimator/gasestimator.go`, with `estimateGasErrorRatio` 0.015.
    """
    high = _highest(state, request, header)
    if not request.data and request.to is not None and not state.code(request.to) and _passes(run, request, TX_GAS):
        return TX_GAS
    full = run(replace(request, gas=high))
    if not full.success:
        if full.error not in OUT_OF_GAS:
            raise _failure(full)
        raise CallRefused(f"gas required exceeds allowance ({high})")
    low = full.gas_used - 1
    optimistic = (full.gas_used + full.gas_refunded + CALL_STIPEND) * 64 // 63
    if optimistic < high:
        if _passes(run, request, optimistic):
            high = optimistic
        else:
            low = optimistic
    while low + 1 < high and (high - low) * 1000 >= 15 * high:
        middle = min((high + low) // 2, 2 * low)
        if _passes(run, request, middle):
            high = middle
        else:
            low = middle
    return high


def _highest(state: StateView, request: CallRequest, header: Header) -> int:
    high = request.gas if request.gas is not None and request.gas >= TX_GAS else header.gas_limit
    if request.max_fee:
        available = state.balance(request.sender)
        if request.value:
            if request.value >= available:
                raise CallRefused("insufficient funds for transfer")
            available -= request.value
        high = min(high, available // request.max_fee)
    return min(high, GAS_MAX)


def _passes(run: Callable[[CallRequest], CallResult], request: CallRequest, gas: int) -> bool:
    try:
        return run(replace(request, gas=gas)).success
    except CallRefused as refused:
        if "intrinsic gas too low" in refused.message or "floor data gas" in refused.message:
            return False
        raise


def _failure(result: CallResult) -> CallRefused:
    if result.error == "execution reverted":
        return CallReverted(revert_message(result.output), result.output)
    return CallRefused(result.error or "")


PANICS = {
    0x00: "generic panic", 0x01: "assert(false)", 0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero", 0x21: "enum overflow", 0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array", 0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory", 0x51: "uninitialized function",
}  # fmt: skip


def revert_message(output: bytes) -> str:
    """Return geth's message for revert data: `execution reverted` and the reason, if it can be read.

    Source:
        geth `accounts/abi/abi.go`, `UnpackRevert`; `internal/ethapi/errors.go`, `newRevertError`.

    >>> revert_message(b"")
    'execution reverted'
    """
    body = output[4:]
    if output[:4] == bytes.fromhex("08c379a0") and len(body) >= 64:
        offset = int.from_bytes(body[:32], "big")
        length = int.from_bytes(body[offset : offset + 32], "big")
        if offset + 32 + length <= len(body):
            text = body[offset + 32 : offset + 32 + length]
            return f"execution reverted: {text.decode('utf-8', 'replace')}"
    if output[:4] == bytes.fromhex("4e487b71") and len(body) >= 32:
        code = int.from_bytes(body[:32], "big")
        return f"execution reverted: {PANICS.get(code, f'unknown panic code: {code:#x}')}"
    return "execution reverted"
