"""The method that looks for logs in past blocks."""

from __future__ import annotations

from sim.node.filters import Criteria
from sim.node.params import BlockRef
from sim.node.rpc import Fragment, RpcError, invalid_params
from sim.node.view import NodeView


def get_logs(view: NodeView, criteria: Criteria) -> Fragment:
    """eth_getLogs."""
    criteria.check()
    if criteria.block_hash is not None:
        found = view.block(BlockRef(criteria.block_hash))
        if found is None:
            raise RpcError("unknown block")
        return Fragment(f"[{','.join(criteria.select(view.text(found)))}]")
    first, last = _height(view, criteria.first), _height(view, criteria.last)
    head = view.head.number
    if first > last:
        raise invalid_params("invalid block range params")
    if last > head:
        raise invalid_params("block range extends beyond current head block")
    parts: list[Fragment] = []
    for number in range(first, last + 1):
        found = view.block(BlockRef(number))
        if found is not None:
            parts.extend(criteria.select(view.text(found)))
    return Fragment(f"[{','.join(parts)}]")


def _height(view: NodeView, ref: BlockRef | None) -> int:
    if ref is None or ref.at == "latest":
        return view.head.number
    if isinstance(ref.at, int):
        return ref.at
    if ref.at == "pending":
        raise invalid_params("pending logs are not supported")
    found = view.block(ref)
    if found is None:
        raise RpcError(f"{ref.at!s} header not found")
    return found.number
