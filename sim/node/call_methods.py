"""Methods that run a message on the state of a block: eth_call and eth_estimateGas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sim.chain.block import Block
from sim.chain.engine import BlockEnvironment, CallRefused, CallRequest, CallResult, CallReverted
from sim.chain.estimate import estimate_gas as estimate
from sim.chain.estimate import revert_message
from sim.chain.state import StateGone
from sim.node import codec
from sim.node.call_params import CALL_GAS_MAX, CallArguments, account_overrides
from sim.node.params import BlockRef
from sim.node.rpc import REVERTED, Fragment, RpcError
from sim.node.view import NodeView

EXECUTION_REVERTED: Final = "execution reverted"


def call(
    view: NodeView,
    arguments: CallArguments,
    ref: BlockRef | None,
    overrides: Mapping[bytes, Mapping[str, Any]] | None,
    block_overrides: Mapping[str, Any] | None,
) -> Fragment:
    """eth_call."""
    block = view.state_block(ref)
    request = arguments.request(view.chain_id)
    try:
        result = view.chain.call(
            request, block, account_overrides(overrides), _environment(view, block, block_overrides)
        )
    except CallRefused as refused:
        message = refused.message
        if not message.startswith("err: "):
            message = f"err: {message} (supplied gas {CALL_GAS_MAX if request.gas is None else request.gas})"
        raise RpcError(message, refused.code) from None
    except StateGone as gone:
        raise RpcError(str(gone)) from None
    if result.success:
        return codec.data(result.output)
    if result.error is None or result.error.startswith(EXECUTION_REVERTED):
        raise _reverted(result.output)
    raise RpcError(result.error)


# The parameters of both are those of the execution APIs' `eth_call` and `eth_estimateGas`, which are the same.
def estimate_gas(
    view: NodeView,
    arguments: CallArguments,
    ref: BlockRef | None,
    overrides: Mapping[bytes, Mapping[str, Any]] | None,
    block_overrides: Mapping[str, Any] | None,
) -> Fragment:
    """eth_estimateGas."""
    block = view.state_block(ref)
    request = arguments.request(view.chain_id)
    accounts = account_overrides(overrides)
    environment = _environment(view, block, block_overrides)

    def run(trial: CallRequest) -> CallResult:
        return view.chain.call(trial, block, accounts, environment)

    try:
        gas = estimate(run, view.chain.state(block), request, block.header)
    except CallReverted as error:
        raise _reverted(error.data) from None
    except CallRefused as refused:
        raise RpcError(refused.message, refused.code) from None
    except StateGone as gone:
        raise RpcError(str(gone)) from None
    return codec.quantity(gas)


def _environment(view: NodeView, block: Block, overrides: Mapping[str, Any] | None) -> BlockEnvironment | None:
    return replace(view.chain.environment(block), **overrides) if overrides else None


def _reverted(output: bytes) -> RpcError:
    return RpcError(revert_message(output), REVERTED, f"0x{output.hex()}")
