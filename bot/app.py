"""The bot put together: start, fly, stop in phases."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from eth_account import Account as Accounts
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address

from bot import config, metrics, wire
from bot import log as logs
from bot.config import Settings
from bot.errors import ConfigError, NodeError, NodeFailure
from bot.feed import Channel, Feed
from bot.lifecycle import Ledger
from bot.locks import LockOrder, NamedLock
from bot.metrics import Metrics
from bot.provider import Endpoint, Endpoints
from bot.risk import Limits, Risk
from bot.strategy import Policy, Venue
from bot.submit import Account, Submitter
from bot.sync import ChainReader
from bot.trader import Rules, Trader
from bot.view import View

log = structlog.get_logger()

EXIT_OK, EXIT_CONFIG, EXIT_NODES = 0, 2, 3
START_WAIT_MAX_S = 8.0

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Equipment:
    """What every phase of a flight uses."""

    settings: Settings
    signer: LocalAccount
    executor: bytes
    endpoints: Endpoints
    order: LockOrder
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Ground:
    """What the start learns from the chain."""

    venues: tuple[Venue, Venue]
    next_nonce: int


def main() -> int:
    """Fly with the configuration of the environment; returns the process's exit code."""
    try:
        settings = config.load()
    except ConfigError as error:
        sys.stderr.write(f"bot: {error}\n")
        return EXIT_CONFIG
    return run(settings)


def run(settings: Settings) -> int:
    """Fly until a signal says stop; returns the process's exit code."""
    logs.set_up(settings.log_level, settings.secrets)
    try:
        asyncio.run(fly(settings))
    except ConfigError as error:
        log.critical("bot.misconfigured", error=str(error))
        return EXIT_CONFIG
    except NodeFailure as error:
        log.critical("bot.no_node", error=f"{type(error).__name__}: {error}")
        return EXIT_NODES
    return EXIT_OK


async def fly(settings: Settings) -> None:
    """Start, trade, and stop in phases when SIGTERM or SIGINT asks for it.

    Raises:
        ConfigError: The chain is not what the configuration says.
        NodeFailure: No node answered at the start.
    """
    executor = settings.executor_address()
    numbers = Metrics()
    order = LockOrder()
    equipment = Equipment(
        settings=settings,
        signer=Accounts.from_key(settings.bot_key.get_secret_value()),
        executor=executor,
        endpoints=_endpoints(settings, order, numbers),
        order=order,
        metrics=numbers,
    )
    async with _stop_signals() as stop, AsyncExitStack() as cleanup:
        cleanup.push_async_callback(equipment.endpoints.close)
        started_s = time.monotonic()
        ground = await _unless(stop, _prepare(equipment), "start")
        numbers.start_s.set(time.monotonic() - started_s)
        if ground is not None:
            await _trade(equipment, ground, stop)
    log.info("bot.stopped")


