"""The live feed: headers and Sync logs over a WebSocket, under a supervisor that never gives up."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from eth_utils.address import to_checksum_address
from web3 import AsyncWeb3, WebSocketProvider
from web3.exceptions import Web3Exception
from web3.utils.subscriptions import LogsSubscription, NewHeadsSubscription
from websockets.exceptions import WebSocketException

from bot import wire
from bot.errors import Disconnected, NodeFailure, WrongChain
from bot.metrics import Metrics
from bot.view import Header, SyncLog

log = structlog.get_logger()

# What may end a connection: ours, web3.py's, the socket's; the last four are web3.py's answer to a frame that is not
# what it should be, which kills its listener and comes up wherever that is awaited.
FAILURES = (
    NodeFailure, Web3Exception, WebSocketException, OSError,
    ValueError, LookupError, TypeError, AttributeError,
)  # fmt: skip
CHANNEL_MAX = 4096
# web3.py's own queue, which stops the listener for good if it fills while a handler makes a request (#3221); ours
# makes none and empties it at once.
QUEUE_MAX = 4096
# Above the default of 1 MiB, which a burst of logs exceeds (close code 1009).
FRAME_MAX_BYTES = 16 * 2**20
GOODBYE_S = 1.0
RECONNECT_FIRST_S = 0.25


@dataclass(frozen=True, slots=True)
class Connected:
    """The subscriptions stand; what happened before must be read from the chain."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone; the view ages until the next `Connected`."""


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """A header arrived."""

    header: Header
    at_s: float


@dataclass(frozen=True, slots=True)
class LogSeen:
    """A Sync log arrived, or was taken back."""

    log: SyncLog


@dataclass(frozen=True, slots=True)
class Dropped:
    """Events were lost because the channel was full; the view must start again."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The bot is to settle and stop."""


Message = Connected | Lost | HeadSeen | LogSeen | Dropped | StopAsked


class Channel:
    """A bounded queue from the feed to the trader that counts what it drops and says so in its stream."""

    def __init__(self, metrics: Metrics, size_max: int = CHANNEL_MAX) -> None:
        self._metrics = metrics
        self._size_max = size_max
        self._messages: deque[Message] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Message) -> None:
        """Add a message; if there is no room, everything waiting becomes one `Dropped`."""
        if len(self._messages) >= self._size_max:
            self._metrics.channel_dropped.inc(len(self._messages))
            kept = [item for item in self._messages if isinstance(item, Connected | StopAsked)]
            self._messages.clear()
            self._messages.extend([*kept, Dropped()])
        self._messages.append(message)
        self._filled.set()

    async def get(self, timeout_s: float | None) -> Message | None:
        """Return the next message, or None if none comes in time."""
        if not self._messages:
            self._filled.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
            except TimeoutError:
                return None
        self._metrics.channel_depth.set(len(self._messages))
        return self._messages.popleft()


