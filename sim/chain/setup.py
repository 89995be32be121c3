"""The blocks before the start block: transactions from a deployer's account, and changes that no transaction makes."""

from __future__ import annotations

from sim.chain.block import Block, Header, Receipt
from sim.chain.builder import new_header, seal_block
from sim.chain.chain import ChainConfig
from sim.chain.engine import AccountOverride, BlockEnvironment, Engine, Session
from sim.chain.keccak import keccak
from sim.chain.state import Layer
from sim.chain.transaction import Account, Transaction, decode, sign
from sim.errors import ScenarioError

BASE_FEE_WEI = 10**9
GAS_LIMIT = 1_000_000_000
TX_GAS_MAX = 30_000_000
NOBODY = bytes(20)


class SetupBlock:
    """One block before the start block, or the start block itself.

    Args:
        blocks_before_start: 0 for the start block.
        parent: the block and layer before, or None for the first.
    """

    def __init__(
        self, config: ChainConfig, engine: Engine, blocks_before_start: int, parent: tuple[Block, Layer] | None
    ) -> None:
        self._config = config
        is_start = blocks_before_start == 0
        parent_hash = parent[0].hash if parent else bytes(32)
        slot_s = max(config.slot_ns // 10**9, 1)
        self._header: Header = new_header(
            config if is_start else _roomy(config), config.start_number - blocks_before_start, parent_hash,
            config.epoch_s - blocks_before_start * slot_s, config.base_fee_wei if is_start else BASE_FEE_WEI, NOBODY,
            keccak(b"prev_randao" + parent_hash),
        )  # fmt: skip
        env = BlockEnvironment.of(self._header, config.chain_id, lambda number: parent_hash)
        self._session: Session = engine.open_block(parent[1] if parent else Layer(None, {}, {}), env)
        self._transactions: list[Transaction] = []
        self._receipts: list[Receipt] = []

    def send(self, sender: Account, to: bytes | None, data: bytes, value: int, what: str) -> Receipt:
        """Send a transaction that must go through.

        Raises:
            ScenarioError: it did not; *what* says what it was.
        """
        raw = sign(
            sender.key, chain_id=self._config.chain_id, nonce=self._session.nonce(sender.address), to=to, value=value,
            data=data, gas=TX_GAS_MAX, max_fee=BASE_FEE_WEI, max_priority_fee=0,
        )  # fmt: skip
        return self.send_raw(raw, what)

    def send_raw(self, raw: bytes, what: str) -> Receipt:
        """Send a signed transaction that must go through.

        Raises:
            ScenarioError: it did not; *what* says what it was.
        """
        tx = decode(raw)
        outcome = self._session.apply(tx)
        if not isinstance(outcome, Receipt):
            raise ScenarioError(f"{what}: {outcome.reason}")
        if not outcome.status:
            detail = f" (data 0x{outcome.output.hex()})" if outcome.output else ""
            raise ScenarioError(f"{what}: {outcome.error}{detail}")
        self._transactions.append(tx)
        self._receipts.append(outcome)
        return outcome

    def create_at(self, address: bytes, init_code: bytes, sender: bytes, what: str) -> None:
        """Let a contract stand at a chosen address, as if its creation code had run there.

        Raises:
            ScenarioError: the creation code fails.
        """
        result = self._session.create_at(address, init_code, sender)
        if not result.success:
            raise ScenarioError(f"{what}: {result.error}")

    def set_account(self, address: bytes, override: AccountOverride) -> None:
        """Change an account by decree."""
        self._session.set_account(address, override)

    def nonce(self, address: bytes) -> int:
        """Return the next nonce of *address*."""
        return self._session.nonce(address)

    def seal(self) -> tuple[Block, Layer]:
        """End the block."""
        return seal_block(self._header, self._session, self._transactions, self._receipts)


def _roomy(config: ChainConfig) -> ChainConfig:
    return ChainConfig(chain_id=config.chain_id, fork=config.fork, gas_limit=GAS_LIMIT, slot_ns=config.slot_ns)
