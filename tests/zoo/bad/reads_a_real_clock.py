"""Waits as long as the real clock says, by a way round every clock that is taken over: the stamp of a fresh file."""

import asyncio
from pathlib import Path


async def hesitate():
    stamp = Path("stamp")
    stamp.write_text("now")
    await asyncio.sleep(stamp.stat().st_mtime_ns % 1_000_003 / 1e6)


async def main():
    await asyncio.sleep(1)
    await hesitate()
    await asyncio.sleep(1)


asyncio.run(main())
