"""What reaches past asyncio, taken over when it is imported: aiodns (resolver), uvloop (loop), pools of processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from sim.host.processes import refuse_processes, take_over_process_pool, take_over_thread_pool

ARES_NOT_FOUND, ARES_TIMEOUT = 4, 12
"""c-ares's numbers for a name that does not exist and a resolver that does not answer."""

Hook = Callable[[ModuleType], None]
LoopClass = type[asyncio.AbstractEventLoop]
Say = Callable[[str], None]
TakeOver = Callable[[ModuleType, LoopClass, Say], None]


def take_over_aiodns(module: ModuleType, loop_class: LoopClass, say: Say) -> None:
    """Let `aiodns.DNSResolver`, which aiohttp prefers where it is installed, ask the scenario's names.

    Its C library opens sockets and starts a thread of its own, which no loop sees.
    """

    def init(self: Any, nameservers: Any = None, loop: Any = None, **kwargs: Any) -> None:
        self.loop = loop or asyncio.get_event_loop()
        self._closed = False

    async def getaddrinfo(
        self: Any,
        host: str,
        family: int = socket.AF_UNSPEC,
        port: int | None = None,
        proto: int = 0,
        type: int = 0,
        flags: int = 0,
    ) -> Any:
        family = socket.AF_INET if family == socket.AF_UNSPEC else family
        try:
            found = await self.loop.getaddrinfo(host, port, family=family, type=type, proto=proto)
        except socket.gaierror as error:
            number = ARES_TIMEOUT if error.errno == socket.EAI_AGAIN else ARES_NOT_FOUND
            raise module.error.DNSError(number, str(error.args[1])) from error
        nodes = [
            SimpleNamespace(
                family=each[0], socktype=each[1], protocol=each[2], addr=(each[4][0].encode(), each[4][1]), ttl=60
            )
            for each in found
        ]
        return SimpleNamespace(nodes=nodes, cnames=[])

    async def gethostbyname(self: Any, host: str, family: int) -> Any:
        result = await getaddrinfo(self, host, family, None, type=socket.SOCK_STREAM)
        return SimpleNamespace(name=host, aliases=[], addresses=[node.addr[0].decode() for node in result.nodes])

    async def close(self: Any) -> None:
        self._closed = True

    resolver = module.DNSResolver
    for name, function in (
        ("__init__", init),
        ("getaddrinfo", getaddrinfo),
        ("gethostbyname", gethostbyname),
        ("cancel", lambda self: None),
        ("close", close),
        ("__del__", lambda self: None),
    ):
        setattr(resolver, name, function)


def take_over_uvloop(module: ModuleType, loop_class: LoopClass, say: Say) -> None:
    """Let uvloop's entry points make our loop, and say so once in the bot's log."""
    said: list[str] = []

    def install() -> None:
        if not said:
            said.append("uvloop")
            say("uvloop was asked for: the flight runs on Windtunnel's own loop, in the order of stock asyncio")

    def new_event_loop() -> asyncio.AbstractEventLoop:
        install()
        return loop_class()

    def run(main: Any, *, loop_factory: Any = None, debug: bool | None = None, **_: Any) -> Any:
        install()
        with asyncio.Runner(debug=debug, loop_factory=loop_class) as runner:
            return runner.run(main)

    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """Stock asyncio's policy, which says once that it is."""

        def __init__(self) -> None:
            install()
            super().__init__()

    for each in (install, new_event_loop, run, EventLoopPolicy):
        setattr(module, each.__name__, each)
    module.Loop = loop_class  # type: ignore[attr-defined]


HOOKS: dict[str, TakeOver] = {
    "aiodns": take_over_aiodns,
    "concurrent.futures.process": take_over_process_pool,
    "multiprocessing.process": refuse_processes,
    "multiprocessing.pool": take_over_thread_pool,
    "uvloop": take_over_uvloop,
}
"""Who takes a library over, by the name of its module."""


def hooks(loop_class: LoopClass, say: Say) -> dict[str, Hook]:
    """Return what to call with each of these modules once it is imported."""

    def bound(take_over: TakeOver) -> Hook:
        return lambda module: take_over(module, loop_class, say)

    return {name: bound(each) for name, each in HOOKS.items()}
