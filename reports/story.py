"""A record told once through: the series, tables and timelines that a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.metric import SUBJECT, Trend
from sim.record import Event, Record

Points = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it became the head."""

    t_ns: int
    number: int
    gas_used: int
    gas_limit: int
    base_fee_wei: int


@dataclass(slots=True)
class FaultSpan:
    """A fault's time; *end_ns* is None while it lasts."""

    id: str
    kind: str
    begin_ns: int
    end_ns: int | None = None


@dataclass(slots=True)
class Trade:
    """A transaction of the bot that traded, or tried to."""

    t_ns: int
    block: int | None
    transaction: str
    path: str
    quoted_wei: int | None
    realised_wei: int | None
    gas: int | None
    gas_cost_wei: int | None
    tip_wei: int | None
    status: str
    reason: str


@dataclass(slots=True)
class Lock:
    """What tasks had to do with one lock."""

    wait: Trend = field(default_factory=lambda: Trend(integer=True))
    hold: Trend = field(default_factory=lambda: Trend(integer=True))


@dataclass(slots=True)
class Story:
    """What happened, in the order of a report."""

    end_ns: int = 0
    blocks: list[Block] = field(default_factory=list)
    reorgs: Points = field(default_factory=list)
    profit: Points = field(default_factory=list)
    gas_cost: Points = field(default_factory=list)
    prices: dict[tuple[str, str], Points] = field(default_factory=dict)
    faults: list[FaultSpan] = field(default_factory=list)
    sends_ns: list[int] = field(default_factory=list)
    inclusions_ns: list[int] = field(default_factory=list)
    stop_ns: int | None = None
    head_to_send: Trend = field(default_factory=lambda: Trend(integer=True))
    send_to_inclusion: Trend = field(default_factory=lambda: Trend(integer=True))
    trades: dict[tuple[str, Any, int], Trade] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)


def tell(record: Record) -> Story:
    """Return the story of *record*; a torn record's story ends where the record does."""
    teller = _Teller()
    for event in record.events():
        teller.take(event)
    return teller.story


