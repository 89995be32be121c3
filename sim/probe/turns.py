"""Every turn, write, draw and thread switch of a flight with its place: where two flights of one seed part.

Only the third and fourth flight of `windtunnel verify` write this. A line is a JSON array `[t_ns, what, who, stack]`,
the stack innermost first and without the harness's frames. Lines of equal flights are equal, so the first line that
differs is the place.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from zlib import crc32

import zstandard

from sim.host.loop import SimLoop
from sim.host.tasks import coroutine_frames
from sim.host.threads import Baton, BatonThread
from sim.host.transport import SimTransport
from sim.probe.place import Places
from sim.rng import Key, Stream

STACK_FRAMES_MAX = 24
FILE = "turns.jsonl.zst"
_RUN_HANDLE = asyncio.Handle._run.__code__  # below it is only the loop


class TurnTrace:
    """Writes the lines; memory stays flat.

    Args:
        folder: of the run; paths below it are written without it, since it differs between flights.
    """

    def __init__(self, folder: Path, clock: Callable[[], int], places: Places) -> None:
        self._file: Any = zstandard.ZstdCompressor(level=3).stream_writer((folder / FILE).open("wb"))
        self._folder = f"{folder}/"
        self._clock = clock
        self._places = places
        self._threads: dict[BatonThread, int] = {}
        self._closed = False

    def install(self, baton: Baton) -> None:
        """Write every draw, every write of the bot and every hand-over to a thread, from now on and for good."""
        bits, write, resume = Stream.bits, SimTransport.write, baton._resume

        def traced_bits(stream: Stream, *key: Key, n: int = 64) -> int:
            self._line("draw", f"{stream.name} {key!r}", self._stack(sys._getframe(1)))
            return bits(stream, *key, n=n)

        def traced_write(transport: SimTransport, data: bytes | bytearray | memoryview) -> None:
            if transport.side == 0:
                what = f"connection {transport.connection.number}: {len(data)} bytes, checksum {crc32(data):08x}"
                self._line("write", what, self._stack(sys._getframe(1)) + self._meanwhile())
            write(transport, data)

        def traced_resume(thread: BatonThread) -> None:
            number = self._threads.setdefault(thread, len(self._threads) + 1)
            self._line("thread", f"thread {number}", self._stack(sys._current_frames().get(thread.ident)))
            resume(thread)

        Stream.bits = traced_bits  # type: ignore[assignment, method-assign]
        SimTransport.write = traced_write  # type: ignore[assignment, method-assign]
        baton._resume = traced_resume  # type: ignore[method-assign]

    def turn(self, loop: SimLoop) -> None:
        """Write what *loop* is about to run."""
        for handle in loop._ready:  # type: ignore[attr-defined]
            who, stack = self._label(handle._callback, handle._args or ())
            self._line("turn", who, stack)

    def close(self) -> None:
        """Write what is left and nothing later."""
        if not self._closed:
            self._closed = True
            self._file.close()

    def _line(self, what: str, who: str, stack: list[str]) -> None:
        if not self._closed:
            line = json.dumps([self._clock(), what, who, stack], separators=(",", ":"))
            self._file.write(line.replace(self._folder, "").encode() + b"\n")

    def _label(self, callback: Any, args: tuple[Any, ...]) -> tuple[str, list[str]]:
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            return owner.get_name(), self._waiting(owner)
        name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
        for future in args:
            for waiter in getattr(future, "_callbacks", None) or () if asyncio.isfuture(future) else ():
                task = getattr(waiter[0], "__self__", None)
                if isinstance(task, asyncio.Task):
                    return f"{name} for {task.get_name()}", self._waiting(task)
        return name, []

    def _waiting(self, task: asyncio.Task[Any]) -> list[str]:
        frames = coroutine_frames(task.get_coro())[-STACK_FRAMES_MAX:]
        return [self._spelt(frame) for frame in reversed(frames)]

    def _meanwhile(self) -> list[str]:
        """Return where the main task waits while another one runs: often the only line of the bot."""
        loop = asyncio.events._get_running_loop()
        main = loop.main if isinstance(loop, SimLoop) else None
        if not isinstance(main, asyncio.Task) or main is asyncio.current_task(loop):
            return []
        return ["(meanwhile the main task waits)", *self._waiting(main)]

    def _stack(self, frame: FrameType | None) -> list[str]:
        stack: list[str] = []
        while frame is not None and len(stack) < STACK_FRAMES_MAX:
            if frame.f_code is _RUN_HANDLE:
                break
            if not self._places.is_ours(frame.f_code.co_filename):
                stack.append(self._spelt(frame))
            frame = frame.f_back
        return stack

    def _spelt(self, frame: FrameType) -> str:
        place = self._places.of_code(frame.f_code, frame.f_lineno)
        return f"{place.where} {frame.f_code.co_name}"


class TracedLoop(SimLoop):
    """A loop that tells a `TurnTrace` of each of its turns."""

    turn_trace: TurnTrace

    def select(self, timeout: float | None) -> tuple[()]:
        """Do what every loop does, then write the turn."""
        events = super().select(timeout)
        self.turn_trace.turn(self)
        return events
