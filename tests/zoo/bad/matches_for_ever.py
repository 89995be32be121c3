"""Hands a text to a regular expression that needs longer than the universe."""

import asyncio
import re


async def main():
    await asyncio.sleep(1)
    re.match(r"(a+)+$", "a" * 64 + "b")


asyncio.run(main())
