"""A TCP connection: two ends, and two directions that each keep their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.host import trace
from sim.host.link import BURST_BYTES, RETRANSMIT_NS, RETRANSMIT_NS_MAX, RETRIES_MAX, Line
from sim.host.transport import SimTransport

if TYPE_CHECKING:  # the network builds on this module
    from sim.host.net import Network, Site


ACK, RESET = 1, 2
"""End the keys of the draws of an acknowledgement and of a reset that answers."""

RESETS, SILENT = "resets", "silent"
"""What answers on a connection that one end, or somebody on the way, has forgotten: a reset, or nobody."""


GIVE_UP_NS = sum(min(RETRANSMIT_NS << tries, RETRANSMIT_NS_MAX) for tries in range(RETRIES_MAX + 1))
"""What is unacknowledged for so long is given up."""


def timed_out() -> TimeoutError:
    """Return what a connection ends with that was given up."""
    return TimeoutError(110, "Connection timed out")


def was_reset() -> ConnectionResetError:
    """Return what a connection ends with that the other end, or somebody on the way, dropped."""
    return ConnectionResetError(104, "Connection reset by peer")


class Flow:
    """What one direction of a connection remembers.

    `backlog` holds what waits for a line that is down: segments, and None for the end of the stream.
    """

    __slots__ = ("acks_due", "arrival_ns", "backlog", "count", "jitter", "quiet_since_ns", "tries", "waiting")

    def __init__(self) -> None:
        self.arrival_ns = 0
        self.count = 0
        self.jitter: float | None = None
        self.quiet_since_ns = 0
        self.backlog: list[bytes | None] = []
        self.acks_due = 0
        self.waiting = False
        self.tries = 0


class Connection:
    """Two ends and the two lines between them.

    Side 0 dialled, side 1 listened. `far` was dialled and counts its connections; `ordinal` keys this one's chance.
    """

    __slots__ = (
        "_flows",
        "ends",
        "far",
        "heard_ns",
        "lines",
        "network",
        "number",
        "open_sides",
        "ordinal",
        "reset_sent",
        "row",
        "stale",
        "swallows",
    )

    def __init__(self, network: Network, number: int, far: Site, lines: tuple[Line, Line]) -> None:
        self.network = network
        self.number = number
        self.far = far
        self.lines = lines
        far.opened += 1
        self.ordinal = far.opened
        self.ends: list[SimTransport] = []
        self._flows = (Flow(), Flow())
        self.open_sides = {0, 1}
        self.reset_sent = False
        self.stale: str | None = None
        self.row: trace.Row | None = None
        self.swallows = 0
        self.heard_ns = network.env.now

    # Sending ----------------------------------------------------------------------------------------------------

    def send(self, side: int, data: bytes, checksum: int) -> None:
        """Put *data* on the wire."""
        if self._is_plain(side):
            t_ns = self._arrival(side)
            network = self.network
            network.trace = hash((network.trace, t_ns, self.number, side, len(data), checksum))
            network.env.at(t_ns, self.ends[1 - side]._arrive, data)
        elif side == 1 or self._follows_record(data):
            for start in range(0, len(data), BURST_BYTES):
                self._enqueue(side, data[start : start + BURST_BYTES])

    def send_eof(self, side: int) -> None:
        """Tell the other end that no more comes."""
        if self.reset_sent:
            return
        late_ns = self.network.late_close_ns(self.far) if side == 1 else 0
        if late_ns:
            self.network.env.after(late_ns, self._enqueue, side, None)
        elif self._is_plain(side):
            self.network.env.at(self._arrival(side), self.ends[1 - side]._arrive_eof)
        else:
            self._enqueue(side, None)

    def send_reset(self, side: int) -> None:
        """Tell the other end that the connection is gone; if that is lost, it hears it when it sends."""
        self._flows[side].backlog.clear()
        if not self.reset_sent and not self.lines[side].down and self.stale is None:
            self.reset_sent = True
            self.network.env.at(self._arrival(side), self.ends[1 - side]._reset, was_reset())

    def _is_plain(self, side: int) -> bool:
        """Say whether a segment takes the drawn latency and nothing else."""
        return self.lines[side].plain and not self._flows[side].backlog and self.stale is None

    def _arrival(self, side: int, size: int = 0) -> int:
        """Return when a segment sent now by *side* arrives; never before an earlier one of that side."""
        flow, line = self._flows[side], self.lines[side]
        flow.count += 1
        now_ns = self.ends[side]._loop.machine.now_ns()
        if line.plain:
            t_ns = now_ns + self.network.one_way_ns(self.far, self.ordinal, side, flow.count)
        else:
            t_ns = self._crossing(line, flow, side, now_ns, size)
        t_ns = max(t_ns, flow.arrival_ns)
        flow.arrival_ns = t_ns
        return t_ns

    def _crossing(self, line: Line, flow: Flow, side: int, now_ns: int, size: int) -> int:
        """Return when *size* bytes that leave now are across a link that says something."""
        key = (self.far.name, self.ordinal, side, flow.count)
        if self.row is not None:
            delay_ns = self.network.slowed_ns(self.far, self.row.latency_ns // 2)
        else:
            delay_ns = self.network.delay_ns(line, self.far, self.ordinal, side, flow.count)
        if line.link.jitter_ns:
            flow.jitter = line.jitter(flow.jitter, *key)
            delay_ns = max(0, delay_ns + int(flow.jitter * line.link.jitter_ns))
        return line.departs_ns(now_ns, size) + delay_ns + line.recovery_ns(size, delay_ns, *key)

    # A line with a trace ----------------------------------------------------------------------------------------

    def _follows_record(self, data: bytes) -> bool:
        """Do with a part of a request what the line's trace recorded; return True if it goes its way."""
        line, env, near = self.lines[0], self.network.env, self.ends[0]
        if line.link.trace is None:
            return True
        if self.swallows > 0:
            self.swallows -= len(data)
        else:
            self.row = row = self.network.recorded(line, self.far, trace.methods_of(data))
            if row is None or row.status == trace.OK:
                return True
            rest = trace.rest_of(data)
            if row.status == trace.TIMEOUT:
                self.stale = SILENT
            elif row.status in (trace.RESET, trace.REFUSED):
                env.after(row.latency_ns, self.cut)
            elif rest is None:
                return True  # a status of HTTP answers requests of HTTP alone
            else:
                self.swallows = rest
                self._answer(row)
        env.after(0, near._acked, len(data))
        return False

    def _answer(self, row: trace.Row) -> None:
        """Let somebody on the way answer for the far end, as a gateway does."""
        answer, flow, network = trace.answer(row.status), self._flows[1], self.network
        t_ns = flow.arrival_ns = max(network.env.now + row.latency_ns, flow.arrival_ns)
        self.ends[1]._outstanding_bytes += len(answer)
        network.trace = hash((network.trace, t_ns, self.number, row.status))
        network.env.at(t_ns, self.ends[0]._arrive, answer)

    # A line that is down ----------------------------------------------------------------------------------------

    def _enqueue(self, side: int, data: bytes | None) -> None:
        """Send a segment, or keep it while the line is down and those before it wait."""
        flow = self._flows[side]
        if self._is_forgotten(side):
            delay_ns = self.network.delay_ns(self.lines[side], self.far, self.ordinal, side, flow.count, RESET)
            self.network.env.after(2 * delay_ns, self.ends[side]._reset, was_reset())
        elif flow.backlog or self._is_down(side):
            flow.backlog.append(data)
            self._retry_later(side)
        else:
            self._launch(side, data)

    def _is_down(self, side: int) -> bool:
        return self.lines[side].down or self.stale == SILENT

    def _is_forgotten(self, side: int) -> bool:
        """Say whether what *side* sends now is answered by a reset, because nobody knows the connection any more."""
        idle_ns, now_ns = self.lines[side].link.idle_ns, self.network.env.now
        if idle_ns is not None and self.stale is None and now_ns - self.heard_ns > idle_ns:
            self.stale = RESETS
        self.heard_ns = now_ns
        return self.stale == RESETS

    def _launch(self, side: int, data: bytes | None) -> None:
        network, end = self.network, self.ends[1 - side]
        t_ns = self._arrival(side, len(data or b""))
        if data is None:
            network.env.at(t_ns, end._arrive_eof)
        else:
            network.trace = hash((network.trace, t_ns, self.number, side, data))
            network.env.at(t_ns, end._arrive, data)

    def _retry_later(self, side: int) -> None:
        flow = self._flows[side]
        if not flow.waiting:
            flow.waiting = True
            self.network.env.after(self.lines[side].timeout_ns(flow.tries), self._retry, side)

    def _retry(self, side: int) -> None:
        """Do what TCP does at a time-out: send what is unacknowledged again, or give up after too many of them."""
        flow = self._flows[side]
        flow.waiting = False
        if self.reset_sent or not (flow.backlog or flow.acks_due):
            return
        if self._is_down(side) or (flow.acks_due and self.lines[1 - side].down):
            flow.tries += 1
            if flow.tries > RETRIES_MAX:
                flow.backlog.clear()
                self.ends[side]._reset(timed_out())
            else:
                self._retry_later(side)
            return
        flow.tries = 0
        backlog, flow.backlog = flow.backlog, []
        for data in backlog:
            self._launch(side, data)
        acks, flow.acks_due = flow.acks_due, 0
        if acks:
            self.consumed(side, acks)

    def consumed(self, side: int, size: int) -> None:
        """The other end has read *size* bytes that *side* sent; on a link the acknowledgement takes its time."""
        back = self.lines[1 - side]
        if back.plain:
            self.ends[side]._acked(size)
        elif back.down:
            self._flows[side].acks_due += size
            self._retry_later(side)
        else:
            flow = self._flows[side]
            delay_ns = self.network.delay_ns(back, self.far, self.ordinal, 1 - side, flow.count, ACK)
            self.network.env.after(delay_ns, self.ends[side]._acked, size)

    # Ending -----------------------------------------------------------------------------------------------------

    def forget_far(self, silent: bool) -> None:
        """Let the far end lose the connection without a word; the near one learns it by what it sends, or never."""
        if not self.reset_sent:
            self.stale = SILENT if silent else RESETS
            self.ends[1]._reset(was_reset())

    def cut(self) -> None:
        """Drop both ends now: a fault's doing."""
        self.reset_sent = True
        for end in self.ends:
            end._reset(was_reset())

    def closed(self, side: int) -> None:
        """One end is done with it."""
        self.open_sides.discard(side)
        self.network.forget(self, side)

    def on_the_wire_until_ns(self) -> int:
        """Return when the last that the near end has sent arrives, at the latest; it may be past."""
        flow = self._flows[0]
        return self.network.env.now + GIVE_UP_NS if flow.backlog else flow.arrival_ns
