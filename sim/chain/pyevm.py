"""The reference engine: py-evm's instructions and gas rules of every fork, on flat state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from eth import exceptions as vm_error
from eth.vm import execution_context, message
from eth.vm.forks.spurious_dragon._utils import collect_touched_accounts

from sim.chain import rlp
from sim.chain.block import Log, Receipt, bloom_of
from sim.chain.engine import (
    FORKS,
    AccountOverride,
    BlockEnvironment,
    CallRefused,
    CallRequest,
    CallResult,
    Invalid,
)
from sim.chain.flat import FlatState
from sim.chain.interpreter import fast_computation
from sim.chain.keccak import EMPTY_HASH, keccak
from sim.chain.state import CodeStore, Layer
from sim.chain.transaction import BLOB, AccessList, Transaction, floor_gas, intrinsic_gas
from sim.errors import UsageError

# py-evm tells addresses and hashes from other bytes in its types; the chain does not
ExecutionContext: Any = execution_context.ExecutionContext
Message: Any = message.Message

CALL_GAS_MAX = 50_000_000
INIT_CODE_MAX = 49_152
ANCESTORS_MAX = 256
BEACON_ROOTS = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
BEACON_ROOTS_RING = 8191
HISTORY_STORAGE = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
HISTORY_RING = 8191

_DIRECT = (
    "delta_balance", "delete_account", "delete_code", "delete_storage", "get_balance", "get_code", "get_code_hash",
    "get_nonce", "get_storage", "has_code_or_nonce", "account_exists", "account_is_empty", "increment_nonce",
    "is_storage_warm", "mark_address_warm", "mark_storage_warm", "set_balance", "set_code", "set_nonce",
    "set_storage", "touch_account", "get_transient_storage", "set_transient_storage", "clear_transient_storage",
    "lock_changes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ask:
    """What py-evm's executor wants to know of a transaction."""

    sender: bytes
    data: bytes
    gas_price: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    access_list: AccessList
    type_id: int
    blob_versioned_hashes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    computation: Any
    gas_used: int
    gas_refunded: int


class PyEvm:
    """The engine of one fork.

    Args:
        fork: one of `engine.FORKS`.
    """

    name = "pyevm"

    def __init__(self, fork: str = "cancun") -> None:
        assert fork in FORKS, f"fork {fork!r} is not one of {', '.join(FORKS)}"
        self.fork = fork
        self.codes = CodeStore()
        self.since = {name: FORKS.index(fork) >= FORKS.index(name) for name in FORKS}
        module = import_module(f"eth.vm.forks.{fork}.state")
        base: Any = getattr(module, "".join(part.capitalize() for part in fork.split("_")) + "State")
        self._state_class = _state_class(base)

    def open_block(self, parent: Layer, env: BlockEnvironment) -> PyEvmSession:
        """Start a block on *parent* and write what the fork's system contracts keep of its ancestors."""
        parent.require()
        session = PyEvmSession(self, FlatState(parent, self.codes), env)
        session.write_system_contracts()
        return session

    def call(
        self, layer: Layer, request: CallRequest, env: BlockEnvironment,
        overrides: Mapping[bytes, AccountOverride] | None = None,
    ) -> CallResult:  # fmt: skip
        """Run *request* on the state of *layer* and forget its changes."""
        layer.require()
        session = PyEvmSession(self, FlatState(layer, self.codes), env, free=request.max_fee == 0)
        for address, override in (overrides or {}).items():
            session.set_account(address, override)
        return session.call(request)

    def new_state(self, flat: FlatState, env: BlockEnvironment, base_fee: int) -> Any:
        """Return py-evm's state over *flat* in a block as *env* has it."""
        context = ExecutionContext(
            coinbase=env.coinbase, timestamp=env.timestamp, block_number=env.number, difficulty=env.difficulty,
            mix_hash=env.prev_randao, gas_limit=env.gas_limit, prev_hashes=(), chain_id=env.chain_id,
            base_fee_per_gas=base_fee if self.since["london"] else None,
            excess_blob_gas=env.excess_blob_gas if self.since["cancun"] else None,
        )  # fmt: skip
        return self._state_class(flat, context, env.ancestor_hash)


