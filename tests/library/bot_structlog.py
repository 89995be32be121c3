"""structlog: bound values, context variables, JSON and console lines, virtual time stamps, the logging bridge."""

import asyncio
import logging
import sys

import structlog


async def main():
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.basicConfig(format="%(message)s", stream=sys.stdout, level=logging.INFO)
    log = structlog.get_logger("bot").bind(venue="uniswap_v2")

    async def work(name):
        structlog.contextvars.bind_contextvars(task=name)
        await asyncio.sleep(1)
        log.info("worked")

    log.info("started")
    await asyncio.gather(work("a"), work("b"))
    try:
        int("odd")
    except ValueError:
        await log.awarning("caught", exc_info=False)
    logging.getLogger("plain").info("through logging")


asyncio.run(main())
