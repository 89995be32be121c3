"""A metrics server: statsd lines over UDP, and over HTTP what came."""

import asyncio

from aiohttp import web


class Statsd(asyncio.DatagramProtocol):
    """Keeps every line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep one."""
        self.lines.append(data.decode())


statsd = Statsd()


async def listen(_: web.Application) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: statsd, local_addr=("metrics.example.com", 8125))


async def came(_: web.Request) -> web.Response:
    return web.json_response(statsd.lines)


app = web.Application()
app.on_startup.append(listen)
app.router.add_get("/lines", came)