class PyEvmSession:
    """A block being built by `PyEvm`.

    Args:
        free: no fee is asked, as in a call without a gas price.
    """

    def __init__(self, engine: PyEvm, flat: FlatState, env: BlockEnvironment, *, free: bool = False) -> None:
        self._engine = engine
        self._flat = flat
        self._env = env
        self._base_fee = 0 if free else env.base_fee
        self._state = engine.new_state(flat, env, self._base_fee)
        self._executor = self._state.get_transaction_executor()
        self._gas_used = 0

    @property
    def gas_used(self) -> int:
        """Gas used so far."""
        return self._gas_used

    def nonce(self, address: bytes) -> int:
        """Return the next nonce of *address* in this block."""
        return self._flat.get_nonce(address)

    def seal(self) -> Layer:
        """End the block and return its layer."""
        return self._flat.seal()

    def apply(self, tx: Transaction) -> Receipt | Invalid:
        """Run *tx* after those before it, or say why it cannot stand here and change nothing."""
        reason = self._refusal(tx)
        if reason is not None:
            return Invalid(reason)
        price, tip = tx.effective_gas_price(self._base_fee), tx.effective_tip(self._base_fee)
        if not self._engine.since["london"]:
            price = tip = tx.max_fee
        ask = _Ask(tx.sender, tx.data, price, tx.max_fee, tx.max_priority_fee, tx.access_list, tx.type, tx.blob_hashes)
        blob_fee = tx.blob_gas * self._state.blob_base_fee if tx.type == BLOB else 0
        self._flat.lock_changes()
        outcome = self._run(
            ask, to=tx.to, value=tx.value, nonce=tx.nonce, gas=tx.gas, price=price, tip=tip, blob_fee=blob_fee
        )
        computation = outcome.computation
        self._gas_used += outcome.gas_used
        logs = _logs(computation)
        return Receipt(
            tx_hash=tx.hash, status=0 if computation.is_error else 1, gas_used=outcome.gas_used,
            cumulative_gas_used=self._gas_used, logs=logs, bloom=bloom_of(logs),
            contract_address=created_address(tx.sender, tx.nonce) if tx.to is None else None,
            effective_gas_price=price, type=tx.type, output=computation.output, error=_reason(computation),
        )  # fmt: skip

    def call(self, request: CallRequest) -> CallResult:
        """Run *request* as geth's eth_call does.

        Raises:
            CallRefused: it cannot start.
        """
        gas = min(CALL_GAS_MAX if request.gas is None else request.gas, CALL_GAS_MAX)
        self._check_call(request, gas)
        price = min(request.max_fee, self._base_fee + request.max_priority_fee)
        ask = _Ask(request.sender, request.data, price, price, price, request.access_list, 2)
        self._flat.lock_changes()
        nonce = self._flat.get_nonce(request.sender)
        outcome = self._run(
            ask, to=request.to, value=request.value, nonce=nonce, gas=gas, price=price,
            tip=max(price - self._base_fee, 0), blob_fee=0,
        )  # fmt: skip
        computation = outcome.computation
        return CallResult(
            success=not computation.is_error, output=computation.output, gas_used=outcome.gas_used,
            logs=_logs(computation), error=_reason(computation), gas_refunded=outcome.gas_refunded,
        )  # fmt: skip

    def create_at(self, address: bytes, init_code: bytes, sender: bytes, value: int = 0) -> CallResult:
        """Run *init_code* so that the contract stands at *address*, paid by nobody."""
        self._flat.lock_changes()
        ask = _Ask(sender, b"", 0, 0, 0, (), 2)
        frame = Message(
            gas=self._env.gas_limit, to=b"", sender=sender, value=value, data=b"", code=init_code,
            create_address=address,
        )  # fmt: skip
        computation = self._executor.build_computation(frame, ask)
        return CallResult(
            success=not computation.is_error, output=computation.output, gas_used=0, logs=_logs(computation),
            error=_reason(computation),
        )  # fmt: skip

    def set_account(self, address: bytes, override: AccountOverride) -> None:
        """Change an account outside any transaction."""
        flat = self._flat
        if override.nonce is not None:
            flat.set_nonce(address, override.nonce)
        if override.balance is not None:
            flat.set_balance(address, override.balance)
        if override.code is not None:
            flat.set_code(address, override.code)
        if override.state is not None:
            for slot in flat.slots_below(address) | flat.changed_storage(address):
                flat.set_storage(address, slot, 0)
            for slot, value in override.state.items():
                flat.set_storage(address, slot, value)
        for slot, value in (override.state_diff or {}).items():
            flat.set_storage(address, slot, value)

    def write_system_contracts(self) -> None:
        """Write the block's beacon root (EIP-4788) and its parent's hash (EIP-2935) where those contracts stand."""
        env, flat = self._env, self._flat
        if self._engine.since["cancun"] and flat.get_code(BEACON_ROOTS):
            slot = env.timestamp % BEACON_ROOTS_RING
            flat.set_storage(BEACON_ROOTS, slot, env.timestamp)
            root = int.from_bytes(env.parent_beacon_block_root or b"", "big")
            flat.set_storage(BEACON_ROOTS, slot + BEACON_ROOTS_RING, root)
        if self._engine.since["prague"] and flat.get_code(HISTORY_STORAGE):
            parent = int.from_bytes(env.ancestor_hash(env.number - 1), "big")
            flat.set_storage(HISTORY_STORAGE, (env.number - 1) % HISTORY_RING, parent)

    # --- running

    def _run(
        self, ask: _Ask, *, to: bytes | None, value: int, nonce: int, gas: int, price: int, tip: int, blob_fee: int,
    ) -> _Outcome:  # fmt: skip
        flat, executor = self._flat, self._executor
        flat.delta_balance(ask.sender, -gas * price - blob_fee)
        flat.set_nonce(ask.sender, nonce + 1)
        creation = to is None
        prepaid = intrinsic_gas(ask.data, creation=creation, access_list=ask.access_list, fork=self._engine.fork)
        if creation and self._engine.since["shanghai"]:
            prepaid -= 2 * ((len(ask.data) + 31) // 32)  # py-evm charges the init code's words itself
        frame = Message(
            gas=gas - prepaid, to=to or b"", sender=ask.sender, value=value, data=b"" if creation else ask.data,
            code=ask.data if to is None else flat.get_code(to),
            create_address=created_address(ask.sender, nonce) if creation else None,
        )  # fmt: skip
        computation = executor.build_computation(frame, ask)
        left = computation.get_gas_remaining()
        refund = executor.calculate_gas_refund(computation, gas - left)
        left += refund - executor.calc_data_floor_gas(ask, gas - left, refund)
        if price:
            flat.delta_balance(ask.sender, left * price)
        flat.delta_balance(self._env.coinbase, (gas - left) * tip)
        for address in computation.get_accounts_for_deletion():
            flat.delete_account(address)
        for address in collect_touched_accounts(computation):
            if flat.account_exists(address) and flat.account_is_empty(address):
                flat.delete_account(address)
        return _Outcome(computation, gas - left, refund)

    def _refusal(self, tx: Transaction) -> str | None:
        """Return geth's reason not to include *tx*, in the order in which geth checks."""
        flat = self._flat
        nonce, london = flat.get_nonce(tx.sender), self._engine.since["london"]
        if tx.nonce != nonce:
            return (
                f"nonce too {'low' if tx.nonce < nonce else 'high'}: {_who(tx.sender)}, tx: {tx.nonce} state: {nonce}"
            )
        code_hash = flat.get_code_hash(tx.sender)
        if london and code_hash != EMPTY_HASH and not flat.get_code(tx.sender).startswith(b"\xef\x01\x00"):
            return f"sender not an eoa: {_who(tx.sender)}, codehash: 0x{code_hash.hex()}"
        if london and tx.max_fee < tx.max_priority_fee:
            return (f"max priority fee per gas higher than max fee per gas: {_who(tx.sender)}, "
                    f"maxPriorityFeePerGas: {tx.max_priority_fee}, maxFeePerGas: {tx.max_fee}")  # fmt: skip
        if london and tx.max_fee < self._base_fee:
            return (f"max fee per gas less than block base fee: {_who(tx.sender)}, "
                    f"maxFeePerGas: {tx.max_fee}, baseFee: {self._base_fee}")  # fmt: skip
        if tx.type == BLOB and tx.max_fee_per_blob_gas < self._state.blob_base_fee:
            return f"max fee per blob gas less than block blob gas fee: {_who(tx.sender)}"
        balance = flat.get_balance(tx.sender)
        if balance < tx.cost:
            return f"insufficient funds for gas * price + value: {_who(tx.sender)} have {balance} want {tx.cost}"
        if tx.gas > self._env.gas_limit - self._gas_used:
            return "gas limit reached"
        return self._gas_refusal(tx.data, tx.to is None, tx.access_list, tx.gas)

    def _gas_refusal(self, data: bytes, creation: bool, access_list: AccessList, gas: int) -> str | None:
        engine = self._engine
        needed = intrinsic_gas(data, creation=creation, access_list=access_list, fork=engine.fork)
        if gas < needed:
            return f"intrinsic gas too low: have {gas}, want {needed}"
        if engine.since["prague"] and gas < floor_gas(data):
            return f"insufficient gas for floor data gas cost: have {gas}, want {floor_gas(data)}"
        if creation and engine.since["shanghai"] and len(data) > INIT_CODE_MAX:
            return f"max initcode size exceeded: code size {len(data)} limit {INIT_CODE_MAX}"
        return None

    def _check_call(self, request: CallRequest, gas: int) -> None:
        balance = self._flat.get_balance(request.sender)
        if request.max_fee:
            if request.max_fee < request.max_priority_fee:
                raise CallRefused(
                    f"max priority fee per gas higher than max fee per gas: {_who(request.sender)}, "
                    f"maxPriorityFeePerGas: {request.max_priority_fee}, maxFeePerGas: {request.max_fee}"
                )
            if request.max_fee < self._base_fee:
                raise CallRefused(
                    f"max fee per gas less than block base fee: {_who(request.sender)}, "
                    f"maxFeePerGas: {request.max_fee}, baseFee: {self._base_fee}"
                )
            want = gas * request.max_fee + request.value
            if balance < want:
                raise CallRefused(
                    f"insufficient funds for gas * price + value: {_who(request.sender)} have {balance} want {want}"
                )
        reason = self._gas_refusal(request.data, request.to is None, request.access_list, gas)
        if reason is not None:
            raise CallRefused(f"err: {reason} (supplied gas {gas})")
        if balance < request.value:
            raise CallRefused(f"err: insufficient funds for transfer: {_who(request.sender)} (supplied gas {gas})")


def _state_class(base: Any) -> Any:
    """Return py-evm's state class of a fork with everything stored in a `FlatState`."""

    class State(base):  # type: ignore[misc]
        def __init__(self, flat: FlatState, context: Any, ancestor_hash: Any) -> None:
            self.execution_context = context
            self._flat = flat
            self._ancestor_hash = ancestor_hash
            for name in _DIRECT:
                setattr(self, name, getattr(flat, name))

        def is_address_warm(self, address: bytes) -> bool:
            return self._flat.is_address_warm(address) or address in self.computation_class.get_precompiles()

        def snapshot(self) -> int:
            return self._flat.record()

        def revert(self, snapshot: int) -> None:
            self._flat.discard(snapshot)

        def commit(self, snapshot: int) -> None:
            pass

        def get_ancestor_hash(self, block_number: int) -> bytes:
            if not 0 < self.block_number - block_number <= ANCESTORS_MAX:
                return b""
            found: bytes = self._ancestor_hash(block_number)
            return found

    State.computation_class = fast_computation(base.computation_class)
    return State


def created_address(sender: bytes, nonce: int) -> bytes:
    """Return the address of the contract that *sender* creates with *nonce*."""
    return keccak(rlp.encode([sender, nonce]))[12:]


def checksum_address(address: bytes) -> str:
    """Return *address* in EIP-55's mixed case."""
    digits = address.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) > 7 else d for d, m in zip(digits, mask, strict=False))


