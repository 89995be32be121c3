"""Reads address 0 in C."""

import asyncio
import ctypes


async def main():
    await asyncio.sleep(1)
    ctypes.string_at(0)


asyncio.run(main())
