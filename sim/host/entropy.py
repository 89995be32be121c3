"""Every source of chance that Python code can draw from, answered from the seed."""

from __future__ import annotations

import _ssl
import gc
import os
import posix
import random
import ssl
import sys
import uuid
from types import MethodType
from typing import Any

from sim.host.takeover import replace_all_aliases, take_over
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
    """Take over `os.urandom`, `random`, `secrets`, `uuid` and `ssl.RAND_bytes` of this process, for good.

    `random.Random(x)` and `random.seed(x)` keep their meaning; only what would ask the system asks *entropy*.
    numpy's generators, the global one of `numpy.random` too, seed themselves through `secrets`, so they follow.
    Generators that live already are seeded anew: the system seeded them.
    """
    real_seed = random.Random.seed

    def seed(self: random.Random, a: float | str | bytes | bytearray | None = None, version: int = 2) -> None:
        real_seed(self, entropy.seed() if a is None else a, version)

    def getrandom(size: int, flags: int = 0) -> bytes:
        return entropy.urandom(size)

    def rand_bytes(n: int, /) -> bytes:
        if n < 0:
            raise ValueError("num must be positive")
        return entropy.urandom(n)

    drawn = "draws from the seed's stream bot.urandom"
    seeded = "without a seed, takes one from the stream bot.random"
    replace_all_aliases(
        take_over(
            (
                (os, "urandom", entropy.urandom, drawn),
                (posix, "urandom", entropy.urandom, drawn),
                (os, "getrandom", getrandom, drawn),
                (posix, "getrandom", getrandom, drawn),
                (ssl, "RAND_bytes", rand_bytes, drawn),
                (_ssl, "RAND_bytes", rand_bytes, drawn),
            )
        )
    )
    take_over(
        (
            (random, "_urandom", entropy.urandom, f"{drawn}: `SystemRandom` and `secrets` call it"),
            (random.Random, "seed", seed, seeded),
            (random, "seed", MethodType(seed, random._inst), seeded),
            (uuid, "_generate_time_safe", None, "is absent: `uuid1` takes the wall clock and `random`"),
            (uuid, "_UuidCreate", None, "is absent: `uuid1` takes the wall clock and `random`"),
            (uuid, "_node", 0x020000000001, "is a fixed address: `getnode` returns it"),
        )
    )
    random._inst.seed()
    reseed_live(entropy)


def reseed_live(entropy: Entropy) -> None:
    """Seed every generator that is alive, in the order in which the interpreter made them.

    That order is the collector's, which keeps what it tracks in the order of allocation.
    """
    generators = getattr(sys.modules.get("numpy.random"), "BitGenerator", ())
    for live in gc.get_objects():
        if isinstance(live, random.Random):
            if not isinstance(live, random.SystemRandom) and live is not random._inst:
                live.seed()
        elif generators and isinstance(live, generators):
            _reseed_numpy(live, entropy)


def _reseed_numpy(generator: Any, entropy: Entropy) -> None:
    generator.state = type(generator)(entropy.seed()).state
