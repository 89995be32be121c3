"""Sending: one nonce allocator under one lock; reserve, sign, send, replace, cancel, give up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from eth_account.signers.local import LocalAccount

from bot import wire
from bot.errors import NodeError, NodeFailure, RateLimited, WrongChain
from bot.lifecycle import Attempt, Event, Inclusion, Ledger, Purpose, Slot, State, bump
from bot.locks import NamedLock
from bot.metrics import Metrics
from bot.provider import Endpoints
from bot.strategy import Fees, Plan, Policy, Refusal, repriced
from bot.view import View

log = structlog.get_logger()

# A plain transfer of nothing.
CANCEL_GAS = 21_000
ALREADY_KNOWN = ("already known", "known transaction", "already imported")
NONCE_USED = ("nonce too low", "nonce is too low")


@dataclass(frozen=True, slots=True)
class Account:
    """Who sends, through what, on which chain."""

    signer: LocalAccount
    address: bytes
    chain_id: int
    executor: bytes
    token: bytes
    gas_limit_gas: int


class Submitter:
    """The only place that uses nonces, signs and sends."""

    def __init__(
        self, account: Account, ledger: Ledger, lock: NamedLock, endpoints: Endpoints, policy: Policy, metrics: Metrics
    ) -> None:
        self.ledger = ledger
        self.stopping = False
        self._account = account
        self._lock = lock
        self._endpoints = endpoints
        self._policy = policy
        self._metrics = metrics
        # Nonces of which a node said they are used up, though none of our attempts has been seen on chain.
        self._suspect: set[int] = set()

    async def simulate(self, plan: Plan) -> int | Refusal:
        """Run the exact transaction against the newest state; returns its gross in wei, or why not to send it."""
        call = {
            "from": wire.hexed(self._account.address),
            "to": wire.hexed(self._account.executor),
            "data": wire.hexed(wire.execute_calldata(plan, self._account.token)),
            "gas": wire.hexed(self._account.gas_limit_gas),
        }
        try:
            gross_wei = wire.quantity(await self._endpoints.request("eth_call", [call, "latest"]))
        except NodeError as error:
            return Refusal("simulation_reverted", str(error))
        if gross_wei != plan.cycle.gross_wei:
            log.info("simulation.differs", quoted_wei=plan.cycle.gross_wei, simulated_wei=gross_wei)
        return gross_wei

    async def open(self, plan: Plan, head_number: int) -> Refusal | None:
        """Send a new trade under a new nonce; after the stop signal there is none."""
        async with self._lock.hold():
            if self.stopping:
                return Refusal("stopping")
            slot = self.ledger.reserve()
            try:
                refusal = await self._send(slot, self._trade(slot, plan, head_number))
            finally:
                # Signing failed, or the node refused: nothing is out there under this nonce.
                if slot.state is State.RESERVED:
                    self.ledger.release(slot)
            if refusal is not None and refusal.reason == "nonce_used":
                await self._resume()
        return refusal

    async def replace(self, slot: Slot, plan: Plan, fees: Fees, head_number: int) -> Refusal | None:
        """Send a better plan under the nonce of one that waits, outbidding it."""
        tip_wei = max(plan.tip_wei, bump(slot.latest.tip_wei))
        max_fee_wei = max(plan.max_fee_wei, bump(slot.latest.max_fee_wei))
        outbidding = repriced(plan, tip_wei, max_fee_wei, fees, self._policy)
        if isinstance(outbidding, Refusal):
            return outbidding
        simulated = await self.simulate(outbidding)
        if isinstance(simulated, Refusal):
            return simulated
        async with self._lock.hold():
            return await self._send(slot, self._trade(slot, outbidding, head_number))

    async def cancel(self, slot: Slot, fees: Fees, head_number: int) -> Refusal | None:
        """Outbid what waits under a nonce with a transfer of nothing to ourselves."""
        tip_wei = max(bump(slot.latest.tip_wei), fees.tip_min_wei)
        max_fee_wei = max(bump(slot.latest.max_fee_wei), 2 * fees.base_fee_wei + tip_wei)
        async with self._lock.hold():
            attempt = self._sign(
                slot,
                Purpose.CANCEL,
                to=self._account.address,
                data=b"",
                gas=CANCEL_GAS,
                tip_wei=tip_wei,
                max_fee_wei=max_fee_wei,
                head_number=head_number,
                plan=None,
            )
            return await self._send(slot, attempt)

    async def look_up(self, slot: Slot, view: View) -> Inclusion | None:
        """Return which attempt is in a block of the view, newest attempt asked for first."""
        for attempt in reversed(slot.attempts):
            raw = await self._endpoints.request("eth_getTransactionReceipt", [wire.hexed(attempt.hash)])
            if raw is None:
                continue
            inclusion = wire.inclusion(raw, self._account.executor)
            oldest = view.oldest
            # A block the view has not reached, or that is on another branch, is judged when the view is there.
            known = view.contains(inclusion.block_hash)
            if known or (oldest is not None and inclusion.block_number < oldest.number):
                self._suspect.discard(slot.nonce)
                slot.included(inclusion)
                return inclusion
            return None
        await self._question(slot)
        return None

    async def requeue(self, slot: Slot) -> None:
        """See that an orphaned transaction waits again: nodes put it back, but not all and not always."""
        attempt = slot.latest
        if await self._endpoints.request("eth_getTransactionByHash", [wire.hexed(attempt.hash)]) is None:
            async with self._lock.hold():
                refusal = await self._offer(slot, attempt)
            if refusal is not None:
                log.warning("requeue.refused", nonce=slot.nonce, reason=refusal.reason, detail=refusal.detail)
                return
        slot.on(Event.RETURNED)
        self._metrics.transitions.labels(Event.RETURNED.value).inc()

    def _trade(self, slot: Slot, plan: Plan, head_number: int) -> Attempt:
        return self._sign(
            slot,
            Purpose.TRADE,
            to=self._account.executor,
            data=wire.execute_calldata(plan, self._account.token),
            gas=self._account.gas_limit_gas,
            tip_wei=plan.tip_wei,
            max_fee_wei=plan.max_fee_wei,
            head_number=head_number,
            plan=plan,
        )

    def _sign(
        self,
        slot: Slot,
        purpose: Purpose,
        *,
        to: bytes,
        data: bytes,
        gas: int,
        tip_wei: int,
        max_fee_wei: int,
        head_number: int,
        plan: Plan | None,
    ) -> Attempt:
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._account.chain_id,
            "nonce": slot.nonce,
            "to": to,
            "value": 0,
            "data": data,
            "gas": gas,
            "maxPriorityFeePerGas": tip_wei,
            "maxFeePerGas": max_fee_wei,
        }
        signed = self._account.signer.sign_transaction(fields)
        return Attempt(
            hash=bytes(signed.hash),
            raw=bytes(signed.raw_transaction),
            purpose=purpose,
            tip_wei=tip_wei,
            max_fee_wei=max_fee_wei,
            sent_at_block=head_number,
            plan=plan,
        )

    async def _send(self, slot: Slot, attempt: Attempt) -> Refusal | None:
        """Offer an attempt and note it under its nonce if it is, or may be, out there."""
        kind = attempt.purpose.value if not slot.attempts or attempt.purpose is Purpose.CANCEL else "replacement"
        try:
            refusal = await self._offer(slot, attempt)
        except asyncio.CancelledError:
            # Stopped in the middle: it may be out there, so its nonce is in use.
            slot.sent(attempt)
            raise
        if refusal is None:
            slot.sent(attempt)
            self._metrics.sent.labels(kind).inc()
            log.info(
                "tx.sent",
                kind=kind,
                tx=wire.hexed(attempt.hash),
                nonce=slot.nonce,
                tip_wei=attempt.tip_wei,
                max_fee_wei=attempt.max_fee_wei,
            )
        elif slot.attempts:
            slot.on(Event.REFUSED)
            if refusal.reason == "nonce_used":
                self._suspect.add(slot.nonce)
        return refusal

    async def _offer(self, slot: Slot, attempt: Attempt) -> Refusal | None:
        """Give a transaction to a node; None means that it has it, or may have it."""
        try:
            await self._endpoints.request("eth_sendRawTransaction", [wire.hexed(attempt.raw)])
        except NodeError as error:
            text = error.message.lower()
            if any(known in text for known in ALREADY_KNOWN):
                return None
            if any(used in text for used in NONCE_USED):
                return Refusal("nonce_used", str(error))
            return Refusal("node_refused", str(error))
        except (RateLimited, WrongChain) as error:
            return Refusal("not_sent", str(error))
        except NodeFailure as error:
            # It may have arrived before the line broke: the nonce counts as used until the chain says otherwise.
            log.warning("tx.maybe_sent", nonce=slot.nonce, error=f"{type(error).__name__}: {error}")
        return None

    async def _resume(self) -> None:
        """Take the next nonce from the chain, after it said that ours is used."""
        answer = await self._endpoints.request("eth_getTransactionCount", [wire.hexed(self._account.address), "latest"])
        self.ledger.resume(wire.quantity(answer))

    async def _question(self, slot: Slot) -> None:
        """Give up a nonce that the chain has used for a transaction which is none of our attempts."""
        if slot.nonce not in self._suspect:
            return
        answer = await self._endpoints.request("eth_getTransactionCount", [wire.hexed(self._account.address), "latest"])
        if wire.quantity(answer) > slot.nonce:
            self._suspect.discard(slot.nonce)
            self.ledger.lose(slot)
            log.error("nonce.lost", nonce=slot.nonce, text="another process sends from this account")
