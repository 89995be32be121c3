"""A TCP connection: two ends, and two directions that each keep their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.host.link import BURST_BYTES, RETRIES_MAX, Line
from sim.host.transport import SimTransport

if TYPE_CHECKING:  # the network builds on this module
    from sim.host.net import Network, Site


ACK = 1
"""Ends the key of an acknowledgement's draw."""


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

    __slots__ = ("_flows", "ends", "far", "lines", "network", "number", "open_sides", "ordinal", "reset_sent")

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

    # Sending ----------------------------------------------------------------------------------------------------

    def send(self, side: int, data: bytes, checksum: int) -> None:
        """Put *data* on the wire."""
        if self.lines[side].plain and not self._flows[side].backlog:
            t_ns = self._arrival(side)
            network = self.network
            network.trace = hash((network.trace, t_ns, self.number, side, len(data), checksum))
            network.env.at(t_ns, self.ends[1 - side]._arrive, data)
        else:
            for start in range(0, len(data), BURST_BYTES):
                self._enqueue(side, data[start : start + BURST_BYTES])

    def send_eof(self, side: int) -> None:
        """Tell the other end that no more comes."""
        if self.reset_sent:
            return
        if self.lines[side].plain and not self._flows[side].backlog:
            self.network.env.at(self._arrival(side), self.ends[1 - side]._arrive_eof)
        else:
            self._enqueue(side, None)

    def send_reset(self, side: int) -> None:
        """Tell the other end that the connection is gone; if that is lost, it hears it when it sends."""
        self._flows[side].backlog.clear()
        if not self.reset_sent and not self.lines[side].down:
            self.reset_sent = True
            self.network.env.at(self._arrival(side), self.ends[1 - side]._reset, was_reset())

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
        delay_ns = self.network.delay_ns(line, self.far, self.ordinal, side, flow.count)
        if line.link.jitter_ns:
            flow.jitter = line.jitter(flow.jitter, *key)
            delay_ns = max(0, delay_ns + int(flow.jitter * line.link.jitter_ns))
        return line.departs_ns(now_ns, size) + delay_ns + line.recovery_ns(size, delay_ns, *key)

    # A line that is down ----------------------------------------------------------------------------------------

    def _enqueue(self, side: int, data: bytes | None) -> None:
        """Send a segment, or keep it while the line is down and those before it wait."""
        flow = self._flows[side]
        if flow.backlog or self.lines[side].down:
            flow.backlog.append(data)
            self._retry_later(side)
        else:
            self._launch(side, data)

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
        if self.lines[side].down or (flow.acks_due and self.lines[1 - side].down):
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
        """Return when the last that was dialled out arrives, as far as that is known; it may be past."""
        return self._flows[0].arrival_ns
