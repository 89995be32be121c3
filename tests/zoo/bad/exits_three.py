"""Ends itself with another exit code than 0."""

import asyncio
import sys

asyncio.run(asyncio.sleep(1))
sys.exit(3)
