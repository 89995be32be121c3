"""What an engine is: it runs transactions and calls on a layer of state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sim.chain.block import Header, Log, Receipt
from sim.chain.state import CodeStore, Layer
from sim.chain.transaction import AccessList, Transaction

FORKS = (
    "byzantium", "constantinople", "petersburg", "istanbul", "muir_glacier", "berlin", "london", "paris",
    "shanghai", "cancun", "prague",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Invalid:
    """A transaction that cannot stand in this block; nothing was changed. The reason is geth's text."""

    reason: str


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A message to run without a transaction.

    Args:
        gas: None for all that a call may use.
        max_fee: what the caller would pay for a unit of gas, in wei; 0 waives fee and balance checks.
    """

    to: bytes | None
    data: bytes = b""
    sender: bytes = bytes(20)
    value: int = 0
    gas: int | None = None
    max_fee: int = 0
    max_priority_fee: int = 0
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """What one call sees of an account instead of the truth; None leaves a field alone.

    Args:
        state: all of the storage; slots not in it read zero.
        state_diff: single slots.
    """

    nonce: int | None = None
    balance: int | None = None
    code: bytes | None = None
    state: Mapping[int, int] | None = None
    state_diff: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call came to.

    Args:
        gas_used: as a transaction would have used, refunds taken off.
        gas_refunded: the refunds taken off.
        error: the reason in geth's words, or None.
    """

    success: bool
    output: bytes
    gas_used: int
    logs: tuple[Log, ...] = ()
    error: str | None = None
    gas_refunded: int = 0


class CallRefused(Exception):
    """A call that cannot start; the text is geth's."""

    def __init__(self, message: str, code: int = -32000) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class CallReverted(CallRefused):
    """A gas estimate of a call that reverts: JSON-RPC code 3 with the revert data."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message, 3)
        self.data = data


@dataclass(frozen=True, slots=True)
class BlockEnvironment:
    """What instructions can ask about the block they run in.

    Args:
        ancestor_hash: the hash of the ancestor at a height, or b"" if it is out of reach.
    """

    number: int
    timestamp: int
    gas_limit: int
    base_fee: int
    coinbase: bytes
    prev_randao: bytes
    chain_id: int
    difficulty: int = 0
    excess_blob_gas: int = 0
    parent_beacon_block_root: bytes | None = None
    ancestor_hash: Callable[[int], bytes] = field(default=lambda number: b"", compare=False)

    @classmethod
    def of(cls, header: Header, chain_id: int, ancestor_hash: Callable[[int], bytes]) -> BlockEnvironment:
        """Return the environment of the block with *header*."""
        return cls(
            number=header.number, timestamp=header.timestamp, gas_limit=header.gas_limit,
            base_fee=header.base_fee or 0, coinbase=header.coinbase, prev_randao=header.prev_randao,
            chain_id=chain_id, difficulty=header.difficulty, excess_blob_gas=header.excess_blob_gas or 0,
            parent_beacon_block_root=header.parent_beacon_block_root, ancestor_hash=ancestor_hash,
        )  # fmt: skip


class Session(Protocol):
    """A block being built."""

    @property
    def gas_used(self) -> int:
        """Gas used so far."""
        ...

    def apply(self, tx: Transaction) -> Receipt | Invalid:
        """Run *tx* after those before it, or say why it cannot stand here and change nothing."""
        ...

    def nonce(self, address: bytes) -> int:
        """Return the next nonce of *address* in this block."""
        ...

    def create_at(self, address: bytes, init_code: bytes, sender: bytes, value: int = 0) -> CallResult:
        """Run *init_code* so that its contract stands at *address*: irregular, before the start block only."""
        ...

    def set_account(self, address: bytes, override: AccountOverride) -> None:
        """Change an account outside any transaction: an irregular change, before the start block only."""
        ...

    def seal(self) -> Layer:
        """End the block and return its layer, free of changes that change nothing."""
        ...


class Engine(Protocol):
    """Runs blocks and calls; two engines give the same receipts and the same layers."""

    name: str
    fork: str
    codes: CodeStore

    def open_block(self, parent: Layer, env: BlockEnvironment) -> Session:
        """Start a block on *parent*."""
        ...

    def call(
        self, layer: Layer, request: CallRequest, env: BlockEnvironment,
        overrides: Mapping[bytes, AccountOverride] | None = None,
    ) -> CallResult:  # fmt: skip
        """Run *request* on the state of *layer* and forget its changes.

        Raises:
            CallRefused: it cannot start.
        """
        ...
