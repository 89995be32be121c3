"""Waiting for several sockets: `select` and `selectors` over simulated descriptors, in virtual time."""

from __future__ import annotations

import select
import selectors
from collections.abc import Iterable
from typing import Any, NoReturn

from sim.host.boundary import fence, refuse
from sim.host.sockets import Endpoint, SocketDesk
from sim.host.takeover import REFUSED, replace_all_aliases, take_over

_RealPoll = select.poll
_EPOLL = fence("select.epoll", "use selectors, select.poll or asyncio")


def _descriptor(what: Any) -> int:
    return what if isinstance(what, int) else int(what.fileno())


class SimPoll:
    """`select.poll`: simulated sockets in virtual time; other descriptors are asked without waiting."""

    desk: SocketDesk

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._real = _RealPoll()

    def register(self, fd: Any, eventmask: int = select.POLLIN | select.POLLPRI | select.POLLOUT, /) -> None:
        """Watch *fd*."""
        self._masks[_descriptor(fd)] = eventmask
        if _descriptor(fd) not in self.desk.by_descriptor:
            self._real.register(fd, eventmask)

    def modify(self, fd: Any, eventmask: int, /) -> None:
        """Watch *fd* for something else."""
        if _descriptor(fd) not in self._masks:
            raise FileNotFoundError(2, "No such file or directory")
        self.register(fd, eventmask)

    def unregister(self, fd: Any, /) -> None:
        """Watch *fd* no more."""
        del self._masks[_descriptor(fd)]
        if _descriptor(fd) not in self.desk.by_descriptor:
            self._real.unregister(fd)

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """Wait at most *timeout* milliseconds, and return who is ready."""
        desk = self.desk
        desk.machine.debt_ns += 1000
        ends = [desk.by_descriptor[fd] for fd in self._masks if fd in desk.by_descriptor]
        found: list[tuple[int, int]] = []

        def ready() -> bool:
            found[:] = [*self._look(), *self._real.poll(0)]
            return bool(found)

        desk.wait(ends, ready, None if timeout is None or timeout < 0 else timeout / 1000)
        return found

    def _look(self) -> Iterable[tuple[int, int]]:
        for fd, mask in self._masks.items():
            end = self.desk.by_descriptor.get(fd)
            if end is not None:
                state = _state(end) & (mask | select.POLLHUP | select.POLLERR)
                if state:
                    yield fd, state


def _state(end: Endpoint) -> int:
    state = 0
    if end.readable:
        state |= select.POLLIN
    if end.transport is not None and end.writable:
        state |= select.POLLOUT
    if end.error is not None:
        state |= select.POLLERR | select.POLLHUP
    return state


def _select(
    rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /
) -> tuple[list[Any], list[Any], list[Any]]:
    poll = SimPoll()
    masks: dict[int, int] = {}
    for asked, bit in ((rlist, select.POLLIN), (wlist, select.POLLOUT)):
        for each in asked:
            masks[_descriptor(each)] = masks.get(_descriptor(each), 0) | bit
    for fd, mask in masks.items():
        poll.register(fd, mask)
    states = dict(poll.poll(None if timeout is None else timeout * 1000))
    broken = select.POLLHUP | select.POLLERR

    def those(asked: Any, bits: int) -> list[Any]:
        return [each for each in asked if states.get(_descriptor(each), 0) & bits]

    return those(rlist, select.POLLIN | broken), those(wlist, select.POLLOUT | broken), []


def _no_epoll(*_: Any, **__: Any) -> NoReturn:
    refuse(_EPOLL)


def install(desk: SocketDesk) -> None:
    """Take over `select` and `selectors` of this process, for good."""
    SimPoll.desk = desk
    waits = "waits for simulated sockets in virtual time; asks other descriptors without waiting"
    polls = "is `selectors.PollSelector`, over simulated sockets"
    replace_all_aliases(
        take_over(
            (
                (select, "poll", SimPoll, waits),
                (select, "select", _select, waits),
                (select, "epoll", _no_epoll, REFUSED),
                (selectors, "EpollSelector", selectors.PollSelector, polls),
                (selectors, "DefaultSelector", selectors.PollSelector, polls),
            )
        )
    )
    take_over(
        (
            (selectors.PollSelector, "_selector_cls", SimPoll, waits),
            (selectors.SelectSelector, "_select", staticmethod(_select), waits),
        )
    )
