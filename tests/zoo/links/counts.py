"""Sends counters over UDP, from a blocking socket and from asyncio, and asks over HTTP which came."""

import asyncio
import socket

import aiohttp

ADDRESS = ("metrics.example.com", 8125)


async def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        for n in range(100):
            plain.sendto(f"blocking:{n}|c".encode(), ADDRESS)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=ADDRESS)
    for n in range(100):
        transport.sendto(f"asyncio:{n}|c".encode())
    await asyncio.sleep(1)
    transport.close()
    async with aiohttp.ClientSession() as session, session.get("http://metrics.example.com/lines") as answer:
        lines = await answer.json()
    print(*(sum(line.startswith(kind) for line in lines) for kind in ("blocking", "asyncio")))


asyncio.run(main())
