"""Makes this process the bot's machine: everything that is taken over once its libraries are loaded, in one place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, NoReturn

from sim.host import boundary, identity, mailbox, polling, processor, signals, sockets, tls, wallclock
from sim.host.loop import SimLoop
from sim.host.net import Network
from sim.host.signals import SignalDesk
from sim.host.sockets import SocketDesk
from sim.host.takeover import replace_all_aliases, take_over
from sim.host.threads import Baton


def own(baton: Baton, network: Network, desk: SignalDesk) -> SocketDesk:
    """Take over signals, clocks, sockets and order of this process, and fence what is left, for good.

    Chance and threads were taken over before: `entropy.install` and `threads.install` come before any library.
    """
    signals.install(desk)
    wallclock.install(baton)
    processor.install()
    kernel = SocketDesk(baton, network)
    sockets.install(kernel)
    mailbox.install()
    polling.install(kernel)
    tls.install()
    boundary.install()
    identity.install(baton.machine.set_order)
    return kernel


def own_loops(loop_class: type[SimLoop]) -> None:
    """Make every way to an event loop of asyncio's lead to *loop_class*, for good."""
    now = "is Windtunnel's loop: asyncio's own turns on virtual time"
    take_over(
        (
            (asyncio.DefaultEventLoopPolicy, "_loop_factory", loop_class, now),
            (asyncio, "SelectorEventLoop", loop_class, now),
            (asyncio.unix_events, "SelectorEventLoop", loop_class, now),
            (asyncio.unix_events, "_UnixSelectorEventLoop", loop_class, now),
            (asyncio, "EventLoop", loop_class, now),
        )
    )
    asyncio.set_event_loop_policy(None)


def loop_class(
    kind: type[SimLoop], baton: Baton, network: Network, desk: SignalDesk, made: Callable[[Any], None]
) -> type[SimLoop]:
    """Return a class to stand for `asyncio.SelectorEventLoop`: its loops are of *kind*, and each is shown to *made*."""

    def init(self: SimLoop, selector: object = None) -> None:
        kind.__init__(self, baton.machine, network, desk)
        made(self)

    return type(kind.__name__, (kind,), {"__slots__": (), "__init__": init, "__doc__": kind.__doc__})


def own_exit(leave: Callable[[int], NoReturn]) -> None:
    """Let *leave* end the process where the bot calls `os._exit`, for good."""
    replace_all_aliases(take_over([(os, "_exit", leave, "ends the flight at once: no `finally` runs")]))
