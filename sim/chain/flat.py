"""The state of a block while it is being built: a layer's values under a journal, without a trie.

It answers everything py-evm asks of its account database. Within a transaction it keeps what EIP-2929 calls warm and
what EIP-2200 calls the original value; both start anew with each transaction.
"""

from __future__ import annotations

from typing import Any

from sim.chain.keccak import EMPTY_HASH
from sim.chain.state import EMPTY_ACCOUNT, NO_STORAGE, AccountState, CodeStore, Layer

_MISSING: Any = object()


class FlatState:
    """Reads through to a layer, writes to itself, and can take back its writes to any earlier mark."""

    def __init__(self, layer: Layer, codes: CodeStore) -> None:
        self._layer = layer
        self._codes = codes
        self._accounts: dict[bytes, AccountState | None] = {}
        self._accounts_before: dict[bytes, AccountState | None] = {}
        self._storage: dict[bytes, dict[int, int]] = {}
        self._storage_before: dict[bytes, dict[int, int]] = {}
        self._wiped: dict[bytes, bool] = {}
        self._original: dict[tuple[bytes, int], int] = {}
        self._warm: dict[Any, bool] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []

    # --- the journal

    def record(self) -> int:
        """Return a mark to which `discard` can go back."""
        return len(self._journal)

    def discard(self, mark: int) -> None:
        """Take back every write since *mark*."""
        journal = self._journal
        while len(journal) > mark:
            table, key, old = journal.pop()
            if old is _MISSING:
                del table[key]
            else:
                table[key] = old

    def lock_changes(self) -> None:
        """Start a transaction: what was written stays, nothing is warm, every value is original."""
        self._journal.clear()
        self._original.clear()
        self._warm.clear()
        self._transient.clear()

    def seal(self) -> Layer:
        """Return the changes as a layer, without those that change nothing."""
        accounts: dict[bytes, AccountState | None] = {}
        wiped = set()
        for address, account in self._accounts.items():
            before = self._accounts_before[address]
            after = None if account == EMPTY_ACCOUNT else account
            if address in self._wiped and before is not None:
                wiped.add(address)
            if after != before:
                accounts[address] = after
        storage: dict[bytes, dict[int, int]] = {}
        for address, before_slots in self._storage_before.items():
            slots = self._storage[address]
            if address in wiped:
                changed = {slot: value for slot, value in slots.items() if value}
            else:
                changed = {slot: slots.get(slot, 0) for slot, old in before_slots.items() if slots.get(slot, 0) != old}
            if changed:
                storage[address] = changed
        return Layer(self._layer, accounts, storage, frozenset(wiped))

    # --- accounts

    def _account(self, address: bytes) -> AccountState | None:
        try:
            return self._accounts[address]
        except KeyError:
            account = self._layer.account(address)
            self._accounts[address] = self._accounts_before[address] = account
            return account

    def _set_account(self, address: bytes, account: AccountState | None) -> None:
        self._journal.append((self._accounts, address, self._account(address)))
        self._accounts[address] = account

    def get_balance(self, address: bytes) -> int:
        account = self._account(address)
        return account[1] if account is not None else 0

    def set_balance(self, address: bytes, balance: int) -> None:
        nonce, _, code_hash = self._account(address) or EMPTY_ACCOUNT
        self._set_account(address, AccountState(nonce, balance, code_hash))

    def delta_balance(self, address: bytes, delta: int) -> None:
        nonce, balance, code_hash = self._account(address) or EMPTY_ACCOUNT
        assert balance + delta >= 0, f"balance {balance} of 0x{address.hex()} cannot change by {delta}"
        self._set_account(address, AccountState(nonce, balance + delta, code_hash))

    def get_nonce(self, address: bytes) -> int:
        account = self._account(address)
        return account[0] if account is not None else 0

    def set_nonce(self, address: bytes, nonce: int) -> None:
        _, balance, code_hash = self._account(address) or EMPTY_ACCOUNT
        self._set_account(address, AccountState(nonce, balance, code_hash))

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        account = self._account(address)
        return self._codes.get(account[2]) if account is not None else b""

    def set_code(self, address: bytes, code: bytes) -> None:
        nonce, balance, _ = self._account(address) or EMPTY_ACCOUNT
        self._set_account(address, AccountState(nonce, balance, self._codes.add(code)))

    def get_code_hash(self, address: bytes) -> bytes:
        account = self._account(address)
        return account[2] if account is not None else EMPTY_HASH

    def delete_code(self, address: bytes) -> None:
        self.set_code(address, b"")

    def has_code_or_nonce(self, address: bytes) -> bool:
        account = self._account(address)
        return account is not None and (account[0] != 0 or account[2] != EMPTY_HASH)

    def account_exists(self, address: bytes) -> bool:
        return self._account(address) is not None

    def account_is_empty(self, address: bytes) -> bool:
        account = self._account(address)
        return account is None or account == EMPTY_ACCOUNT

    def touch_account(self, address: bytes) -> None:
        if self._account(address) is None:
            self._set_account(address, EMPTY_ACCOUNT)

    def delete_account(self, address: bytes) -> None:
        self._set_account(address, None)
        self.delete_storage(address)

    # --- storage

    def _slots(self, address: bytes) -> dict[int, int]:
        slots = self._storage.get(address)
        if slots is None:
            slots = self._storage[address] = {}
        return slots

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        if not from_journal:
            original = self._original.get((address, slot))
            if original is not None:
                return original
        slots = self._storage.get(address)
        if slots is None:
            slots = self._storage[address] = {}
        value = slots.get(slot)
        if value is None:
            value = 0 if address in self._wiped else self._layer.slot(address, slot)
            slots[slot] = value
        return value

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        old = self.get_storage(address, slot)
        if old == value:
            return
        self._original.setdefault((address, slot), old)
        self._storage_before.setdefault(address, {}).setdefault(slot, old)
        slots = self._storage[address]
        self._journal.append((slots, slot, old))
        slots[slot] = value

    def delete_storage(self, address: bytes) -> None:
        self._journal.append((self._storage, address, self._slots(address)))
        self._storage[address] = {}
        self._journal.append((self._wiped, address, self._wiped.get(address, _MISSING)))
        self._wiped[address] = True

    def slots_below(self, address: bytes) -> dict[int, int]:
        """Return the storage *address* had before the block."""
        return self._layer.slots(address)

    # --- EIP-2929 and EIP-1153

    def is_address_warm(self, address: bytes) -> bool:
        return address in self._warm

    def mark_address_warm(self, address: bytes) -> None:
        if address not in self._warm:
            self._journal.append((self._warm, address, _MISSING))
            self._warm[address] = True

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        key = (address, slot)
        if key not in self._warm:
            self._journal.append((self._warm, key, _MISSING))
            self._warm[key] = True

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        return self._transient.get((address, slot), b"")

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        key = (address, slot)
        self._journal.append((self._transient, key, self._transient.get(key, _MISSING)))
        self._transient[key] = value

    def clear_transient_storage(self) -> None:
        self._transient.clear()

    def changed_storage(self, address: bytes) -> dict[int, int]:
        """Return the slots of *address* that the block has read or written so far."""
        return dict(self._storage.get(address, NO_STORAGE))
