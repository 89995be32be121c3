from __future__ import annotations

from pathlib import Path

from sim.metric import Collector, Metrics, parse_selector
from sim.metric.reference import metrics_page
from tests.reports.records import ETHER, MS, SLOT_NS, Tape, finding, flight

ROOT = Path(__file__).resolve().parents[2]


def measured(tape: Tape, folder: Path, *selectors: str) -> Metrics:
    record = tape.save(folder)
    collector = Collector(record.header, [parse_selector(text) for text in selectors])
    for event in record.events():
        collector.take(event)
    return collector.finish()


def test_a_flight_is_measured(tmp_path: Path) -> None:
    """Counts, profit and latencies are those of the events in the record."""
    metrics = measured(flight(slots=5).end(), tmp_path)

    assert [metrics.value(f"bot.{name}", "count") for name in ("sent", "included", "trades", "reverted")] == [
        5,
        4,
        4,
        0,
    ]
    assert metrics.value("chain.blocks", "count") == 5
    assert metrics.value("bot.profit_wei") == 4 * 2 * 10**16
    assert metrics.value("bot.gas_cost_wei") == 4 * 180_000 * 12 * 10**9
    assert metrics.value("latency.head_to_send", "min") == 41 * MS
    assert metrics.value("latency.send_to_inclusion", "max") == SLOT_NS - 61 * MS
    assert metrics.value("flight.time") == 5 * SLOT_NS + 65 * MS


def test_a_reorg_takes_inclusions_back(tmp_path: Path) -> None:
    """An orphaned transaction is not included, costs nothing, and counts once when it comes back."""
    tape = Tape()
    place = {"block": 1, "gas_used": 100, "gas_price_wei": 7, "status": 0}
    tape.at(1).event("tx.sent", "bot", "node-a", hash="0x1")
    tape.at(2).event("tx.included", "bot", "", hash="0x1", **place)
    tape.at(3).event("tx.included", "trader", "", hash="0x2", **place)
    tape.at(4).event("reorg", "chain", "", depth=2)
    tape.recorder.event("tx.orphaned", "bot", "", hash="0x1", block=1)
    tape.recorder.event("tx.orphaned", "trader", "", hash="0x2", block=1)

    tape.at(5).event("tx.included", "bot", "", hash="0x1", **(place | {"status": 1, "block": 2}))
    metrics = measured(tape, tmp_path)

    assert metrics.value("bot.included") == 1
    assert metrics.value("bot.reverted") == 0
    assert metrics.value("bot.orphaned") == 1
    assert metrics.value("bot.gas_cost_wei") == 700
    assert metrics.value("market.trades") == 0
    assert metrics.value("chain.orphaned_blocks") == 2
    assert metrics.value("latency.send_to_inclusion", "max") == 1


def test_a_resend_is_one_transaction(tmp_path: Path) -> None:
    """The same hash sent through two nodes counts once, and its latency from the first send."""
    tape = Tape()
    tape.at(0).event("block", "builder", "", number=1, gas_used=1, gas_limit=2, txs=0)
    tape.at(10).event("tx.sent", "bot", "node-a", hash="0x1")
    tape.at(20).event("tx.sent", "bot", "node-b", hash="0x1")

    metrics = measured(tape, tmp_path)

    assert metrics.value("bot.sent") == 1
    assert metrics.value("latency.head_to_send", "max") == 10


def test_profit_is_last_less_first(tmp_path: Path) -> None:
    """Wei beyond 64 bits are exact, the value is the last, the low is kept."""
    tape = Tape()
    for at, total_wei in enumerate((10**6 * ETHER, 10**6 * ETHER - 5, 10**6 * ETHER + 3)):
        tape.at(at).event("balance", "bot", "", block=at, total_wei=total_wei)
    tape.recorder.event("balance", "rival", "", block=9, total_wei=0)

    metrics = measured(tape, tmp_path)

    assert (metrics.value("bot.profit_wei"), metrics.value("bot.profit_wei", "min")) == (3, -5)


