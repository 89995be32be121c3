"""The chain: blocks on all branches, one of them canonical, with the state after each and the head that moves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sim.chain.block import Block, Header, Log, in_bloom
from sim.chain.engine import AccountOverride, BlockEnvironment, CallRequest, CallResult, Engine
from sim.chain.estimate import estimate_gas
from sim.chain.state import Layer, StateGone, StateView

ANCESTORS_MAX = 256


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """What makes a chain this chain.

    Args:
        gas_limit: of every block.
        base_fee_wei: of the start block.
        slot_ns: time between two blocks.
        epoch_s: unix time of the start block.
        start_number: of the start block; a few blocks stand before it.
        safe_depth: blocks between the head and the safe head.
        finalized_depth: blocks between the head and the finalized head; no reorg reaches it.
        state_window: how many blocks below the head can still be read (geth keeps 128).
    """

    chain_id: int = 1
    fork: str = "cancun"
    gas_limit: int = 30_000_000
    base_fee_wei: int = 1_000_000_000
    slot_ns: int = 12_000_000_000
    epoch_s: int = 1_750_000_000
    start_number: int = 23_000_000
    safe_depth: int = 32
    finalized_depth: int = 64
    state_window: int = 128


@dataclass(frozen=True, slots=True)
class HeadChange:
    """A move of the head.

    Args:
        removed: blocks that are canonical no more, newest first; empty when the head only advanced.
        added: blocks that are canonical now, oldest first.
    """

    removed: tuple[Block, ...]
    added: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class PlacedLog:
    """A log and where it stands."""

    log: Log
    block: Block
    tx_hash: bytes
    tx_index: int
    log_index: int


class Chain:
    """All known blocks and the canonical branch among them.

    Args:
        start: consecutive blocks up to the start block, each with the layer after it.
    """

    def __init__(self, config: ChainConfig, engine: Engine, start: Sequence[tuple[Block, Layer]]) -> None:
        self._first = start[0][0].number
        assert all(block.number == self._first + index for index, (block, _) in enumerate(start))
        self.config = config
        self.engine = engine
        self.on_head: list[Callable[[HeadChange], None]] = []
        self._blocks: dict[bytes, Block] = {}
        self._layers: dict[bytes, Layer] = {}
        self._canonical: list[Block] = []
        self._places: dict[bytes, tuple[Block, int]] = {}
        self._oldest_state = self._first
        self._window = max(config.state_window, config.finalized_depth + 1)
        if start[0][1].parent is not None:
            start[0][1].squash()
        for block, layer in start:
            self.keep(block, layer)
            self._advance(block)
        self.start = self.finalized = self.head

    @property
    def epoch_s(self) -> int:
        """Unix time of the start block."""
        return self.config.epoch_s

    @property
    def head(self) -> Block:
        """The newest canonical block."""
        return self._canonical[-1]

    @property
    def safe(self) -> Block:
        """The block `safe_depth` below the head; never before the start block."""
        return self._canonical[max(self.head.number - self.config.safe_depth, self.start.number) - self._first]

    # --- looking things up

    def get_block(self, ref: int | bytes | str) -> Block | None:
        """Return a block by canonical number, by hash on any branch, or by tag, or None."""
        if isinstance(ref, int):
            return self._canonical[ref - self._first] if 0 <= ref - self._first < len(self._canonical) else None
        if isinstance(ref, bytes):
            return self._blocks.get(ref)
        tags = {"latest": self.head, "safe": self.safe, "finalized": self.finalized, "earliest": self._canonical[0]}
        return tags.get(ref)

    def is_canonical(self, block_hash: bytes) -> bool:
        """Return whether the block with *block_hash* is known and canonical."""
        block = self._blocks.get(block_hash)
        return block is not None and self.get_block(block.number) is block

    def find_transaction(self, tx_hash: bytes) -> tuple[Block, int] | None:
        """Return the canonical block that holds the transaction and its index there, or None."""
        return self._places.get(tx_hash)

    def state(self, block: Block) -> StateView:
        """Return the state after *block*.

        Raises:
            StateGone: it is older than the window that is kept.
        """
        return StateView(self.layer(block), self.engine.codes)

    def layer(self, block: Block) -> Layer:
        """Return the layer after *block*.

        Raises:
            StateGone: it is older than the window that is kept.
        """
        layer = self._layers.get(block.hash)
        if layer is None:
            raise StateGone(f"missing trie node: the state of block {block.number} is not available")
        layer.require()
        return layer

    # --- calls

    def environment(self, block: Block) -> BlockEnvironment:
        """Return the environment that *block* ran in."""
        return BlockEnvironment.of(block.header, self.config.chain_id, self.ancestors(block.header))

    def call(
        self, request: CallRequest, block: Block, overrides: Mapping[bytes, AccountOverride] | None = None,
        environment: BlockEnvironment | None = None,
    ) -> CallResult:  # fmt: skip
        """Run *request* on the state after *block*, in its environment unless another is given.

        Raises:
            CallRefused: it cannot start.
            StateGone: the state is older than the window that is kept.
        """
        return self.engine.call(self.layer(block), request, environment or self.environment(block), overrides)

    def estimate_gas(
        self, request: CallRequest, block: Block, overrides: Mapping[bytes, AccountOverride] | None = None
    ) -> int:
        """Return a gas limit with which *request* goes through on the state after *block*, found as geth finds it.

        Raises:
            CallReverted: it reverts with any gas.
            CallRefused: it cannot start, or needs more gas than is allowed.
        """
        state = self.state(block)
        if overrides:
            return estimate_gas(lambda trial: self.call(trial, block, overrides), state, request, block.header)
        return estimate_gas(lambda trial: self.call(trial, block), state, request, block.header)

    def ancestors(self, header: Header) -> Callable[[int], bytes]:
        """Return what gives the hash of *header*'s ancestor at a height, on *header*'s own branch."""

        def ancestor_hash(number: int) -> bytes:
            block, steps = self._blocks.get(header.parent_hash), 0
            while block is not None and block.number > number and steps < ANCESTORS_MAX:
                if self.get_block(block.number) is block:
                    block = self.get_block(number)
                    break
                block, steps = self._blocks.get(block.header.parent_hash), steps + 1
            return block.hash if block is not None and block.number == number else b""

        return ancestor_hash

    # --- logs

    def logs_of(self, block: Block) -> Iterator[PlacedLog]:
        """Yield every log of *block*, in order."""
        log_index = 0
        for tx_index, receipt in enumerate(block.receipts):
            for log in receipt.logs:
                yield PlacedLog(log, block, receipt.tx_hash, tx_index, log_index)
                log_index += 1

    def logs(
        self, first: int, last: int, addresses: Collection[bytes] = (), topics: Sequence[Collection[bytes] | None] = ()
    ) -> list[PlacedLog]:
        """Return the logs of the canonical blocks *first* to *last*, both included, that match.

        Args:
            addresses: any of these; none means every address.
            topics: for each position the topics that match, or None for any.
        """
        found: list[PlacedLog] = []
        for block in self._canonical[max(first - self._first, 0) : max(last + 1 - self._first, 0)]:
            if block.header.logs_bloom and _may_hold(block.header.logs_bloom, addresses, topics):
                found.extend(placed for placed in self.logs_of(block) if matches(placed.log, addresses, topics))
        return found

    # --- moving the head

    def keep(self, block: Block, layer: Layer) -> None:
        """Know *block* and the state after it, without making it canonical."""
        self._blocks[block.hash] = block
        self._layers[block.hash] = layer

    def append(self, block: Block) -> HeadChange:
        """Make *block*, a kept child of the head, the new head, and tell the listeners."""
        assert block.header.parent_hash == self.head.hash, (
            f"block {block.number} is no child of the head, block {self.head.number}"
        )
        self._advance(block)
        self._settle()
        return self._tell(HeadChange((), (block,)))

    def reorg(self, blocks: Sequence[Block]) -> HeadChange:
        """Make the branch of *blocks*, oldest first, canonical in place of what follows its root.

        The listeners are told. The root must be canonical and not below the finalized block.
        """
        root = self.get_block(blocks[0].header.parent_hash)
        assert root is not None, "the branch does not start at a known block"
        assert self.is_canonical(root.hash), "the branch does not start at a canonical block"
        assert root.number >= self.finalized.number, f"block {root.number} is below the finalized one"
        removed = tuple(reversed(self._canonical[root.number + 1 - self._first :]))
        for block in removed:
            for tx in block.transactions:
                del self._places[tx.hash]
        del self._canonical[root.number + 1 - self._first :]
        for block in blocks:
            assert block.header.parent_hash == self.head.hash, f"block {block.number} breaks the branch"
            self._advance(block)
        self._settle()
        return self._tell(HeadChange(removed, tuple(blocks)))

    def _advance(self, block: Block) -> None:
        assert block.hash in self._layers, f"block {block.number} was never kept"
        self._canonical.append(block)
        for index, tx in enumerate(block.transactions):
            self._places[tx.hash] = (block, index)

    def _tell(self, change: HeadChange) -> HeadChange:
        for listener in self.on_head:
            listener(change)
        return change

    def _settle(self) -> None:
        """Move the finalized head, and merge the layers beyond the window, a quarter of a window at a time."""
        window = self._window
        finalized = self.get_block(self.head.number - self.config.finalized_depth)
        if finalized is not None and finalized.number > self.finalized.number:
            self.finalized = finalized
        if self.head.number - self._oldest_state <= window + window // 4:
            return
        oldest = self.head.number - window
        for number in range(self._oldest_state + 1, oldest + 1):
            self._layers[self._canonical[number - self._first].hash].squash()
        kept = {self._canonical[oldest - self._first].hash}
        self._layers = {
            block_hash: layer
            for block_hash, layer in self._layers.items()
            if self._blocks[block_hash].number > oldest or block_hash in kept
        }
        self._oldest_state = oldest


def matches(log: Log, addresses: Collection[bytes], topics: Sequence[Collection[bytes] | None]) -> bool:
    """Return whether *log* matches a filter as eth_getLogs has it."""
    if addresses and log.address not in addresses:
        return False
    if len(topics) > len(log.topics):
        return False
    return all(wanted is None or topic in wanted for wanted, topic in zip(topics, log.topics, strict=False))


def _may_hold(bloom: int, addresses: Collection[bytes], topics: Sequence[Collection[bytes] | None]) -> bool:
    if addresses and not any(in_bloom(bloom, address) for address in addresses):
        return False
    return all(wanted is None or any(in_bloom(bloom, topic) for topic in wanted) for wanted in topics)
