"""The bot's printed output: every line of it, with virtual time before it and keys struck out."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import BinaryIO


class Redactor:
    """Replaces every spelling of the world's private keys by `***`."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._raw = tuple(key for key in keys if key)
        spelled = [pattern for key in self._raw for pattern in (key.hex(), str(int.from_bytes(key, "big")))]
        self._text = re.compile("|".join(spelled), re.IGNORECASE) if spelled else None
        self._bytes = re.compile("|".join(spelled).encode(), re.IGNORECASE) if spelled else None

    def text(self, value: str) -> str:
        """Return *value* without keys."""
        return self._text.sub("***", value) if self._text else value

    def data(self, value: bytes) -> bytes:
        """Return *value* without keys, spelled or raw."""
        if self._bytes is None:
            return value
        value = self._bytes.sub(b"***", value)
        for key in self._raw:
            value = value.replace(key, b"***")
        return value


class LogFile:
    """`bot.log`: whole lines, stamped `[   12.345678]` (seconds since the flight's start)."""

    def __init__(self, file: BinaryIO, clock: Callable[[], int], redactor: Redactor, echo: BinaryIO | None = None) -> None:
        self._file = file
        self._clock = clock
        self._redactor = redactor
        self._echo = echo

    def line(self, channel: str, text: bytes) -> None:
        """Append one line."""
        seconds, rest_ns = divmod(self._clock(), 10**9)
        stamped = b"[%6d.%06d] %s %s\n" % (seconds, rest_ns // 1000, channel.encode(), self._redactor.data(text))
        self._file.write(stamped)
        if self._echo is not None:
            self._echo.write(stamped)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()
        if self._echo is not None:
            self._echo.flush()


class _Channel(io.RawIOBase):
    """One of the bot's two output streams, cut into lines."""

    def __init__(self, log: LogFile, name: str) -> None:
        self._log = log
        self._name = name
        self._rest = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        payload = bytes(data)  # type: ignore[call-overload]
        *lines, self._rest = (self._rest + payload).split(b"\n")
        for line in lines:
            self._log.line(self._name, line)
        return len(payload)

    def finish(self) -> None:
        if self._rest:
            self._log.line(self._name, self._rest)
            self._rest = b""
        self._log.flush()


class CapturedOutput:
    """Takes over `sys.stdout` and `sys.stderr` of this process, and descriptors 1 and 2 beneath them."""

    def __init__(self, log: LogFile, raw_fd: int) -> None:
        self._channels = [_Channel(log, "out"), _Channel(log, "err")]
        self._log = log
        for fd in (1, 2):
            os.dup2(raw_fd, fd)

    def start(self) -> None:
        """Show the bot its streams."""
        streams = [
            io.TextIOWrapper(channel, encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[type-var]
            for channel in self._channels
        ]
        sys.stdout, sys.stderr = streams
        sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]

    def finish(self) -> None:
        """Write what has no newline yet."""
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
        for channel in self._channels:
            channel.finish()
