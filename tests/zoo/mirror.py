"""Says what a program can see of its own process, one JSON object a line; run by CPython it says the same."""

import asyncio
import json
import sys

before = sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)

import gc  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402


def say(**what):
    print(json.dumps(what), flush=True)


async def look():
    loop = asyncio.get_running_loop()
    say(
        tasks=[task.get_coro().__qualname__ for task in asyncio.all_tasks()],
        threads=[thread.name for thread in threading.enumerate()],
        is_base_loop=isinstance(loop, asyncio.BaseEventLoop),
        debug=loop.get_debug(),
    )
    first = time.time()
    await asyncio.sleep(1)
    say(slept=round(time.time() - first, 3), year=datetime.now(UTC).year, zone=time.tzname[0])


say(
    name=__name__,
    file=Path(__file__).name,
    main=sys.modules["__main__"].__dict__ is globals(),
    argv=[Path(sys.argv[0]).name, *sys.argv[1:]],
    first_path=sys.path[0] == str(Path(__file__).parent),
    optimised=not __debug__,
)
say(
    environ=dict(os.environ),
    home_is_here=os.environ.get("HOME") == str(Path.cwd()),
    here=sorted(path.name for path in Path().iterdir()),
)
say(foreign_modules=before)
say(handlers=len(logging.root.handlers), level=logging.root.level, loggers=sorted(logging.root.manager.loggerDict))
say(sigterm=str(signal.getsignal(signal.SIGTERM)), sigint=signal.getsignal(signal.SIGINT) is signal.default_int_handler)
import prometheus_client  # noqa: E402
import structlog  # noqa: E402

say(
    metrics=sorted(
        name for name in prometheus_client.REGISTRY._names_to_collectors if not name.startswith(("python_", "process_"))
    ),
    structlog=structlog.is_configured(),
    chance=[random.randrange(10**6) for _ in range(3)],
    gc=gc.isenabled(),
)
asyncio.run(look())
