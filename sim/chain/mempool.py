"""Transactions that a node knows and no block holds, under geth's rules and with geth's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sim.chain.block import Block
from sim.chain.chain import Chain, HeadChange
from sim.chain.state import StateView
from sim.chain.transaction import (
    ACCESS_LIST,
    DYNAMIC_FEE,
    LEGACY,
    Transaction,
    TransactionRejected,
    decode,
    floor_gas,
    intrinsic_gas,
)
from sim.units import ETHER

SIZE_MAX = 4 * 32 * 1024
INIT_CODE_MAX = 49_152
PRICE_BUMP_PERCENT = 10
FEE_CAP_WEI = ETHER


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """How much the mempool holds; geth's defaults.

    Args:
        account_queue: transactions of one sender that wait behind a nonce gap.
        total: transactions in all; when full, the one with the lowest tip makes room.
        tip_wei_min: the least priority fee that is taken.
    """

    account_queue: int = 64
    total: int = 5120 + 1024
    tip_wei_min: int = 1


@dataclass(slots=True)
class _Entry:
    tx: Transaction
    order: int
    announced: bool = False


class Mempool:
    """The mempool of a chain; it follows the chain's head by itself."""

    def __init__(self, chain: Chain, limits: MempoolLimits | None = None) -> None:
        self.on_transaction: list[Callable[[Transaction], None]] = []
        self._chain = chain
        self._limits = limits or MempoolLimits()
        self._by_hash: dict[bytes, _Entry] = {}
        self._by_sender: dict[bytes, dict[int, _Entry]] = {}
        self._arrivals = 0
        chain.on_head.append(self._on_head)

    def __len__(self) -> int:
        return len(self._by_hash)

    # --- reading

    def get(self, tx_hash: bytes) -> Transaction | None:
        """Return the waiting transaction with *tx_hash*, or None."""
        entry = self._by_hash.get(tx_hash)
        return entry.tx if entry else None

    def order(self, tx: Transaction) -> int | None:
        """Return the ordinal of *tx*'s arrival, which settles equal tips, or None if it does not wait here."""
        entry = self._by_hash.get(tx.hash)
        return entry.order if entry else None

    def transactions(self) -> Iterator[Transaction]:
        """Yield every waiting transaction in order of arrival, gapped ones too."""
        for entry in self._by_hash.values():
            yield entry.tx

    def pending_nonce(self, address: bytes) -> int:
        """Return the next nonce of *address* after everything of it that could be included now."""
        nonce = self._chain.state(self._chain.head).nonce(address)
        waiting = self._by_sender.get(address)
        while waiting and nonce in waiting:
            nonce += 1
        return nonce

    def content(self) -> tuple[dict[bytes, dict[int, Transaction]], dict[bytes, dict[int, Transaction]]]:
        """Return what could be included now and what waits behind a gap, each by sender and nonce."""
        pending: dict[bytes, dict[int, Transaction]] = {}
        queued: dict[bytes, dict[int, Transaction]] = {}
        for sender, waiting in self._by_sender.items():
            next_nonce = self.pending_nonce(sender)
            for nonce in sorted(waiting):
                (pending if nonce < next_nonce else queued).setdefault(sender, {})[nonce] = waiting[nonce].tx
        return pending, queued

    def executable(self, base_fee: int) -> Iterator[Transaction]:
        """Yield what could be included now at *base_fee*: best effective tip first, each sender's in nonce order."""
        pending, _ = self.content()
        runs = [list(by_nonce.values()) for by_nonce in pending.values()]
        while runs:
            best = min(runs, key=lambda run: (-run[0].effective_tip(base_fee), self._by_hash[run[0].hash].order))
            if best[0].effective_tip(base_fee) < 0:
                return
            yield best.pop(0)
            if not best:
                runs.remove(best)

    # --- taking in

    def add(self, transaction: bytes | Transaction) -> bytes:
        """Take a transaction and return its hash.

        Raises:
            TransactionRejected: it is refused, with geth's text and code.
        """
        tx = decode(transaction) if isinstance(transaction, bytes) else transaction
        _check_fee_cap(tx)
        if tx.type == LEGACY and tx.chain_id is None:
            raise TransactionRejected("only replay-protected (EIP-155) transactions allowed over RPC")
        if tx.hash in self._by_hash:
            raise TransactionRejected("already known")
        self._check(tx)
        state = self._chain.state(self._chain.head)
        self._check_funds(tx, state)
        self._make_room(tx)
        waiting = self._by_sender.setdefault(tx.sender, {})
        old = waiting.get(tx.nonce)
        if old is not None:
            if not _outbids(tx, old.tx):
                raise TransactionRejected("replacement transaction underpriced")
            self._drop(old.tx)
        self._insert(tx)
        self._trim_queue(tx.sender)
        self._announce(tx.sender)
        return tx.hash

    def reinject(self, orphans: Iterable[Transaction]) -> list[Transaction]:
        """Take back transactions of orphaned blocks that still can be included; return those taken."""
        taken = []
        for tx in orphans:
            waiting = self._by_sender.setdefault(tx.sender, {})
            state = self._chain.state(self._chain.head)
            if tx.nonce < state.nonce(tx.sender) or tx.cost > state.balance(tx.sender):
                continue
            old = waiting.get(tx.nonce)
            if old is not None:
                if not _outbids(tx, old.tx):
                    continue
                self._drop(old.tx)
            self._insert(tx)
            taken.append(tx)
        for sender in {tx.sender: None for tx in taken}:
            self._announce(sender)
        return taken

    def remove_included(self, block: Block) -> None:
        """Forget what *block* holds."""
        for tx in block.transactions:
            if tx.hash in self._by_hash:
                self._drop(tx)

    def _on_head(self, change: HeadChange) -> None:
        for block in change.added:
            self.remove_included(block)
        included = {tx.hash for block in change.added for tx in block.transactions}
        orphans = [tx for block in reversed(change.removed) for tx in block.transactions if tx.hash not in included]
        self.reinject(orphans)
        self._drop_stale(change)

    def _drop_stale(self, change: HeadChange) -> None:
        state = self._chain.state(self._chain.head)
        moved = {tx.sender for block in (*change.added, *change.removed) for tx in block.transactions}
        for sender in list(self._by_sender) if change.removed else [s for s in self._by_sender if s in moved]:
            nonce, balance = state.nonce(sender), state.balance(sender)
            for entry in list(self._by_sender.get(sender, {}).values()):
                if entry.tx.nonce < nonce or entry.tx.cost > balance:
                    self._drop(entry.tx)

    def _insert(self, tx: Transaction) -> None:
        entry = _Entry(tx, self._arrivals)
        self._arrivals += 1
        self._by_hash[tx.hash] = entry
        self._by_sender.setdefault(tx.sender, {})[tx.nonce] = entry

    def _drop(self, tx: Transaction) -> None:
        del self._by_hash[tx.hash]
        waiting = self._by_sender[tx.sender]
        del waiting[tx.nonce]
        if not waiting:
            del self._by_sender[tx.sender]

    def _announce(self, sender: bytes) -> None:
        """Tell the listeners of each transaction that can be included now and was not told of yet."""
        waiting = self._by_sender.get(sender, {})
        nonce = self._chain.state(self._chain.head).nonce(sender)
        while nonce in waiting:
            entry = waiting[nonce]
            if not entry.announced:
                entry.announced = True
                for listener in self.on_transaction:
                    listener(entry.tx)
            nonce += 1

    # --- the rules, in geth's order

    def _check(self, tx: Transaction) -> None:
        """Check what needs no state.

        Source:
            geth `core/txpool/validation.go`, `ValidateTransaction`.
        """
        config = self._chain.config
        if tx.type not in (LEGACY, ACCESS_LIST, DYNAMIC_FEE):
            raise TransactionRejected(f"transaction type not supported: tx type {tx.type} not supported by this pool")
        if len(tx.raw) > SIZE_MAX:
            raise TransactionRejected(f"oversized data: transaction size {len(tx.raw)}, limit {SIZE_MAX}")
        if tx.to is None and len(tx.data) > INIT_CODE_MAX:
            raise TransactionRejected(f"max initcode size exceeded: code size {len(tx.data)}, limit {INIT_CODE_MAX}")
        if tx.gas > self._chain.head.header.gas_limit:
            raise TransactionRejected("exceeds block gas limit")
        if tx.max_fee < tx.max_priority_fee:
            raise TransactionRejected("max priority fee per gas higher than max fee per gas")
        if tx.chain_id != config.chain_id:
            raise TransactionRejected(
                f"invalid sender: invalid chain id for signer: have {tx.chain_id} want {config.chain_id}"
            )
        if tx.nonce >= 2**64 - 1:
            raise TransactionRejected("nonce has max value")
        needed = intrinsic_gas(tx.data, creation=tx.to is None, access_list=tx.access_list, fork=config.fork)
        if tx.gas < needed:
            raise TransactionRejected(f"intrinsic gas too low: gas {tx.gas}, minimum needed {needed}")
        if config.fork == "prague" and tx.gas < floor_gas(tx.data):
            raise TransactionRejected(
                f"insufficient gas for floor data gas cost: gas {tx.gas}, minimum needed {floor_gas(tx.data)}"
            )
        if tx.max_priority_fee < self._limits.tip_wei_min:
            raise TransactionRejected(
                f"transaction underpriced: gas tip cap {tx.max_priority_fee}, minimum needed {self._limits.tip_wei_min}"
            )

    def _check_funds(self, tx: Transaction, state: StateView) -> None:
        """Check nonce and balance, with what the sender's other transactions may take.

        Source:
            geth `core/txpool/validation.go`, `ValidateTransactionWithState`.
        """
        nonce, balance = state.nonce(tx.sender), state.balance(tx.sender)
        if tx.nonce < nonce:
            raise TransactionRejected(f"nonce too low: next nonce {nonce}, tx nonce {tx.nonce}")
        poor = "insufficient funds for gas * price + value: balance"
        if balance < tx.cost:
            raise TransactionRejected(f"{poor} {balance}, tx cost {tx.cost}, overshot {tx.cost - balance}")
        waiting = self._by_sender.get(tx.sender, {})
        spent, old = 0, None
        while nonce in waiting:
            spent += waiting[nonce].tx.cost
            if nonce == tx.nonce:
                old = waiting[nonce].tx
            nonce += 1
        if old is not None:
            need = spent + tx.cost - old.cost
            if balance < need:
                raise TransactionRejected(
                    f"{poor} {balance}, queued cost {spent}, tx bumped {tx.cost - old.cost}, overshot {need - balance}"
                )
        elif balance < spent + tx.cost:
            raise TransactionRejected(
                f"{poor} {balance}, queued cost {spent}, tx cost {tx.cost}, overshot {spent + tx.cost - balance}"
            )

    def _make_room(self, tx: Transaction) -> None:
        if len(self._by_hash) < self._limits.total:
            return
        worst = min(self._by_hash.values(), key=lambda entry: (entry.tx.max_priority_fee, -entry.order)).tx
        if tx.max_priority_fee <= worst.max_priority_fee:
            raise TransactionRejected("transaction underpriced")
        self._drop(worst)

    def _trim_queue(self, sender: bytes) -> None:
        waiting = self._by_sender[sender]
        gapped = sorted(nonce for nonce in waiting if nonce >= self.pending_nonce(sender))
        for nonce in gapped[self._limits.account_queue :]:
            self._drop(waiting[nonce].tx)


def _outbids(tx: Transaction, old: Transaction) -> bool:
    """Return whether *tx* may take the place of *old*: at least a tenth more on both fees.

    Source:
        geth `core/txpool/legacypool/list.go`, `Add`.
    """
    if tx.max_fee <= old.max_fee or tx.max_priority_fee <= old.max_priority_fee:
        return False
    percent = 100 + PRICE_BUMP_PERCENT
    return tx.max_fee >= old.max_fee * percent // 100 and tx.max_priority_fee >= old.max_priority_fee * percent // 100


def _check_fee_cap(tx: Transaction) -> None:
    """Refuse a transaction that may burn more than an ether on gas.

    Source:
        geth `internal/ethapi/api.go`, `checkTxFee`, `--rpc.txfeecap` 1.
    """
    fee = tx.gas * tx.max_fee
    if fee > FEE_CAP_WEI:
        cents = (fee + 5 * 10**15) // 10**16
        raise TransactionRejected(
            f"tx fee ({cents // 100}.{cents % 100:02d} ether) exceeds the configured cap (1.00 ether)"
        )
