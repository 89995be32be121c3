"""Gives an account any balance of any ERC-20 token before the start block, by finding where the token keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.chain.engine import AccountOverride, BlockEnvironment, CallRequest, Engine
from sim.chain.keccak import keccak
from sim.chain.state import Layer
from sim.errors import ScenarioError

BALANCE_OF = keccak(b"balanceOf(address)")[:4]
TOTAL_SUPPLY = keccak(b"totalSupply()")[:4]
SLOTS_TRIED = 64
_SENTINEL = 0x77_0000_0000


def _solidity(holder: bytes, slot: int) -> int:
    return int.from_bytes(keccak(bytes(12) + holder + slot.to_bytes(32, "big")), "big")


def _vyper(holder: bytes, slot: int) -> int:
    return int.from_bytes(keccak(slot.to_bytes(32, "big") + bytes(12) + holder), "big")


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """Where a token keeps its numbers.

    Args:
        supply_slot: of the total supply, or None if the token keeps none.
        ether_backed: the total supply is the token's own ether, as WETH9 has it.
    """

    balance_slot: Callable[[bytes], int]
    supply_slot: int | None
    ether_backed: bool


class Dealer:
    """Reads tokens on a layer and says which changes give the balances that are wanted."""

    def __init__(self, engine: Engine, layer: Layer, env: BlockEnvironment) -> None:
        self._engine = engine
        self._layer = layer
        self._env = env

    def deal(self, token: bytes, name: str, balances: Mapping[bytes, int]) -> dict[bytes, AccountOverride]:
        """Return the changes after which each holder has its balance, and the total supply is their sum still.

        Raises:
            ScenarioError: the token keeps its balances where we cannot find them.
        """
        layout = self._layout(token, name)
        changes: dict[int, int] = {}
        added = 0
        for holder, amount in balances.items():
            added += amount - (self._read(token, BALANCE_OF + bytes(12) + holder) or 0)
            changes[layout.balance_slot(holder)] = amount
        if layout.supply_slot is not None:
            supply = self._read(token, TOTAL_SUPPLY) or 0
            changes[layout.supply_slot] = supply + added
        account = self._layer.account(token)
        ether = (account.balance if account else 0) + added if layout.ether_backed else None
        return {token: AccountOverride(balance=ether, state_diff=changes)}

    def _layout(self, token: bytes, name: str) -> TokenLayout:
        return TokenLayout(self._balance_slot(token, name), *self._supply(token))

    def _balance_slot(self, token: bytes, name: str) -> Callable[[bytes], int]:
        holder = keccak(b"windtunnel holder" + token)[12:]
        places = [(rule, slot) for slot in range(SLOTS_TRIED) for rule in (_solidity, _vyper)]
        planted = {rule(holder, slot): _SENTINEL + index for index, (rule, slot) in enumerate(places)}
        value = self._read(token, BALANCE_OF + bytes(12) + holder, AccountOverride(state_diff=planted))
        if value is None or not 0 <= value - _SENTINEL < len(places):
            raise ScenarioError(
                f"token {name} at 0x{token.hex()}: its balances are in none of the first {SLOTS_TRIED} slots, so no "
                "balance can be dealt; send them by `calls` instead"
            )
        rule, base = places[value - _SENTINEL]
        return lambda owner: rule(owner, base)

    def _supply(self, token: bytes) -> tuple[int | None, bool]:
        supply = self._read(token, TOTAL_SUPPLY)
        if supply is None:
            return None, False
        for slot in range(SLOTS_TRIED):
            planted = AccountOverride(state_diff={slot: _SENTINEL + slot})
            if self._read(token, TOTAL_SUPPLY, planted) == _SENTINEL + slot:
                return slot, False
        return None, self._read(token, TOTAL_SUPPLY, AccountOverride(balance=_SENTINEL)) == _SENTINEL

    def _read(self, token: bytes, data: bytes, seen: AccountOverride | None = None) -> int | None:
        overrides = {token: seen} if seen else None
        result = self._engine.call(self._layer, CallRequest(token, data), self._env, overrides)
        return int.from_bytes(result.output, "big") if result.success and len(result.output) == 32 else None