class Feed:
    """Connect, subscribe, pass on, and again when the line or the node fails."""

    def __init__(
        self,
        url: str,
        chain_id: int,
        pools: Sequence[bytes],
        channel: Channel,
        metrics: Metrics,
        *,
        request_timeout_s: float,
        silence_max_s: float,
        reconnect_wait_max_s: float,
    ) -> None:
        self.live = False
        self._url = url
        self._host = urlsplit(url).netloc.rpartition("@")[2]
        self._chain_id = chain_id
        self._pools = [to_checksum_address(pool) for pool in pools]
        self._channel = channel
        self._metrics = metrics
        self._request_timeout_s = request_timeout_s
        self._silence_max_s = silence_max_s
        self._reconnect_wait_max_s = reconnect_wait_max_s
        self._stopping = False
        self._silence: asyncio.Timeout | None = None
        self._lost_at_s: float | None = None
        self._failures = 0

    def stop(self) -> None:
        """Reconnect no more; the caller then cancels the task that runs the feed."""
        self._stopping = True

    async def run(self) -> None:
        """Feed the channel until cancelled."""
        while not self._stopping:
            try:
                await self._connection()
            except FAILURES as error:
                self._note_loss(error)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # web3.py's `disconnect` swallows a cancellation that arrives while it waits for its listener.
                raise asyncio.CancelledError
            if not self._stopping:
                await asyncio.sleep(self._wait_s())

    async def _connection(self) -> None:
        """Run one connection to its end, and leave nothing of it behind."""
        # A new provider each time: connecting one twice leaks its first listener, and old subscriptions pile up.
        provider = WebSocketProvider(
            self._url,
            request_timeout=self._request_timeout_s,
            max_connection_retries=1,
            subscription_response_queue_size=QUEUE_MAX,
            websocket_kwargs={
                "max_size": FRAME_MAX_BYTES,
                "compression": None,
                "open_timeout": self._request_timeout_s,
                "close_timeout": GOODBYE_S,
                "ping_interval": 20,
                "ping_timeout": 20,
            },
        )
        w3: AsyncWeb3[WebSocketProvider] = AsyncWeb3(provider)
        asked_to_go = False
        try:
            await self._listen(w3)
        except asyncio.CancelledError:
            asked_to_go = True
            raise
        finally:
            was_live, self.live = self.live, False
            if was_live:
                self._lost_at_s = asyncio.get_running_loop().time()
                self._channel.put(Lost())
            await self._leave(w3, say_goodbye=asked_to_go and was_live)

    async def _listen(self, w3: AsyncWeb3[WebSocketProvider]) -> None:
        await w3.provider.connect()
        served = await w3.eth.chain_id
        if served != self._chain_id:
            raise WrongChain(f"{self._host} serves chain {served}, CHAIN_ID is {self._chain_id}")
        await w3.subscription_manager.subscribe(
            [
                NewHeadsSubscription(label="heads", handler=self._on_head),
                LogsSubscription(
                    label="syncs", address=self._pools, topics=[wire.hexed(wire.SYNC_TOPIC)], handler=self._on_log
                ),
            ]
        )
        self._note_live()
        try:
            async with asyncio.timeout(self._silence_max_s) as self._silence:
                await w3.subscription_manager.handle_subscriptions()
        except TimeoutError as error:
            raise Disconnected(f"no header for {self._silence_max_s} s") from error
        raise Disconnected("closed by the node")

    async def _leave(self, w3: AsyncWeb3[WebSocketProvider], *, say_goodbye: bool) -> None:
        """Unsubscribe if the line still stands, then close it whatever state it is in."""
        try:
            if say_goodbye:
                async with asyncio.timeout(GOODBYE_S):
                    await w3.subscription_manager.unsubscribe_all()
        except FAILURES as error:
            log.info("feed.goodbye_failed", error=f"{type(error).__name__}: {error}")
        try:
            await w3.provider.disconnect()
        except FAILURES:
            # A listener that died raises its error here and leaves the socket open; the second call closes it.
            await w3.provider.disconnect()

    async def _on_head(self, context: Any) -> None:
        loop = asyncio.get_running_loop()
        if self._silence is not None:
            self._silence.reschedule(loop.time() + self._silence_max_s)
        self._channel.put(HeadSeen(wire.header(context.result), loop.time()))

    async def _on_log(self, context: Any) -> None:
        self._channel.put(LogSeen(wire.sync_log(context.result)))

    def _note_live(self) -> None:
        self.live = True
        self._failures = 0
        self._channel.put(Connected())
        if self._lost_at_s is not None:
            self._metrics.recovery_s.observe(asyncio.get_running_loop().time() - self._lost_at_s)
            self._lost_at_s = None
        log.info("feed.live", host=self._host)

    def _note_loss(self, error: BaseException) -> None:
        self._failures += 1
        self._metrics.reconnects.labels(type(error).__name__).inc()
        log.warning("feed.lost", host=self._host, error=f"{type(error).__name__}: {error}", failures=self._failures)

    def _wait_s(self) -> float:
        """Return the wait before the next connection: doubling, bounded, with jitter."""
        longest_s = min(RECONNECT_FIRST_S * 2 ** min(self._failures, 16), self._reconnect_wait_max_s)
        return float(longest_s * random.uniform(0.5, 1.0))
