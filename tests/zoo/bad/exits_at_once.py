"""Ends its process under everybody's feet."""

import asyncio
import os


async def main():
    print("the last line", flush=True)
    await asyncio.sleep(1)
    os._exit(7)


asyncio.run(main())