@asynccontextmanager
async def _stop_signals() -> AsyncIterator[asyncio.Event]:
    """Turn SIGTERM and SIGINT into an event while the body runs."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Answer], name: str) -> Answer | None:
    """Return what *work* returns, or None if the stop comes first."""
    task = asyncio.create_task(work, name=name)
    waiter = asyncio.create_task(stop.wait(), name=f"{name}.stop")
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, waiter):
            each.cancel()
        await asyncio.gather(task, waiter, return_exceptions=True)


def _endpoints(settings: Settings, order: LockOrder, numbers: Metrics) -> Endpoints:
    named = [("a", settings.node_http), ("b", settings.node_b_http)]
    nodes = [Endpoint(name, url, numbers, settings.rpc_timeout_s) for name, url in named if url]
    lock = NamedLock("endpoint", order, numbers, settings.lock_timeout_s)
    return Endpoints(nodes, settings.chain_id, lock, numbers)


async def _prepare(equipment: Equipment) -> Ground:
    """Check the chain against the configuration, with patience while nodes start."""
    attempts_max = equipment.settings.start_attempts_max
    for attempt in range(1, attempts_max):
        try:
            return await _ground(equipment)
        except NodeFailure as error:
            log.warning("start.waiting", error=f"{type(error).__name__}: {error}", attempt=attempt, of=attempts_max)
            await asyncio.sleep(min(0.25 * 2**attempt, START_WAIT_MAX_S))
    return await _ground(equipment)


async def _ground(equipment: Equipment) -> Ground:
    settings, endpoints, executor = equipment.settings, equipment.endpoints, equipment.executor
    weth, token = to_canonical_address(settings.weth), to_canonical_address(settings.token)
    account = to_canonical_address(equipment.signer.address)
    await endpoints.verify_all()
    try:
        owner = wire.address_of(await endpoints.request("eth_call", [wire.owner_call(executor), "latest"]))
    except NodeError as error:
        raise ConfigError(f"EXECUTOR {wire.hexed(executor)} does not answer OWNER(): {error}") from error
    if owner != account:
        raise ConfigError(
            f"EXECUTOR {wire.hexed(executor)} obeys {wire.hexed(owner)}, BOT_KEY is of {wire.hexed(account)}"
        )
    venues = []
    for name, factory, fee_bps in (
        ("a", settings.factory_a, settings.fee_a_bps),
        ("b", settings.factory_b, settings.fee_b_bps),
    ):
        call = wire.get_pair_call(to_canonical_address(factory), weth, token)
        try:
            pool = wire.address_of(await endpoints.request("eth_call", [call, "latest"]))
        except NodeError as error:
            raise ConfigError(f"FACTORY_{name.upper()} {factory} does not answer getPair(): {error}") from error
        if not any(pool):
            raise ConfigError(f"FACTORY_{name.upper()} {factory} has no pair of WETH and TOKEN")
        venues.append(Venue(name, pool, weth_is_0=weth < token, fee_bps=fee_bps))
    nonce = wire.quantity(await endpoints.request("eth_getTransactionCount", [wire.hexed(account), "pending"]))
    log.info(
        "bot.started", account=wire.hexed(account), nonce=nonce, pools=[wire.hexed(venue.pool) for venue in venues]
    )
    return Ground((venues[0], venues[1]), nonce)


async def _trade(equipment: Equipment, ground: Ground, stop: asyncio.Event) -> None:
    """Run feed and trader until the stop, then settle, unsubscribe and end both."""
    settings, numbers = equipment.settings, equipment.metrics
    channel = Channel(numbers)
    feed = Feed(
        settings.node_ws,
        settings.chain_id,
        [venue.pool for venue in ground.venues],
        channel,
        numbers,
        request_timeout_s=settings.rpc_timeout_s,
        silence_max_s=settings.feed_silence_max_s,
        reconnect_wait_max_s=settings.reconnect_wait_max_s,
    )
    trader = _trader(equipment, ground, channel, feed)
    async with AsyncExitStack() as cleanup:
        if settings.metrics_port is not None:
            page = metrics.serve(numbers, settings.metrics_host, settings.metrics_port, lambda: _health(feed))
            await cleanup.enter_async_context(page)
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(feed.run(), name="feed")
            trading = tasks.create_task(trader.run(), name="trader")
            conducting = tasks.create_task(_conduct(stop, trader, feed, feeding, trading, equipment), name="conductor")
            for task in (feeding, trading, conducting):
                task.add_done_callback(lambda done: numbers.tasks.labels(done.get_name(), _end(done)).inc())


def _trader(equipment: Equipment, ground: Ground, channel: Channel, feed: Feed) -> Trader:
    settings, numbers = equipment.settings, equipment.metrics
    view = View(venue.pool for venue in ground.venues)
    account = Account(
        signer=equipment.signer,
        address=to_canonical_address(equipment.signer.address),
        chain_id=settings.chain_id,
        executor=equipment.executor,
        token=to_canonical_address(settings.token),
        gas_limit_gas=settings.gas_limit_gas,
    )
    policy = Policy(settings.gas_used_gas, settings.input_max_wei, settings.edge_min_wei)
    lock = NamedLock("nonce", equipment.order, numbers, settings.lock_timeout_s)
    return Trader(
        rules=Rules(
            venues=ground.venues,
            policy=policy,
            tip_share_bps=settings.tip_share_bps,
            tip_min_wei=settings.tip_min_wei,
            tip_max_wei=settings.tip_max_wei,
            attempts_max=settings.attempts_max,
            confirmations=settings.confirmations,
            log_wait_s=settings.log_wait_s,
            log_quiet_s=settings.log_quiet_s,
            reconcile_every_blocks=settings.reconcile_every_blocks,
            dry_run=settings.dry_run,
        ),
        view=view,
        reader=ChainReader(equipment.endpoints, view, numbers),
        risk=Risk(_limits(settings)),
        submitter=Submitter(account, Ledger(ground.next_nonce), lock, equipment.endpoints, policy, numbers),
        channel=channel,
        feed=feed,
        metrics=numbers,
        killed=lambda: bool(settings.kill_file) and Path(settings.kill_file).exists(),
        prefer_first=equipment.endpoints.prefer_first,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        input_max_wei=settings.input_max_wei,
        trades_per_hour_max=settings.trades_per_hour_max,
        gas_burn_per_hour_max_wei=settings.gas_burn_per_hour_max_wei,
        revert_ratio_max_bps=settings.revert_ratio_max_bps,
        outcomes_window=settings.outcomes_window,
        head_age_max_s=settings.head_age_max_s,
        breaker_cooldown_s=settings.breaker_cooldown_s,
    )


async def _conduct(
    stop: asyncio.Event,
    trader: Trader,
    feed: Feed,
    feeding: asyncio.Task[None],
    trading: asyncio.Task[None],
    equipment: Equipment,
) -> None:
    """Stop in phases: no new trades, settle what is in flight, unsubscribe and disconnect, end the trader."""
    await stop.wait()
    asked_s = time.monotonic()
    deadline_s = equipment.settings.stop_deadline_s
    log.info("bot.stopping", deadline_s=deadline_s)
    trader.begin_stop()
    try:
        async with asyncio.timeout(deadline_s):
            await trader.idle.wait()
    except TimeoutError:
        log.warning("stop.unsettled", text="transactions are still in flight; their minimum profit holds on chain")
    feed.stop()
    feeding.cancel()
    await asyncio.wait({feeding})
    trading.cancel()
    equipment.metrics.stop_s.set(time.monotonic() - asked_s)


def _health(feed: Feed) -> tuple[bool, str]:
    return (True, "live") if feed.live else (False, "the feed is down")


def _end(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "cancelled"
    return "returned" if task.exception() is None else "failed"
