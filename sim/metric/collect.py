"""Metrics from a record alone, in one pass over its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.metric.registry import COUNTED_FINDINGS, METRICS, Metric
from sim.metric.series import Counter, Gauge, Number, Rate, Series, Summary, Trend, new_series
from sim.metric.threshold import Selector
from sim.record import Event

SUBJECT = "bot"
"""The label of the account that `bot.*` is about."""

_AnySeries = Counter | Gauge | Rate | Trend


@dataclass(slots=True)
class _Sent:
    t_ns: int
    included: bool = False


@dataclass(frozen=True, slots=True)
class _Included:
    status: int
    gas_used: int
    cost_wei: int


class Collector:
    """Takes the events of a record in order and answers with its metrics.

    Args:
        header: the record's header; `probes: false` there says that nothing watched the bot.
        selectors: the metrics with tags that will be asked for.
    """

    def __init__(self, header: Mapping[str, Any], selectors: Iterable[Selector] = ()) -> None:
        self._probed = header.get("probes", True) is not False
        self._all = {name: new_series(metric, self._watched(metric)) for name, metric in METRICS.items()}
        self._selected: dict[str, list[tuple[Selector, _AnySeries]]] = {}
        for selector in dict.fromkeys(selectors):
            if selector.tags:
                metric = METRICS[selector.name]
                series = new_series(metric, self._watched(metric))
                self._selected.setdefault(selector.name, []).append((selector, series))
        self._final: dict[str, Number] = {}
        self._sent: dict[str, _Sent] = {}
        self._included: dict[str, _Included] = {}
        self._market_included: set[str] = set()
        self._swapped: set[str] = set()
        self._first_balance_wei: int | None = None
        self._head_ns: int | None = None
        self._block_ns: int | None = None
        self._stop_ns: int | None = None
        self._down_ns: int | None = None
        self._is_up = True
        self._unexamined = False
        self._takers: dict[str, Callable[[Event], None]] = {
            "block": self._take_block,
            "reorg": self._take_reorg,
            "tx.sent": self._take_sent,
            "tx.rejected": self._take_rejected,
            "tx.included": self._take_included,
            "tx.orphaned": self._take_orphaned,
            "trade": self._take_trade,
            "balance": self._take_balance,
            "rpc": self._take_rpc,
            "bot.down": self._take_down,
            "bot.up": self._take_up,
            "head": self._take_head,
            "fault": self._take_fault,
            "net.open": self._take_open,
            "net.close": self._take_close,
            "sample": self._take_sample,
            "metric": self._take_metric,
            "finding": self._take_finding,
            "examined": self._take_examined,
            "flight.stop": self._take_stop,
            "flight.returned": self._take_returned,
            "flight.end": self._take_end,
        }

    def take(self, event: Event) -> None:
        """Take the next event; kinds that no metric reads are ignored."""
        taker = self._takers.get(event.kind)
        if taker is not None:
            taker(event)

    def finish(self) -> Metrics:
        """Return the metrics, once the last event was taken."""
        self._settle_transactions()
        if self._unexamined:
            self._forget_leaks()
        for name, value in self._final.items():
            series = new_series(METRICS[name], watched=False)
            series.add(value)
            self._all[name] = series
        flight = self._all["flight.time"].aggregate("value")
        chosen = {selector: series for pairs in self._selected.values() for selector, series in pairs}
        for series in (*self._all.values(), *chosen.values()):
            if isinstance(series, Counter):
                series.flight_ns = int(flight or 0)
        return Metrics({Selector(name): series for name, series in self._all.items()} | chosen)

    def _watched(self, metric: Metric) -> bool:
        return metric.source == "events" or (metric.source == "findings" and self._probed)

    def _add(self, name: str, value: Number, tags: Mapping[str, str] | None = None) -> None:
        self._all[name].add(value)
        for selector, series in self._selected.get(name, ()):
            if selector.matches(tags or {}):
                series.add(value)

    def _take_block(self, event: Event) -> None:
        data = event.data
        self._block_ns = event.t_ns
        self._add("chain.blocks", 1)
        self._add("chain.transactions", _count(data.get("txs", 0)))
        self._add("gas.used", data.get("gas_used", 0))
        if "base_fee_wei" in data:
            self._add("chain.base_fee_wei", data["base_fee_wei"])
        if data.get("gas_limit"):
            self._add("chain.block_fullness", data.get("gas_used", 0) / data["gas_limit"])

    def _take_reorg(self, event: Event) -> None:
        depth = event.data.get("depth", 0)
        self._add("chain.reorgs", 1)
        self._add("chain.reorg_depth", depth)
        self._add("chain.orphaned_blocks", depth)

    def _take_sent(self, event: Event) -> None:
        key = event.data.get("hash", "")
        if event.actor != SUBJECT or key in self._sent:
            return
        self._sent[key] = _Sent(event.t_ns)
        self._add("bot.sent", 1)
        seen_ns = self._head_ns if self._head_ns is not None else self._block_ns
        if seen_ns is not None:
            self._add("latency.head_to_send", event.t_ns - seen_ns, {"node": event.site})

    def _take_rejected(self, event: Event) -> None:
        if event.actor == SUBJECT:
            self._add("bot.rejected", 1)

    def _take_included(self, event: Event) -> None:
        data, key = event.data, event.data.get("hash", "")
        if event.actor != SUBJECT:
            self._market_included.add(key)
            return
        gas_used = data.get("gas_used", 0)
        cost_wei = gas_used * data.get("gas_price_wei", 0)
        self._included[key] = _Included(data.get("status", 1), gas_used, cost_wei)
        sent = self._sent.get(key)
        if sent is not None and not sent.included:
            sent.included = True
            self._add("latency.send_to_inclusion", event.t_ns - sent.t_ns)

    def _take_orphaned(self, event: Event) -> None:
        key = event.data.get("hash", "")
        self._market_included.discard(key)
        if event.actor == SUBJECT:
            self._included.pop(key, None)
            self._add("bot.orphaned", 1)

    def _take_trade(self, event: Event) -> None:
        if event.actor == SUBJECT:
            self._swapped.add(event.data.get("hash", ""))

    def _take_balance(self, event: Event) -> None:
        if event.actor != SUBJECT:
            return
        total_wei = event.data["total_wei"]
        if self._first_balance_wei is None:
            self._first_balance_wei = total_wei
        self._add("bot.profit_wei", total_wei - self._first_balance_wei)

    def _take_rpc(self, event: Event) -> None:
        data, ok = event.data, bool(event.data.get("ok", True))
        tags = {"node": event.actor, "method": event.site, "transport": str(data.get("transport", ""))}
        if self._down_ns is not None and self._is_up and ok:
            self._add("bot.recovery", event.t_ns - self._down_ns)
            self._down_ns = None
        self._add("rpc.calls", 1, tags)
        self._add("rpc.error_ratio", not ok, tags)
        self._add("rpc.bytes_in", data.get("bytes_in") or 0, tags)
        self._add("rpc.bytes_out", data.get("bytes_out") or 0, tags)
        if not ok:
            self._add("rpc.errors", 1, {**tags, "code": str(data.get("code"))})

    def _take_down(self, event: Event) -> None:
        self._down_ns, self._is_up = event.t_ns, False

    def _take_up(self, event: Event) -> None:
        self._is_up = True
        self._add("bot.restarts", 1)

    def _take_head(self, event: Event) -> None:
        self._head_ns = event.t_ns
        self._add("node.heads", 1, {"node": event.actor})

    def _take_fault(self, event: Event) -> None:
        if event.data.get("phase", "begin") == "begin":
            self._add("faults.count", 1, {"id": event.actor, "kind": str(event.data.get("kind", ""))})

    def _take_open(self, event: Event) -> None:
        self._add("net.connections", 1, {"host": event.site})

    def _take_close(self, event: Event) -> None:
        if "reset" in event.data:
            self._add("net.disconnects", int(event.data["reset"]), {"host": event.site})

    def _take_sample(self, event: Event) -> None:
        if event.actor in METRICS:
            value, tags = event.data["v"], event.data.get("tags")
            self._add(event.actor, value, tags)
            if event.actor == "lock.wait":
                self._add("lock.contention", value, tags)

    def _take_metric(self, event: Event) -> None:
        if event.actor not in METRICS:
            return
        value, tags = event.data["value"], event.data.get("tags")
        if tags or METRICS[event.actor].type in ("rate", "trend"):
            self._add(event.actor, value, tags)
        else:
            self._final[event.actor] = value

    def _take_finding(self, event: Event) -> None:
        data = event.data
        counter = COUNTED_FINDINGS.get(data.get("kind", event.actor))
        if counter is not None:
            self._add(counter, data.get("count", 1))
        if data.get("gating", True) and data.get("level") != "L3":
            self._add("findings.gating", 1)

    def _take_examined(self, event: Event) -> None:
        self._unexamined = str(event.data.get("leaks", "")).startswith("skipped")

    def _take_stop(self, event: Event) -> None:
        self._stop_ns = event.t_ns

    def _take_returned(self, event: Event) -> None:
        if self._stop_ns is not None:
            self._add("flight.shutdown", event.t_ns - self._stop_ns)

    def _take_end(self, event: Event) -> None:
        self._add("flight.time", event.t_ns)

    def _forget_leaks(self) -> None:
        """Where nobody looked for leaks, none found is not zero."""
        for name, series in self._all.items():
            if name.startswith("leaked.") and isinstance(series, Counter) and not series.total:
                series.watched = False

    def _settle_transactions(self) -> None:
        for key in self._sent:
            self._add("bot.inclusion_ratio", key in self._included)
        for key, transaction in self._included.items():
            reverted = transaction.status == 0
            self._add("bot.included", 1)
            self._add("bot.reverted", int(reverted))
            self._add("bot.revert_ratio", reverted)
            self._add("bot.trades", int(not reverted and key in self._swapped))
            self._add("bot.gas_used", transaction.gas_used)
            self._add("bot.gas_cost_wei", transaction.cost_wei)
        self._add("market.trades", len(self._market_included))


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one record."""

    series: Mapping[Selector, Series]

    def __getitem__(self, selector: Selector) -> Series:
        return self.series[selector]

    def value(self, name: str, aggregate: str = "value") -> Number | None:
        """Return one aggregate of the metric *name*, or None without samples."""
        return self.series[Selector(name)].aggregate(aggregate)

    def summaries(self) -> dict[str, Summary | None]:
        """Return what result.json shows: every metric by name, None where it has no sample."""
        shown: dict[str, Summary | None] = {}
        for name, metric in METRICS.items():
            summary = self.series[Selector(name)].summary()
            shown[name] = None if summary is None else {"type": metric.type, "unit": metric.unit, **summary}
        return shown


def _count(transactions: Any) -> int:
    return transactions if isinstance(transactions, int) else len(transactions)
