"""Structured logs on standard output, one JSON object a line, secrets struck out."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def _stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["time"] = datetime.fromtimestamp(time.time(), tz=UTC).isoformat(timespec="microseconds")
    return event


def _struck(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _striker(secrets: tuple[str, ...]) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Return a processor that replaces secrets in every text of an event, exceptions of libraries included."""

    def strike(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        for name, value in event.items():
            if isinstance(value, str):
                event[name] = _struck(value, secrets)
        return event

    return strike


def set_up(level: str, secrets: tuple[str, ...]) -> None:
    """Send structlog's events and the libraries' warnings to standard output as JSON."""
    threshold = getattr(logging, level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        structlog.processors.format_exc_info,
        _striker(secrets),
    ]
    render = structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(max(threshold, logging.WARNING))
