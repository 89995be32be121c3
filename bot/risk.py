"""Limits and breakers between a plan and its sending."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bot.pricing import BPS
from bot.strategy import Plan, Refusal

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """What the bot may risk."""

    input_max_wei: int
    trades_per_hour_max: int
    # Gas paid for reverted transactions within an hour.
    gas_burn_per_hour_max_wei: int
    # Reverts among the last `outcomes_window` outcomes, judged once half as many are known.
    revert_ratio_max_bps: int
    outcomes_window: int
    head_age_max_s: int
    breaker_cooldown_s: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What the shell observed at the moment of judging."""

    now_s: int
    head_age_s: int
    feed_live: bool
    killed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """One included transaction: when, whether it reverted, and the gas it paid."""

    at_s: int
    reverted: bool
    gas_cost_wei: int


@dataclass(slots=True)
class Risk:
    """The recent past that limits the next trade."""

    limits: Limits
    outcomes: deque[Outcome] = field(default_factory=deque)
    sent_at_s: deque[int] = field(default_factory=deque)
    open_until_s: int = 0

    def record_sent(self, now_s: int) -> None:
        """Count a new trade (replacements are the same trade)."""
        self.sent_at_s.append(now_s)
        _drop_before(self.sent_at_s, now_s - HOUR_S)

    def record_outcome(self, outcome: Outcome) -> str | None:
        """Remember an inclusion; returns the breaker it opened, if any."""
        self.outcomes.append(outcome)
        while len(self.outcomes) > max(self.limits.outcomes_window, 1):
            self.outcomes.popleft()
        tripped = self._tripped(outcome.at_s)
        if tripped is not None:
            self.open_until_s = outcome.at_s + self.limits.breaker_cooldown_s
            # A breaker judges anew after its pause, or the same old outcomes would open it for ever.
            self.outcomes.clear()
        return tripped

    def judge(self, plan: Plan, situation: Situation) -> Refusal | None:
        """Return why *plan* must not be sent now, or None."""
        limits = self.limits
        _drop_before(self.sent_at_s, situation.now_s - HOUR_S)
        if situation.killed:
            return Refusal("killed", "the kill switch is on")
        if not situation.feed_live:
            return Refusal("feed_down", "no live subscription")
        if situation.head_age_s > limits.head_age_max_s:
            return Refusal("stale_head", f"head is {situation.head_age_s} s old, limit {limits.head_age_max_s} s")
        if situation.now_s < self.open_until_s:
            return Refusal("breaker_open", f"for {self.open_until_s - situation.now_s} s more")
        if plan.cycle.repay_wei > limits.input_max_wei:
            return Refusal("size", f"input {plan.cycle.repay_wei} wei, limit {limits.input_max_wei} wei")
        if len(self.sent_at_s) >= limits.trades_per_hour_max:
            return Refusal("rate", f"{len(self.sent_at_s)} trades in an hour, limit {limits.trades_per_hour_max}")
        return None

    def _tripped(self, now_s: int) -> str | None:
        limits = self.limits
        burned_wei = sum(
            outcome.gas_cost_wei for outcome in self.outcomes if outcome.reverted and outcome.at_s > now_s - HOUR_S
        )
        if burned_wei > limits.gas_burn_per_hour_max_wei:
            return "gas_burn"
        reverted = sum(outcome.reverted for outcome in self.outcomes)
        enough = 2 * len(self.outcomes) >= limits.outcomes_window
        if enough and reverted * BPS > limits.revert_ratio_max_bps * len(self.outcomes):
            return "revert_ratio"
        return None


def _drop_before(times_s: deque[int], limit_s: int) -> None:
    while times_s and times_s[0] <= limit_s:
        times_s.popleft()
