"""Ends its process with a signal that cannot be handled."""

import asyncio
import os
import signal


async def main():
    await asyncio.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main())
