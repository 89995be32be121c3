"""The metrics there are: name, type, unit, tags and the one sentence that defines each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

MetricType = Literal["counter", "gauge", "rate", "trend"]
Unit = Literal["ns", "wei", "gas", "bytes", "count", "ratio"]
Source = Literal["events", "probe", "findings"]

INTEGER_UNITS = frozenset({"ns", "wei", "gas", "bytes"})


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a record answers.

    Args:
        name: room and quantity, `lock.wait`.
        type: `counter` (a total), `gauge` (the last of its values), `rate` (a share of yes), `trend` (a distribution).
        unit: the base unit of its values.
        definition: one sentence: when a sample is taken, and what it holds.
        tags: what a threshold may select by, `lock.wait{lock:nonce}`.
        source: `events` of the world; `probe`, notes of what watched the bot; `findings`, counted.
    """

    name: str
    type: MetricType
    unit: Unit
    definition: str
    tags: tuple[str, ...] = ()
    source: Source = "events"

    @property
    def room(self) -> str:
        """The first word of the name, by which the reference groups."""
        return self.name.partition(".")[0]


def _chain() -> tuple[Metric, ...]:
    return (
        Metric("chain.blocks", "counter", "count", "Blocks that became the head; one replaced later still counts."),
        Metric("chain.reorgs", "counter", "count", "Times the head moved to another branch."),
        Metric("chain.reorg_depth", "trend", "count", "Blocks replaced, at each reorg."),
        Metric("chain.orphaned_blocks", "counter", "count", "Blocks replaced, over all reorgs."),
        Metric("chain.transactions", "counter", "count", "Transactions in blocks, those of replaced blocks included."),
        Metric("chain.base_fee_wei", "trend", "wei", "Base fee per gas, at each block."),
        Metric("chain.block_fullness", "trend", "ratio", "Gas used over gas limit, at each block."),
        Metric("gas.used", "counter", "gas", "Gas used by blocks, replaced ones included."),
        Metric(
            "market.trades",
            "counter",
            "count",
            "Transactions of actors other than the bot that are in the chain at the end.",
        ),
        Metric("faults.count", "counter", "count", "Faults that began.", ("id", "kind")),
    )


def _bot() -> tuple[Metric, ...]:
    return (
        Metric(
            "bot.sent", "counter", "count", "Different transactions the bot handed to a node; a resend counts once."
        ),
        Metric("bot.restarts", "counter", "count", "Starts of the bot's process after a crash that was a fault."),
        Metric("bot.recovery", "trend", "ns", "From a crash to the first call that a node answers the restarted bot."),
        Metric("bot.rejected", "counter", "count", "Transactions of the bot that a node refused."),
        Metric(
            "bot.included",
            "counter",
            "count",
            "Transactions of the bot that are in the canonical chain at the end, reverted ones too.",
        ),
        Metric("bot.reverted", "counter", "count", "Those of bot.included whose status is 0."),
        Metric("bot.orphaned", "counter", "count", "Times a block with a transaction of the bot was replaced."),
        Metric(
            "bot.inclusion_ratio",
            "rate",
            "ratio",
            "Of the transactions sent, the share that is in the canonical chain at the end.",
        ),
        Metric("bot.revert_ratio", "rate", "ratio", "Of the transactions included, the share that reverted."),
        Metric("bot.trades", "counter", "count", "Included, not reverted transactions of the bot that swapped."),
        Metric("bot.gas_used", "counter", "gas", "Gas used by the transactions in bot.included."),
        Metric("bot.gas_cost_wei", "counter", "wei", "Gas used times price, over the transactions in bot.included."),
        Metric(
            "bot.profit_wei",
            "gauge",
            "wei",
            "What the bot's account and contracts hold at the last block, in ether at the reference price, less what "
            "they held at the first; gas is paid out of it. Comparative, not a forecast.",
        ),
    )


def _wire() -> tuple[Metric, ...]:
    request = ("node", "method", "transport")
    return (
        Metric("rpc.calls", "counter", "count", "Requests a node answered; each member of a batch counts.", request),
        Metric("rpc.errors", "counter", "count", "Requests answered with an error.", (*request, "code")),
        Metric(
            "rpc.error_ratio", "rate", "ratio", "Of the requests answered, the share answered with an error.", request
        ),
        Metric("rpc.bytes_in", "counter", "bytes", "Bytes of requests, without framing.", request),
        Metric("rpc.bytes_out", "counter", "bytes", "Bytes of answers, without framing.", request),
        Metric(
            "node.heads", "counter", "count", "New heads a node sent to subscribers, one per head and node.", ("node",)
        ),
        Metric("net.connections", "counter", "count", "Connections the bot opened.", ("host",)),
        Metric(
            "net.disconnects", "counter", "count", "Connections the other side reset or dropped.", ("host",), "probe"
        ),
        Metric("net.bytes_sent", "counter", "bytes", "Bytes the bot wrote to sockets.", ("host",), "probe"),
        Metric("net.bytes_received", "counter", "bytes", "Bytes the bot read from sockets.", ("host",), "probe"),
        Metric(
            "latency.head_to_send",
            "trend",
            "ns",
            "From the newest head a node sent to a subscriber (the newest block, while there is no subscriber) to each "
            "first send of a transaction of the bot.",
            ("node",),
        ),
        Metric(
            "latency.send_to_inclusion",
            "trend",
            "ns",
            "From the first send of a transaction of the bot to its first inclusion in a block.",
        ),
    )


