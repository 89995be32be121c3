"""Lives for thirty virtual seconds and touches nothing."""

import asyncio

asyncio.run(asyncio.sleep(30))
