"""On SIGTERM it returns, and forgets the heartbeat that it started."""

import asyncio
import signal


async def heartbeat():
    while True:
        await asyncio.sleep(1)
        print("alive")


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    task = asyncio.create_task(heartbeat(), name="heartbeat")
    await stop.wait()
    print("stopped", task.done())


asyncio.run(main())