def _concurrency() -> tuple[Metric, ...]:
    lock = ("lock",)
    return (
        Metric(
            "lock.wait",
            "trend",
            "ns",
            "Virtual time between asking for a lock and having it: asyncio's locks, and threading's but for those that "
            "the standard library makes for its own queues, events and pools.",
            lock,
            "probe",
        ),
        Metric("lock.hold", "trend", "ns", "Virtual time between having a lock and releasing it.", lock, "probe"),
        Metric("lock.contention", "rate", "ratio", "Of the acquisitions, the share that had to wait.", lock, "probe"),
        Metric(
            "lock.deadlocks",
            "counter",
            "count",
            "Cycles of tasks, each waiting for a lock the next one holds.",
            (),
            "findings",
        ),
        Metric("lock.inversions", "counter", "count", "Pairs of locks taken in both orders.", (), "findings"),
        Metric("lock.timeouts", "counter", "count", "Acquisitions given up after a timeout.", (), "findings"),
        Metric("task.created", "counter", "count", "Tasks the bot created.", (), "probe"),
        Metric("task.cancelled", "counter", "count", "Tasks that ended cancelled.", (), "probe"),
        Metric("task.failed", "counter", "count", "Tasks that ended with an exception.", (), "probe"),
        Metric(
            "task.run",
            "trend",
            "ns",
            "Virtual time from a task's creation to its end, for each task that ended.",
            (),
            "probe",
        ),
        Metric(
            "task.await", "trend", "ns", "Virtual time a task spent waiting, for each task that ended.", (), "probe"
        ),
        Metric(
            "task.stalls", "counter", "count", "Callbacks that kept the loop from others for too long.", (), "findings"
        ),
        Metric(
            "loop.iterations", "counter", "count", "Turns of the bot's loop, collapsed ones not counted.", (), "probe"
        ),
        Metric("loop.handles", "counter", "count", "Callbacks the bot's loop ran.", (), "probe"),
        Metric(
            "loop.spin",
            "counter",
            "count",
            "Turns of the bot's loop that did nothing but poll, and were skipped.",
            (),
            "probe",
        ),
    )


def _cleanup() -> tuple[Metric, ...]:
    left = "left behind when the bot had returned."
    leaks = (
        ("tasks", f"Tasks {left}"),
        ("asyncgens", f"Async generators {left}"),
        ("sockets", f"Open sockets {left}"),
        ("sessions", f"Open client sessions {left}"),
        ("subscriptions", f"Subscriptions at a node {left}"),
        ("threads", f"Threads {left}"),
        ("executors", f"Executors not shut down, {left}"),
        ("locks", f"Held locks {left}"),
        ("files", f"Open files {left}"),
    )
    return (
        *(Metric(f"leaked.{name}", "counter", "count", sentence, (), "findings") for name, sentence in leaks),
        Metric(
            "error.unretrieved",
            "counter",
            "count",
            "Exceptions of tasks and futures that nobody retrieved.",
            (),
            "findings",
        ),
        Metric(
            "error.swallowed_cancellations", "counter", "count", "Cancellations a task did not pass on.", (), "findings"
        ),
        Metric(
            "findings.gating", "counter", "count", "Findings that fail the gate, unless they are known.", (), "findings"
        ),
        Metric(
            "cpu.charged",
            "counter",
            "ns",
            "Virtual time charged for calls of the functions that `bot.cpu` lists.",
            ("function",),
            "probe",
        ),
        Metric(
            "work.lines",
            "counter",
            "count",
            "Lines of the bot's own code that were executed, with `--count-work` alone; the tag is the task's name if "
            "the bot gave it one, else its coroutine's.",
            ("task",),
            "probe",
        ),
        Metric("flight.time", "gauge", "ns", "Virtual time from the start of the flight to its end."),
        Metric("flight.shutdown", "gauge", "ns", "Virtual time from the stop signal to the bot's return."),
        Metric(
            "memory.peak",
            "gauge",
            "bytes",
            "Largest resident memory of the flight's process; not part of the digest.",
            (),
            "probe",
        ),
    )


def _registry() -> Mapping[str, Metric]:
    rooms = (_chain(), _bot(), _wire(), _concurrency(), _cleanup())
    metrics = sorted((metric for room in rooms for metric in room), key=lambda metric: metric.name)
    return MappingProxyType({metric.name: metric for metric in metrics})


METRICS: Mapping[str, Metric] = _registry()
"""Every metric, by name, in the order of names."""

COUNTED_FINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "deadlock": "lock.deadlocks",
        "lock_inversion": "lock.inversions",
        "lock_timeout": "lock.timeouts",
        "stall": "task.stalls",
        "leaked_task": "leaked.tasks",
        "leaked_asyncgen": "leaked.asyncgens",
        "leaked_socket": "leaked.sockets",
        "leaked_session": "leaked.sessions",
        "leaked_subscription": "leaked.subscriptions",
        "leaked_thread": "leaked.threads",
        "leaked_executor": "leaked.executors",
        "leaked_lock": "leaked.locks",
        "leaked_file": "leaked.files",
        "unretrieved_exception": "error.unretrieved",
        "swallowed_cancellation": "error.swallowed_cancellations",
    }
)
"""The counter that each kind of finding adds to."""
