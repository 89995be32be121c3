"""The loop between the feed and the node: follow the chain, ask the mind, carry out its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.contextvars import bound_contextvars

from bot import wire
from bot.errors import NodeError, NodeFailure
from bot.feed import Channel, Connected, Dropped, Feed, HeadSeen, LogSeen, Lost, Message, StopAsked
from bot.lifecycle import Event, Inclusion, Move, Purpose, Slot, State, next_move
from bot.metrics import Metrics
from bot.risk import Outcome, Risk, Situation
from bot.strategy import Fees, Plan, Policy, Refusal, Venue, decide, fees_after
from bot.submit import Submitter
from bot.sync import ChainReader
from bot.view import Header, Step, View

log = structlog.get_logger()

# While the chain cannot be read, it is asked again this often even if nothing arrives.
RESYNC_S = 1.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the trader does by the book."""

    venues: tuple[Venue, Venue]
    policy: Policy
    tip_share_bps: int
    tip_min_wei: int
    tip_max_wei: int
    attempts_max: int
    confirmations: int
    log_wait_s: float
    log_quiet_s: float
    reconcile_every_blocks: int
    dry_run: bool


@dataclass(slots=True)
class Books:
    """What included transactions brought and cost; a reorg takes it back."""

    profit_wei: int = 0
    gas_cost_wei: int = 0

    def book(self, gross_wei: int, gas_cost_wei: int) -> None:
        """Add one transaction; negative amounts take one back."""
        self.profit_wei += gross_wei - gas_cost_wei
        self.gas_cost_wei += gas_cost_wei


