"""Every source of chance that Python code can draw from, answered from the seed."""

from __future__ import annotations

import os
import random
import uuid

from sim.rng import Streams


class Entropy:
    """The bot's chance: one stream for bytes from the system, one for the seeds of generators made without a seed."""

    def __init__(self, streams: Streams) -> None:
        self._bytes = streams.stream("bot.urandom")
        self._seeds = streams.stream("bot.random")
        self._drawn_bytes = 0
        self._seeded = 0

    def urandom(self, size: int, /) -> bytes:
        """Return *size* bytes, as `os.urandom` does."""
        if size < 0:
            raise ValueError("negative argument not allowed")
        parts = []
        for _ in range(-(-size // 64)):
            self._drawn_bytes += 1
            parts.append(self._bytes.bits(self._drawn_bytes, n=512).to_bytes(64, "big"))
        return b"".join(parts)[:size]

    def seed(self) -> int:
        """Return the seed of the next generator that was given none."""
        self._seeded += 1
        return self._seeds.bits(self._seeded, n=256)


def install(entropy: Entropy) -> None:
    """Take over `os.urandom`, `random`, `secrets` and `uuid` of this process, for good.

    `random.Random(x)` and `random.seed(x)` keep their meaning; only what would ask the system asks *entropy*.
    numpy's generators seed themselves through `secrets`, so they follow.
    """
    real_seed = random.Random.seed

    def seed(self: random.Random, a: int | float | str | bytes | bytearray | None = None, version: int = 2) -> None:
        real_seed(self, entropy.seed() if a is None else a, version)

    def getrandom(size: int, flags: int = 0) -> bytes:
        return entropy.urandom(size)

    os.urandom = entropy.urandom
    if hasattr(os, "getrandom"):
        os.getrandom = getrandom
    random._urandom = entropy.urandom  # type: ignore[attr-defined]
    random.Random.seed = seed  # type: ignore[assignment, method-assign]
    random._inst.seed()  # type: ignore[attr-defined]
    uuid._generate_time_safe = None  # type: ignore[attr-defined]
    uuid._UuidCreate = None  # type: ignore[attr-defined]
    uuid._node = 0x020000000001  # type: ignore[attr-defined]
