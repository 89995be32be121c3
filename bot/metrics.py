"""What the bot counts, and the page that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

FAST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The bot's metrics in a registry of its own, so that two bots in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"bot_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"bot_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"bot_{name}", text, labels, registry=self.registry, buckets=FAST_BUCKETS_S)

        self.heads = counter("heads", "Headers received", "step")
        self.logs = counter("sync_logs", "Sync logs received", "kind")
        self.orphaned = counter("orphaned_blocks", "Blocks of the view that were orphaned")
        self.head_number = gauge("head_number", "Newest block of the view")
        self.head_age_s = gauge("head_age_seconds", "Wall clock less the head's timestamp, when it arrived")
        self.backfilled = counter("backfilled_blocks", "Blocks read after a gap")
        self.reanchored = counter("reanchored", "Times the view was started again from the chain", "reason")
        self.reconnects = counter("feed_reconnects", "Feed connections lost, by error", "error")
        self.recovery_s = histogram("feed_recovery_seconds", "From losing the feed to being live again")
        self.channel_depth = gauge("channel_depth", "Feed events waiting")
        self.channel_dropped = counter("channel_dropped", "Feed events dropped because the channel was full")
        self.rpc = counter("rpc", "Requests by endpoint, method and outcome", "endpoint", "method", "outcome")
        self.rpc_s = histogram("rpc_seconds", "Time of a request", "endpoint")
        self.failovers = counter("rpc_failovers", "Times requests moved to another endpoint", "to")
        self.decisions = counter("decisions", "Decisions by answer", "answer")
        self.decide_s = histogram("decide_seconds", "From a head's arrival to the decision about it")
        self.send_s = histogram("send_seconds", "From a head's arrival to the node's answer to a transaction")
        self.sent = counter("sent", "Transactions sent", "kind")
        self.settled = counter("settled", "Transactions included", "outcome")
        self.transitions = counter("transitions", "Lifecycle events", "event")
        self.in_flight = gauge("in_flight", "Nonces in flight")
        self.profit_wei = gauge("profit_wei", "Realised profit after gas, reorged trades taken back")
        self.gas_cost_wei = gauge("gas_cost_wei", "Gas paid, reorged transactions taken back")
        self.breakers = counter("breakers_opened", "Circuit breakers opened", "breaker")
        self.lock_wait_s = histogram("lock_wait_seconds", "Wait for a lock", "lock")
        self.lock_hold_s = histogram("lock_hold_seconds", "Time a lock was held", "lock")
        self.lock_timeouts = counter("lock_timeouts", "Locks not free in time", "lock")
        self.tasks = counter("tasks", "Tasks by name and how they ended", "task", "end")
        self.start_s = gauge("start_seconds", "Time the start took")
        self.stop_s = gauge("stop_seconds", "Time the stop took")

    def page(self) -> bytes:
        """Return the exposition page."""
        return generate_latest(self.registry)


@asynccontextmanager
async def serve(metrics: Metrics, host: str, port: int, health: Callable[[], tuple[bool, str]]) -> AsyncIterator[int]:
    """Serve `/metrics` and `/healthz` while the body runs; gives the port, which is a free one for 0.

    Args:
        health: Whether the bot is well, and a sentence about it.
    """

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), content_type="text/plain", charset="utf-8")

    async def show_health(_: web.Request) -> web.Response:
        well, sentence = health()
        return web.Response(text=sentence + "\n", status=200 if well else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", show_metrics), web.get("/healthz", show_health)])
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
