"""The bot's printed output: every line of it, with virtual time before it and keys struck out."""

from __future__ import annotations

import io
import os
import re
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

SHORTEST = 32
"""Characters or bytes of the shortest spelling of a key: its raw bytes."""


class Redactor:
    """Replaces every spelling of the world's private keys by `***`."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._raw = tuple(key for key in keys if key)
        self._digits = tuple(key.hex() for key in self._raw)
        self._hex = re.compile("|".join(self._digits), re.IGNORECASE)
        self._hex_bytes = re.compile("|".join(self._digits).encode(), re.IGNORECASE)
        self._others = tuple(spelling for key in self._raw for spelling in _spellings(key))
        self._others_bytes = (*self._raw, *(spelling.encode() for spelling in self._others))

    def text(self, value: str) -> str:
        """Return *value* without keys."""
        if len(value) < SHORTEST:
            return value
        folded = value.lower()
        if any(digits in folded for digits in self._digits):
            value = self._hex.sub("***", value)
        for spelling in self._others:
            value = value.replace(spelling, "***")
        return value

    def tree(self, value: Any) -> Any:
        """Return a JSON value without keys in its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return value

    def data(self, value: bytes) -> bytes:
        """Return *value* without keys, spelled or raw."""
        if len(value) < SHORTEST:
            return value
        folded = value.lower()
        if any(digits.encode() in folded for digits in self._digits):
            value = self._hex_bytes.sub(b"***", value)
        for spelling in self._others_bytes:
            value = value.replace(spelling, b"***")
        return value


def _spellings(key: bytes) -> Iterator[str]:
    """Yield how Python programs write *key* besides hexadecimal: decimal, base64, a literal, a list of numbers."""
    number = str(int.from_bytes(key, "big"))
    if len(number) >= SHORTEST:  # a key such as 1 has too common a number
        yield number
    yield b64encode(key).decode().rstrip("=")
    yield urlsafe_b64encode(key).decode().rstrip("=")
    yield repr(key)[2:-1]
    yield ", ".join(map(str, key))
    yield ",".join(map(str, key))


class LogFile:
    """`bot.log`: whole lines, stamped `[   12.345678]` (seconds since the flight's start)."""

    def __init__(
        self, file: BinaryIO, clock: Callable[[], int], redactor: Redactor, echo: BinaryIO | None = None
    ) -> None:
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

    def __init__(self, log: LogFile, name: str, descriptor: int) -> None:
        self._log = log
        self._name = name
        self._descriptor = descriptor
        self._rest = b""

    def fileno(self) -> int:
        return self._descriptor  # faulthandler and the like ask; what they write there has no stamp

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
        self._channels = [_Channel(log, "out", 1), _Channel(log, "err", 2)]
        self._log = log
        for fd in (1, 2):
            os.dup2(raw_fd, fd)

    def start(self) -> None:
        """Show the bot its streams."""
        streams: list[Any] = [
            io.TextIOWrapper(channel, encoding="utf-8", errors="backslashreplace", write_through=True)
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