class Trader:
    """Owns the view, the risk state and, through the submitter, the nonces: one task, so no locks among them."""

    def __init__(
        self,
        *,
        rules: Rules,
        view: View,
        reader: ChainReader,
        risk: Risk,
        submitter: Submitter,
        channel: Channel,
        feed: Feed,
        metrics: Metrics,
        killed: Callable[[], bool],
        prefer_first: Callable[[], None],
    ) -> None:
        self.idle = asyncio.Event()
        self.books = Books()
        self._rules = rules
        self._view = view
        self._reader = reader
        self._risk = risk
        self._submitter = submitter
        self._channel = channel
        self._feed = feed
        self._metrics = metrics
        self._killed = killed
        self._prefer_first = prefer_first
        self._synced = False
        self._stopping = False
        self._number_max = 0
        self._looked_up: bytes | None = None
        self._decided: tuple[object, ...] | None = None
        self._reconciled_at = 0
        self._head_at_s = 0.0

    def begin_stop(self) -> None:
        """Open no more trades, and set `idle` when none is in flight; called once, by the conductor."""
        self._submitter.stopping = True
        self._channel.put(StopAsked())

    async def run(self) -> None:
        """Handle messages until cancelled."""
        while True:
            message = await self._channel.get(self._patience_s())
            try:
                await self._take(message)
                while len(self._channel):
                    await self._take(await self._channel.get(None))
                if not self._synced:
                    await self._resync()
                if self._synced and not self._half_told() and (message is None or not self._may_be_told_more()):
                    await self._act()
                    # Once more if acting showed the view to be behind; the mind decides anew, on all of the block.
                    await self._act()
            except (NodeFailure, NodeError) as error:
                # One bad answer costs one block, not the bot; the next message tries again.
                notes = "; ".join(getattr(error, "__notes__", ()))
                log.warning("block.skipped", error=f"{type(error).__name__}: {error}", notes=notes)
            if self._stopping and not self._submitter.ledger.open_slots():
                self.idle.set()

    def _patience_s(self) -> float | None:
        """Return how long to wait for a message before doing something about its absence."""
        if not self._synced:
            return RESYNC_S if self._feed.live else None
        if self._half_told():
            return self._rules.log_wait_s
        return self._rules.log_quiet_s if self._may_be_told_more() else None

    def _may_be_told_more(self) -> bool:
        """Whether a block's logs are coming in, so that a decision now would be about half of it."""
        return self._decided != self._state() and self._reader.may_await_more()

    def _state(self) -> tuple[object, ...]:
        """Return what a decision depends on."""
        return (self._view.snapshot() if self._view.head else None, self._stopping)

    def _half_told(self) -> bool:
        """Whether more about this very moment is on its way: the head's logs, or the rest of a reorg's branch."""
        head = self._view.head
        return head is not None and (head.number < self._number_max or self._reader.awaits_logs())

    async def _take(self, message: Message | None) -> None:
        match message:
            case HeadSeen(header, at_s):
                await self._on_head(header, at_s)
            case LogSeen(sync) if sync.removed:
                self._metrics.logs.labels("removed").inc()
                self._note_orphans(self._view.retract(sync.block_hash))
            case LogSeen(sync):
                self._metrics.logs.labels("live" if self._view.apply_log(sync) else "repeated").inc()
            case Connected():
                self._prefer_first()
                self._synced = False
            case Dropped():
                self._synced = False
                await self._reader.start_again("dropped")
                self._synced = True
            case StopAsked():
                self._stopping = True
                self._decided = None
            case Lost():
                pass
            case None:
                await self._stop_waiting()

    async def _stop_waiting(self) -> None:
        """What was on its way did not come in time: a lower head is the head, and logs are read from the chain."""
        head = self._view.head
        if head is not None:
            self._number_max = head.number
            if self._reader.awaits_logs():
                await self._reader.read_logs(head)

    async def _on_head(self, header: Header, at_s: float) -> None:
        if self._view.head is None:
            return
        change = self._view.apply(header)
        self._metrics.heads.labels(change.step.value).inc()
        if change.step is Step.DUPLICATE:
            return
        self._head_at_s = at_s
        self._metrics.head_age_s.set(int(time.time()) - header.timestamp_s)
        self._note_orphans(change.orphaned)
        if change.step is Step.GAP:
            self._synced = False
            self._note_orphans(await self._reader.catch_up(header))
            self._synced = True
        head = self._view.head
        assert head is not None
        self._number_max = max(self._number_max, head.number)
        self._metrics.head_number.set(head.number)

    async def _resync(self) -> None:
        """Close the gap before the subscriptions stood, or after a read failed."""
        self._note_orphans(await self._reader.catch_up())
        self._synced = True
        log.info("view.synced", number=self._view.head.number if self._view.head else None)

    def _note_orphans(self, orphaned: tuple[bytes, ...]) -> None:
        if orphaned:
            self._metrics.orphaned.inc(len(orphaned))
            log.warning("reorg", depth=len(orphaned), newest=wire.hexed(orphaned[0]))

    async def _act(self) -> None:
        """Follow what is in flight, decide, and carry the decision out; once for each state of the view."""
        state, head = self._state(), self._view.head
        if head is None or state == self._decided:
            return
        self._decided = state
        with bound_contextvars(block=head.number):
            self._follow()
            await self._look_up(head)
            rules = self._rules
            fees = fees_after(head, rules.tip_share_bps, rules.tip_min_wei, rules.tip_max_wei)
            decision = decide(self._view, fees, rules.venues, rules.policy)
            self._metrics.decisions.labels(decision.reason if isinstance(decision, Refusal) else "plan").inc()
            self._metrics.decide_s.observe(max(asyncio.get_running_loop().time() - self._head_at_s, 0.0))
            slots = self._submitter.ledger.open_slots()
            for slot in slots:
                await self._tend(slot, decision, fees, head)
            if not slots and isinstance(decision, Plan) and not self._stopping:
                await self._open(decision, head)
            self._metrics.in_flight.set(len(self._submitter.ledger.open_slots()))
            await self._reconcile(head)

    def _follow(self) -> None:
        """Move settled transactions along with the view: deeper, or out of the chain again."""
        for slot, event, inclusion in self._submitter.ledger.follow(self._view, self._rules.confirmations):
            self._metrics.transitions.labels(event.value).inc()
            log.info("tx.moved", event_name=event.value, nonce=slot.nonce, tx=wire.hexed(inclusion.tx_hash))
            if event is Event.ORPHANED:
                self._book(-inclusion.gross_wei, -inclusion.gas_cost_wei)
                self._looked_up = None

    async def _look_up(self, head: Header) -> None:
        """Ask for the receipts of what is in flight, once a block."""
        if self._looked_up == head.hash:
            return
        for slot in self._submitter.ledger.open_slots():
            if slot.latest.sent_at_block >= head.number and slot.state is not State.REORGED:
                continue
            inclusion = await self._submitter.look_up(slot, self._view)
            if inclusion is not None:
                self._settle(slot, inclusion)
            elif slot.state is State.REORGED:
                await self._submitter.requeue(slot)
        self._looked_up = head.hash

    def _settle(self, slot: Slot, inclusion: Inclusion) -> None:
        """Book an included transaction and tell the breakers."""
        attempt = slot.attempt(inclusion.tx_hash)
        assert attempt is not None, f"receipt of {inclusion.tx_hash.hex()}, which nonce {slot.nonce} never sent"
        cancelled = attempt.purpose is Purpose.CANCEL
        outcome = "cancelled" if cancelled else "succeeded" if inclusion.succeeded else "reverted"
        self._metrics.settled.labels(outcome).inc()
        self._metrics.transitions.labels(Event.INCLUDED.value).inc()
        self._book(inclusion.gross_wei, inclusion.gas_cost_wei)
        log.info(
            "tx.included",
            tx=wire.hexed(inclusion.tx_hash),
            nonce=slot.nonce,
            outcome=outcome,
            gross_wei=inclusion.gross_wei,
            gas_used_gas=inclusion.gas_used_gas,
            gas_cost_wei=inclusion.gas_cost_wei,
            at_block=inclusion.block_number,
        )
        if not cancelled:
            tripped = self._risk.record_outcome(
                Outcome(int(time.time()), not inclusion.succeeded, inclusion.gas_cost_wei)
            )
            if tripped is not None:
                self._metrics.breakers.labels(tripped).inc()
                log.error("breaker.opened", breaker=tripped)

    def _book(self, gross_wei: int, gas_cost_wei: int) -> None:
        self.books.book(gross_wei, gas_cost_wei)
        self._metrics.profit_wei.set(self.books.profit_wei)
        self._metrics.gas_cost_wei.set(self.books.gas_cost_wei)

    async def _tend(self, slot: Slot, decision: Plan | Refusal, fees: Fees, head: Header) -> None:
        """Keep, replace or cancel what waits under a nonce."""
        if not self._stopping and isinstance(decision, Plan):
            decision = self._risk.judge(decision, self._situation(head)) or decision
        move, why = next_move(
            slot, decision, head.number, attempts_max=self._rules.attempts_max, stopping=self._stopping
        )
        refusal: Refusal | None = None
        if move is Move.REPLACE and isinstance(decision, Plan):
            refusal = await self._submitter.replace(slot, decision, fees, head.number)
            if refusal is not None and refusal.reason != "nonce_used":
                move, why = Move.CANCEL, refusal.reason
        if move is Move.CANCEL:
            refusal = await self._submitter.cancel(slot, fees, head.number)
        say = log.debug if move is Move.KEEP else log.info
        say("tx.tended", nonce=slot.nonce, move=move.value, why=why, refused=refusal.reason if refusal else None)

    async def _open(self, plan: Plan, head: Header) -> None:
        """Send a plan that passes the limits and its own simulation."""
        refusal = self._risk.judge(plan, self._situation(head))
        if refusal is None:
            simulated = await self._submitter.simulate(plan)
            if simulated != plan.cycle.gross_wei and self._reader.may_await_more():
                # The chain has other reserves than the view: a log was late or lost, so all of the block's are read.
                await self._reader.read_logs(head)
                if self._decided != self._state():
                    return
            refusal = simulated if isinstance(simulated, Refusal) else None
        if refusal is None and self._rules.dry_run:
            refusal = Refusal("dry_run")
        if refusal is None:
            refusal = await self._submitter.open(plan, head.number)
        log.info(
            "plan",
            buy=plan.buy.name,
            sell=plan.sell.name,
            repay_wei=plan.cycle.repay_wei,
            gross_wei=plan.cycle.gross_wei,
            edge_wei=plan.edge_wei,
            refused=refusal.reason if refusal else None,
            detail=refusal.detail if refusal else None,
        )
        if refusal is not None:
            self._metrics.decisions.labels(refusal.reason).inc()
            return
        self._risk.record_sent(int(time.time()))
        self._metrics.send_s.observe(max(asyncio.get_running_loop().time() - self._head_at_s, 0.0))

    def _situation(self, head: Header) -> Situation:
        now_s = int(time.time())
        return Situation(
            now_s=now_s,
            head_age_s=now_s - head.timestamp_s,
            feed_live=self._feed.live,
            killed=self._killed(),
        )

    async def _reconcile(self, head: Header) -> None:
        if head.number < self._reconciled_at + self._rules.reconcile_every_blocks:
            if self._reconciled_at == 0:
                self._reconciled_at = head.number
            return
        self._reconciled_at = head.number
        await self._reader.reconcile()
