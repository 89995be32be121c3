"""Methods that tell what gas costs.

Source:
    go-ethereum, `eth/gasprice/gasprice.go`, `eth/gasprice/feehistory.go`; the settings of a full node.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from sim.chain.block import Block
from sim.chain.fee import next_base_fee
from sim.node import codec
from sim.node.params import BlockRef
from sim.node.rpc import Fragment, RpcError, encode
from sim.node.view import NodeView

SAMPLED_BLOCKS: Final = 20
SAMPLED_TIPS_PER_BLOCK: Final = 3
SAMPLE_PERCENTILE: Final = 60
TIP_DEFAULT_WEI: Final = 1_000_000
TIP_IGNORED_BELOW_WEI: Final = 2
TIP_MAX_WEI: Final = 500 * 10**9

HISTORY_BLOCKS_MAX: Final = 1024
PERCENTILES_MAX: Final = 100
BLOB_UPDATE_FRACTION: Final = 5_007_716
"""EIP-7691 (Prague)."""

BLOB_GAS_MAX: Final = 9 << 17


def gas_price(view: NodeView) -> Fragment:
    """eth_gasPrice: the suggested tip on top of the head's base fee."""
    return codec.quantity(suggest_tip(view) + (view.head.header.base_fee or 0))


def max_priority_fee(view: NodeView) -> Fragment:
    """eth_maxPriorityFeePerGas."""
    return codec.quantity(suggest_tip(view))


def suggest_tip(view: NodeView) -> int:
    """Return a tip that would have been enough lately, in wei.

    It is the 60th percentile of the three lowest tips of each of the last 20 blocks. geth keeps the last suggestion
    for blocks that say nothing; here it is always the default, so an answer does not depend on who asked before.
    """
    tips: list[int] = []
    height = view.head.number
    sent = due = min(SAMPLED_BLOCKS, height)
    found: Block | None = view.head
    while due > 0 and found is not None:
        sample = _low_tips(found) or [TIP_DEFAULT_WEI]
        due -= 1
        if len(sample) == 1 and len(tips) + 1 + due < 2 * SAMPLED_BLOCKS and sent < height:
            sent, due = sent + 1, due + 1
        tips.extend(sample)
        found = view.chain.get_block(found.header.parent_hash)
    if not tips:
        return TIP_DEFAULT_WEI
    tips.sort()
    return min(tips[(len(tips) - 1) * SAMPLE_PERCENTILE // 100], TIP_MAX_WEI)


def _low_tips(found: Block) -> list[int]:
    base_fee, proposer = found.header.base_fee or 0, found.header.coinbase
    tips = sorted(tx.effective_tip(base_fee) for tx in found.transactions if tx.sender != proposer)
    return [tip for tip in tips if tip >= TIP_IGNORED_BELOW_WEI][:SAMPLED_TIPS_PER_BLOCK]


@dataclass(frozen=True, slots=True)
class _BlockFees:
    base_fee: int
    next_base_fee: int
    gas_used_ratio: float
    blob_fee: int
    blob_gas_used_ratio: float
    rewards: list[int]


def fee_history(view: NodeView, blocks: int, newest: BlockRef, percentiles: list[float]) -> Fragment:
    """eth_feeHistory."""
    _check_percentiles(percentiles)
    last, blocks = _range(view, blocks, newest)
    fees = []
    for number in range(last + 1 - blocks, last + 1):
        found = view.chain.get_block(number)
        if found is None:
            break
        fees.append(_block_fees(found, percentiles))
    if not fees:
        return Fragment('{"oldestBlock":"0x0","gasUsedRatio":null}')
    members = [f'"oldestBlock":{codec.quantity(last + 1 - blocks)}']
    if percentiles:
        members.append(f'"reward":[{",".join(_quantities(block.rewards) for block in fees)}]')
    members += (
        f'"baseFeePerGas":{_quantities([block.base_fee for block in fees] + [fees[-1].next_base_fee])}',
        f'"gasUsedRatio":{encode([block.gas_used_ratio for block in fees])}',
        f'"baseFeePerBlobGas":{_quantities([block.blob_fee for block in fees] + [fees[-1].blob_fee])}',
        f'"blobGasUsedRatio":{encode([block.blob_gas_used_ratio for block in fees])}',
    )
    return Fragment(f"{{{','.join(members)}}}")


def _check_percentiles(percentiles: list[float]) -> None:
    if len(percentiles) > PERCENTILES_MAX:
        raise RpcError(f"invalid reward percentile: over the query limit {PERCENTILES_MAX}")
    for index, value in enumerate(percentiles):
        if not 0 <= value <= 100:
            raise RpcError(f"invalid reward percentile: {value:f}")
        if index and value <= percentiles[index - 1]:
            before = percentiles[index - 1]
            raise RpcError(f"invalid reward percentile: #{index - 1}:{before:f} >= #{index}:{value:f}")


def _range(view: NodeView, blocks: int, newest: BlockRef) -> tuple[int, int]:
    blocks = min(blocks, HISTORY_BLOCKS_MAX)
    head = view.head.number
    if newest.at == "pending":
        return head, min(max(blocks - 1, 0), head + 1)
    if isinstance(newest.at, int):
        last = newest.at
        if last > head:
            raise RpcError(f"request beyond head block: requested {last}, head {head}")
    else:
        found = view.block(newest)
        if found is None:
            raise RpcError(f"{newest.at!s} block not found")
        last = found.number
    return last, min(blocks, last + 1)


def _block_fees(found: Block, percentiles: list[float]) -> _BlockFees:
    header = found.header
    base_fee = header.base_fee or 0
    return _BlockFees(
        base_fee=base_fee,
        next_base_fee=next_base_fee(base_fee, header.gas_used, header.gas_limit),
        gas_used_ratio=header.gas_used / header.gas_limit,
        blob_fee=0 if header.excess_blob_gas is None else _blob_fee(header.excess_blob_gas),
        blob_gas_used_ratio=(header.blob_gas_used or 0) / BLOB_GAS_MAX,
        rewards=_rewards(found, percentiles),
    )


def _rewards(found: Block, percentiles: list[float]) -> list[int]:
    if not found.transactions:
        return [0] * len(percentiles)
    base_fee = found.header.base_fee or 0
    pairs = zip(found.transactions, found.receipts, strict=True)
    paid = sorted(((tx.effective_tip(base_fee), receipt.gas_used) for tx, receipt in pairs), key=itemgetter(0))
    rewards, index, gas = [], 0, paid[0][1]
    for percentile in percentiles:
        threshold = int(found.header.gas_used * percentile / 100)
        while gas < threshold and index < len(paid) - 1:
            index += 1
            gas += paid[index][1]
        rewards.append(paid[index][0])
    return rewards


def _blob_fee(excess_blob_gas: int) -> int:
    """Return the price of blob gas in wei.

    Source:
        EIP-4844, `fake_exponential`.
    """
    step, total, term = 1, 0, BLOB_UPDATE_FRACTION
    while term > 0:
        total += term
        term = term * excess_blob_gas // (BLOB_UPDATE_FRACTION * step)
        step += 1
    return total // BLOB_UPDATE_FRACTION


def _quantities(values: list[int]) -> str:
    return f"[{','.join(codec.quantity(value) for value in values)}]"
