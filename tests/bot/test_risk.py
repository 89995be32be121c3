from __future__ import annotations

from dataclasses import replace

import pytest

from bot.pricing import Cycle
from bot.risk import Limits, Outcome, Risk, Situation
from bot.strategy import Plan, Refusal, Venue

VENUE = Venue("a", b"\xaa" * 20, weth_is_0=True)
PLAN = Plan(VENUE, VENUE, Cycle(10, 100, 120), 1, 2, 3, 3, 100, b"")
LIMITS = Limits(
    input_max_wei=1000,
    trades_per_hour_max=3,
    gas_burn_per_hour_max_wei=50,
    revert_ratio_max_bps=5000,
    outcomes_window=4,
    head_age_max_s=30,
    breaker_cooldown_s=60,
)
CALM = Situation(now_s=10_000, head_age_s=1, feed_live=True, killed=False)


def test_a_calm_moment_passes() -> None:
    """With nothing wrong a plan is let through."""
    assert Risk(LIMITS).judge(PLAN, CALM) is None


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (replace(CALM, killed=True), "killed"),
        (replace(CALM, feed_live=False), "feed_down"),
        (replace(CALM, head_age_s=31), "stale_head"),
    ],
)
def test_a_bad_moment_is_refused(situation: Situation, reason: str) -> None:
    """The kill switch, a dead feed and a stale head each stop trading, by name."""
    refusal = Risk(LIMITS).judge(PLAN, situation)

    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def test_too_large_a_trade_is_refused() -> None:
    """The limit on one trade holds whatever the strategy says."""
    refusal = Risk(replace(LIMITS, input_max_wei=99)).judge(PLAN, CALM)

    assert refusal is not None
    assert refusal.reason == "size"


def test_the_hour_rolls() -> None:
    """Trades count against the limit for an hour and no longer."""
    risk = Risk(LIMITS)
    for _ in range(3):
        risk.record_sent(CALM.now_s)

    now = risk.judge(PLAN, CALM)
    later = risk.judge(PLAN, replace(CALM, now_s=CALM.now_s + 3600))

    assert now is not None
    assert now.reason == "rate"
    assert later is None


def test_burned_gas_opens_the_breaker_for_a_while() -> None:
    """Reverts that cost too much gas stop trading until the pause is over."""
    risk = Risk(replace(LIMITS, outcomes_window=100))

    tripped = risk.record_outcome(Outcome(CALM.now_s, reverted=True, gas_cost_wei=51))

    assert tripped == "gas_burn"
    assert risk.judge(PLAN, replace(CALM, now_s=CALM.now_s + 59)) is not None
    assert risk.judge(PLAN, replace(CALM, now_s=CALM.now_s + 60)) is None


def test_too_many_reverts_open_the_breaker() -> None:
    """More reverts than the ratio among enough outcomes stop trading; a single one does not."""
    risk = Risk(LIMITS)

    first = risk.record_outcome(Outcome(CALM.now_s, reverted=True, gas_cost_wei=1))
    second = risk.record_outcome(Outcome(CALM.now_s, reverted=True, gas_cost_wei=1))

    assert first is None
    assert second == "revert_ratio"


def test_successes_keep_the_breaker_closed() -> None:
    """Gas of successful trades is no loss, however much it is."""
    risk = Risk(LIMITS)

    tripped = [risk.record_outcome(Outcome(CALM.now_s, reverted=False, gas_cost_wei=10**6)) for _ in range(10)]

    assert tripped == [None] * 10
