"""State as layers of changes: each block's layer lies on its parent's, so branches live side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sim.chain.keccak import EMPTY_HASH, keccak


class AccountState(NamedTuple):
    """What the chain knows of an account besides its storage."""

    nonce: int
    balance: int
    code_hash: bytes


EMPTY_ACCOUNT = AccountState(0, 0, EMPTY_HASH)
NO_STORAGE: Mapping[int, int] = {}


class StateGone(LookupError):
    """The state was squashed away: it is older than the window that is kept."""


class Layer:
    """The changes of one block on the state of its parent.

    `accounts` maps an address to its new state, or to None if it is gone; `storage` maps an address to its new
    slots, zero included; an address in `wiped` has lost every slot it had below.
    """

    __slots__ = ("accounts", "gone", "parent", "storage", "wiped")

    def __init__(
        self,
        parent: Layer | None,
        accounts: dict[bytes, AccountState | None],
        storage: dict[bytes, dict[int, int]],
        wiped: frozenset[bytes] = frozenset(),
    ) -> None:
        self.parent = parent
        self.accounts = accounts
        self.storage = storage
        self.wiped = wiped
        self.gone = False

    def account(self, address: bytes) -> AccountState | None:
        """Return the account at *address*, or None if there is none."""
        layer: Layer | None = self
        while layer is not None:
            if address in layer.accounts:
                return layer.accounts[address]
            layer = layer.parent
        return None

    def slot(self, address: bytes, slot: int) -> int:
        """Return the word at *slot* of *address*'s storage."""
        layer: Layer | None = self
        while layer is not None:
            slots = layer.storage.get(address)
            if slots is not None and slot in slots:
                return slots[slot]
            if address in layer.wiped:
                return 0
            layer = layer.parent
        return 0

    def slots(self, address: bytes) -> dict[int, int]:
        """Return all of *address*'s storage that is not zero."""
        chain: list[dict[int, int]] = []
        layer: Layer | None = self
        while layer is not None:
            if address in layer.storage:
                chain.append(layer.storage[address])
            if address in layer.wiped:
                break
            layer = layer.parent
        merged: dict[int, int] = {}
        for changes in reversed(chain):
            merged.update(changes)
        return {slot: value for slot, value in sorted(merged.items()) if value}

    def depth(self) -> int:
        """Return the number of layers below this one."""
        count, layer = 0, self
        while layer.parent is not None:
            layer, count = layer.parent, count + 1
        return count

    def require(self) -> None:
        """Check that the state can still be read.

        Raises:
            StateGone: a layer it stands on was squashed into another branch or a newer state.
        """
        layer: Layer | None = self
        while layer is not None:
            if layer.gone:
                raise StateGone("missing trie node: the state is older than the window that is kept")
            layer = layer.parent

    def squash(self) -> None:
        """Take over everything the bottom layer below holds, so that this layer becomes the bottom.

        The cost is that of this layer's own changes. The old bottom, and every branch on it but this, is gone.
        """
        below = self.parent
        assert below is not None, "the bottom layer has nothing to squash"
        assert below.parent is None, "only the second layer can be squashed"
        for address in self.wiped:
            below.storage.pop(address, None)
        for address, account in self.accounts.items():
            if account is None:
                below.accounts.pop(address, None)
            else:
                below.accounts[address] = account
        for address, changes in self.storage.items():
            slots = below.storage.setdefault(address, {})
            slots.update(changes)
            for slot in [slot for slot, value in changes.items() if not value]:
                del slots[slot]
        self.accounts, self.storage, self.wiped = below.accounts, below.storage, frozenset()
        self.parent = None
        below.gone = True
        below.accounts, below.storage = {}, {}


def changes_digest(layer: Layer) -> bytes:
    """Return the digest of a layer's changes.

    It is defined over values alone, in order of address and slot, so it does not depend on the engine: for each
    changed account whether it exists, its nonce, balance, code hash, whether its storage was wiped, and its changed
    slots.
    """
    parts = []
    for address in sorted(layer.accounts.keys() | layer.storage.keys() | layer.wiped):
        account = layer.account(address)
        parts.append(address)
        if account is None:
            parts.append(b"\x00")
            continue
        parts.append(b"\x03" if address in layer.wiped else b"\x01")
        parts.append(account.nonce.to_bytes(8, "big") + account.balance.to_bytes(32, "big") + account.code_hash)
        slots = layer.storage.get(address, NO_STORAGE)
        parts.append(len(slots).to_bytes(8, "big"))
        parts.extend(slot.to_bytes(32, "big") + slots[slot].to_bytes(32, "big") for slot in sorted(slots))
    return keccak(b"".join(parts))


class CodeStore:
    """Contract code by its hash; code is never forgotten."""

    __slots__ = ("_codes",)

    def __init__(self) -> None:
        self._codes: dict[bytes, bytes] = {EMPTY_HASH: b""}

    def add(self, code: bytes) -> bytes:
        """Keep *code* and return its hash."""
        code_hash = keccak(code)
        self._codes[code_hash] = code
        return code_hash

    def get(self, code_hash: bytes) -> bytes:
        """Return the code with *code_hash*."""
        return self._codes[code_hash]


@dataclass(frozen=True, slots=True)
class StateView:
    """The state after one block, to be read."""

    layer: Layer
    codes: CodeStore

    def balance(self, address: bytes) -> int:
        """Return the balance of *address*, in wei."""
        account = self.layer.account(address)
        return account.balance if account else 0

    def nonce(self, address: bytes) -> int:
        """Return the number of transactions *address* has sent, or of contracts it has created."""
        account = self.layer.account(address)
        return account.nonce if account else 0

    def code(self, address: bytes) -> bytes:
        """Return the code at *address*."""
        account = self.layer.account(address)
        return self.codes.get(account.code_hash) if account else b""

    def storage(self, address: bytes, slot: int) -> int:
        """Return the word at *slot* of the storage of *address*."""
        return self.layer.slot(address, slot)