class _Teller:
    def __init__(self) -> None:
        self.story = Story()
        self._first_wei: int | None = None
        self._seen_ns: int | None = None
        self._headed = False
        self._sent_ns: dict[str, int] = {}
        self._costs: dict[str, int] = {}
        self._paid_wei = 0
        self._landed: dict[tuple[str, Any], int] = {}
        self._takers: Mapping[str, Callable[[Event], None]] = {
            "block": self._take_block,
            "reorg": self._take_reorg,
            "balance": self._take_balance,
            "price": self._take_price,
            "fault": self._take_fault,
            "head": self._take_head,
            "tx.sent": self._take_sent,
            "tx.included": self._take_included,
            "tx.orphaned": self._take_orphaned,
            "tx.rejected": self._take_rejected,
            "trade": self._take_trade,
            "rpc": self._take_rpc,
            "sample": self._take_sample,
            "flight.stop": self._take_stop,
        }

    def take(self, event: Event) -> None:
        self.story.end_ns = max(self.story.end_ns, event.t_ns)
        taker = self._takers.get(event.kind)
        if taker is not None:
            taker(event)

    def _take_block(self, event: Event) -> None:
        data = event.data
        if not self._headed:
            self._seen_ns = event.t_ns
        numbers = (data.get(name, 0) for name in ("number", "gas_used", "gas_limit", "base_fee_wei"))
        self.story.blocks.append(Block(event.t_ns, *numbers))

    def _take_reorg(self, event: Event) -> None:
        self.story.reorgs.append((event.t_ns, event.data.get("depth", 0)))

    def _take_balance(self, event: Event) -> None:
        if event.actor != SUBJECT:
            return
        total_wei = event.data["total_wei"]
        if self._first_wei is None:
            self._first_wei = total_wei
        self.story.profit.append((event.t_ns, total_wei - self._first_wei))

    def _take_price(self, event: Event) -> None:
        points = self.story.prices.setdefault((event.actor, event.site), [])
        points.append((event.t_ns, event.data["wei_per_token"]))

    def _take_fault(self, event: Event) -> None:
        data = event.data
        if data.get("phase", "begin") == "begin":
            self.story.faults.append(FaultSpan(event.actor, str(data.get("kind", "")), event.t_ns))
            return
        for span in reversed(self.story.faults):
            if span.id == event.actor and span.end_ns is None:
                span.end_ns = event.t_ns
                return

    def _take_head(self, event: Event) -> None:
        self._headed, self._seen_ns = True, event.t_ns

    def _take_sent(self, event: Event) -> None:
        key = event.data.get("hash", "")
        if event.actor != SUBJECT or key in self._sent_ns:
            return
        self._sent_ns[key] = event.t_ns
        self.story.sends_ns.append(event.t_ns)
        if self._seen_ns is not None:
            self.story.head_to_send.add(event.t_ns - self._seen_ns)

    def _take_included(self, event: Event) -> None:
        if event.actor != SUBJECT:
            return
        data, key = event.data, event.data.get("hash", "")
        self.story.inclusions_ns.append(event.t_ns)
        if key in self._sent_ns and key not in self._costs:
            self.story.send_to_inclusion.add(event.t_ns - self._sent_ns[key])
        cost_wei = data.get("gas_used", 0) * data.get("gas_price_wei", 0)
        self._pay(event.t_ns, cost_wei - self._costs.get(key, 0))
        self._costs[key] = cost_wei
        if data.get("status", 1) == 0:
            self._revert(event, cost_wei)

    def _take_orphaned(self, event: Event) -> None:
        key = event.data.get("hash", "")
        if event.actor == SUBJECT and self._costs.get(key):
            self._pay(event.t_ns, -self._costs[key])
            self._costs[key] = 0

    def _pay(self, t_ns: int, wei: int) -> None:
        self._paid_wei += wei
        self.story.gas_cost.append((t_ns, self._paid_wei))

    def _take_rejected(self, event: Event) -> None:
        if event.actor == SUBJECT:
            self.story.rejections[str(event.data.get("message", ""))] += 1

    def _take_trade(self, event: Event) -> None:
        if event.actor != SUBJECT:
            return
        data = event.data
        key = self._trade_key(data)
        before = self.story.trades.get(key)
        self.story.trades[key] = Trade(
            t_ns=before.t_ns if before else event.t_ns,
            block=data.get("block"),
            transaction=str(data.get("hash", "")),
            path=_path(data.get("path", "")),
            quoted_wei=data.get("quoted_wei"),
            realised_wei=data.get("realised_wei"),
            gas=data.get("gas_used"),
            gas_cost_wei=data.get("gas_cost_wei"),
            tip_wei=data.get("tip_wei"),
            status=str(data.get("status", "")),
            reason=str(data.get("reason") or ""),
        )

    def _revert(self, event: Event, cost_wei: int) -> None:
        data = event.data
        name, gas_used, tip_wei = str(data.get("hash", "")), data.get("gas_used", 0), data.get("tip_wei")
        failed = Trade(event.t_ns, data.get("block"), name, "", None, 0, gas_used, cost_wei, tip_wei, "reverted", "")
        self.story.trades.setdefault(self._trade_key(data), failed)

    def _trade_key(self, data: Mapping[str, Any]) -> tuple[str, Any, int]:
        """Return the row of a trade: a block that was replaced and its successor have the same number."""
        name, block = str(data.get("hash", "")), data.get("block")
        times = self._landed.get((name, block), 0)
        before = self.story.trades.get((name, block, times))
        if before is not None and before.status == "orphaned" and data.get("status") != "orphaned":
            times += 1
            self._landed[name, block] = times
        return name, block, times

    def _take_rpc(self, event: Event) -> None:
        self.story.calls[event.actor, event.site] += 1
        if not event.data.get("ok", True):
            self.story.errors[event.actor, event.site, str(event.data.get("code"))] += 1

    def _take_sample(self, event: Event) -> None:
        if event.actor in ("lock.wait", "lock.hold"):
            name = str(event.data.get("tags", {}).get("lock", ""))
            lock = self.story.locks.setdefault(name, Lock())
            (lock.wait if event.actor == "lock.wait" else lock.hold).add(event.data["v"])

    def _take_stop(self, event: Event) -> None:
        self.story.stop_ns = event.t_ns


def _path(path: Any) -> str:
    return path if isinstance(path, str) else " > ".join(str(step) for step in path)