def _who(address: bytes) -> str:
    return f"address {checksum_address(address)}"


def _logs(computation: Any) -> tuple[Log, ...]:
    return tuple(
        Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
        for address, topics, data in computation.get_log_entries()
    )


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (vm_error.Revert, "execution reverted"),
    (vm_error.InvalidJumpDestination, "invalid jump destination"),
    (vm_error.FullStack, "stack limit reached 1024 (1023)"),
    (vm_error.WriteProtection, "write protection"),
    (vm_error.OutOfBoundsRead, "return data out of bounds"),
    (vm_error.StackDepthLimit, "max call depth exceeded"),
    (vm_error.InsufficientFunds, "insufficient balance for transfer"),
    (vm_error.ContractCreationCollision, "contract address collision"),
    (vm_error.ReservedBytesInCode, "invalid code: must not begin with 0xef"),
)


def _reason(computation: Any) -> str | None:
    """Return why *computation* failed in geth's words, or None if it did not."""
    if not computation.is_error:
        return None
    error = computation.error
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    text = str(error)
    if isinstance(error, vm_error.OutOfGas):
        if "code size exceeds" in text:
            return "max code size exceeded"
        return "contract creation code storage out of gas" if "Write contract code" in text else "out of gas"
    if isinstance(error, vm_error.InsufficientStack):
        return "stack underflow"
    if isinstance(error, vm_error.InvalidInstruction):
        opcode = text.split()[2] if text.startswith("Invalid opcode 0x") else "0xfe"
        return "invalid opcode: INVALID" if opcode == "0xfe" else f"invalid opcode: opcode {opcode} not defined"
    return text


def make_engine(name: str = "pyevm", fork: str = "cancun") -> PyEvm:
    """Return the engine called *name*.

    Raises:
        UsageError: the engine is not built here.
    """
    if name == "pyevm":
        return PyEvm(fork)
    if name in ("revm", "both"):
        raise UsageError(
            f"--engine {name}: the native engine is not built here; build it with `make native` (it needs a Rust "
            "toolchain), or fly with --engine pyevm"
        )
    raise UsageError(f"--engine {name}: no such engine; there are pyevm, revm and both")