def test_tags_select_samples(tmp_path: Path) -> None:
    """A selector sees the samples with all of its tags, the metric itself sees all."""
    tape = Tape()
    for lock, wait_ns in (("nonce", 5), ("nonce", 0), ("book", 40)):
        tape.recorder.sample("lock.wait", wait_ns, lock=lock)
    for method, ok in (("eth_call", True), ("eth_call", False), ("eth_chainId", True)):
        tape.recorder.event("rpc", "node-a", method, ok=ok, code=None if ok else -32000, transport="ws")

    nonce, calls, code = "lock.wait{lock:nonce}", "rpc.calls{method:eth_call}", "rpc.errors{code:-32000,node:node-a}"
    metrics = measured(tape, tmp_path, nonce, calls, code)

    assert metrics[parse_selector(nonce)].aggregate("max") == 5
    assert metrics.value("lock.wait", "max") == 40
    assert metrics.value("lock.contention", "rate") == 2 / 3
    assert metrics[parse_selector(calls)].aggregate("count") == 2
    assert metrics[parse_selector(code)].aggregate("count") == 1


def test_findings_are_counted_by_kind(tmp_path: Path) -> None:
    """A finding adds to its counter, by its own count if it tells one; the final figure of a probe wins."""
    tape = Tape()
    finding(tape, "leaked_task")
    finding(tape, "leaked_socket", count=3, gating=False)
    finding(tape, "deadlock", level="L3")
    tape.recorder.note("metric", "leaked.tasks", "", value=4, type="counter")

    metrics = measured(tape, tmp_path)

    assert metrics.value("leaked.tasks") == 4
    assert metrics.value("leaked.sockets") == 3
    assert metrics.value("lock.deadlocks") == 1
    assert metrics.value("findings.gating") == 1


def test_without_probes_nothing_is_claimed(tmp_path: Path) -> None:
    """With probes off there is no deadlock count, not a count of zero, so a threshold on it cannot pass unseen."""
    metrics = measured(flight(probes=False).end(), tmp_path)

    assert metrics.value("lock.deadlocks", "count") is None
    assert metrics.summaries()["leaked.tasks"] is None
    assert metrics.value("chain.reorgs", "count") == 0


def test_leaks_nobody_looked_for_have_no_count(tmp_path: Path) -> None:
    """A bot that a signal ended leaves leaks unexamined: none found is then no sample, one found still counts."""
    tape = flight()
    tape.recorder.note("examined", "bot", leaks="skipped: SIGTERM ended the process, which has no handler for it")
    finding(tape, "leaked_thread")

    metrics = measured(tape.end("terminated", 143), tmp_path)

    assert metrics.value("leaked.tasks", "count") is None
    assert metrics.value("leaked.threads", "count") == 1
    assert metrics.value("lock.deadlocks", "count") == 0


def test_unknown_kinds_and_names_are_ignored(tmp_path: Path) -> None:
    """Events and samples of a newer writer do not disturb."""
    tape = flight(slots=1)
    tape.recorder.event("blob", "someone", "", size=3)
    tape.recorder.sample("no.such.metric", 3)
    tape.recorder.note("metric", "no.such.metric", "", value=3)

    metrics = measured(tape.end(), tmp_path)

    assert metrics.value("chain.blocks") == 1


def test_connections_are_counted_by_host(tmp_path: Path) -> None:
    """Opened connections come from the wire's events; resets only where the wire says which they were."""
    tape = Tape()
    tape.recorder.event("net.open", "bot", "node-a", connection=1, port=8545)
    tape.recorder.event("net.close", "bot", "node-a", connection=1)

    metrics = measured(tape, tmp_path)

    assert metrics.value("net.connections") == 1
    assert metrics.value("net.disconnects") is None


def test_the_reference_is_up_to_date() -> None:
    """docs/metrics.md is what the registry writes."""
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == metrics_page()
