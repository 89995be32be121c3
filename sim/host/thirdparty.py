"""Libraries that reach past asyncio, taken over when they are imported: aiodns (a resolver) and uvloop (a loop)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

Hook = Callable[[ModuleType], None]


def take_over_aiodns(module: ModuleType) -> None:
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
            raise module.error.DNSError(4, str(error.args[1])) from error
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


def take_over_uvloop(new_loop: Callable[[], asyncio.AbstractEventLoop], say: Callable[[str], None]) -> Hook:
    """Let uvloop's entry points make our loop, and say so once."""

    def hook(module: ModuleType) -> None:
        said: list[str] = []

        def note() -> None:
            if not said:
                said.append("uvloop")
                say("uvloop was asked for: the flight runs on Windtunnel's own loop, in the order of stock asyncio")

        def new_event_loop() -> asyncio.AbstractEventLoop:
            note()
            return new_loop()

        def run(main: Any, *, loop_factory: Any = None, debug: bool | None = None, **_: Any) -> Any:
            note()
            with asyncio.Runner(debug=debug, loop_factory=new_loop) as runner:
                return runner.run(main)

        module.install = note  # type: ignore[attr-defined]
        module.new_event_loop = new_event_loop  # type: ignore[attr-defined]
        module.run = run  # type: ignore[attr-defined]
        module.EventLoopPolicy = asyncio.DefaultEventLoopPolicy  # type: ignore[attr-defined]

    return hook
