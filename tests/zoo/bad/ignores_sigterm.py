"""Hears SIGTERM and goes on."""

import asyncio
import signal


async def trade():
    while True:
        await asyncio.sleep(0.5)


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print, "not now")
    await trade()


asyncio.run(main())
