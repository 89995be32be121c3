"""All chance follows from one seed, through named streams whose draws are keyed, not queued.

A draw is a hash of (seed, stream, key). An actor that acts once more, or a transaction that is inserted, moves no
other draw: two runs that differ in the bot alone see the same weather (common random numbers).

Nothing here uses libm, whose last digits differ between processors and library versions: only integers, IEEE-754
`+ - * /`, and functions built from them in `sim.numeric`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TypeVar

from sim import numeric

Key = int | str | bytes
_T = TypeVar("_T")

_TWO53 = float(1 << 53)


class Stream:
    """One named source of chance under a seed.

    Each method takes the *key* of its draw: the actor, the slot, the ordinal within the slot. The same key gives the
    same value whatever was drawn before. `count` is the number of draws made.
    """

    __slots__ = ("_drawn", "_prefix", "count", "name")

    def __init__(self, seed: int, name: str) -> None:
        self.name = name
        self.count = 0
        self._prefix = blake2b(seed.to_bytes(8, "big") + name.encode(), digest_size=32, person=b"windtunnel").digest()
        self._drawn = blake2b(digest_size=16, person=b"draws")

    def bits(self, *key: Key, n: int = 64) -> int:
        """Return *n* random bits (at most 512) as an unsigned integer."""
        self.count += 1
        size = (n + 7) // 8
        raw = blake2b(_encode(key), digest_size=size, key=self._prefix).digest()
        self._drawn.update(raw)
        return int.from_bytes(raw, "big") >> (size * 8 - n)

    def digest(self) -> str:
        """Return the digest of every draw so far, in order; each value is a hash of its key, so it covers the keys."""
        return self._drawn.hexdigest()

    def unit(self, *key: Key) -> float:
        """Return a float in [0, 1) with 53 random bits."""
        return self.bits(*key, n=53) / _TWO53

    def below(self, limit: int, *key: Key) -> int:
        """Return an integer in [0, *limit*), biased by less than 2**-64."""
        bits = limit.bit_length() + 64
        return self.bits(*key, n=bits) * limit >> bits

    def between(self, low: int, high: int, *key: Key) -> int:
        """Return an integer in [*low*, *high*], both ends included."""
        return low + self.below(high - low + 1, *key)

    def chance(self, probability: float, *key: Key) -> bool:
        """Return True with *probability*."""
        return self.unit(*key) < probability

    def choice(self, options: Sequence[_T], *key: Key) -> _T:
        """Return one of *options*, each as likely."""
        return options[self.below(len(options), *key)]

    def exponential(self, mean: float, *key: Key) -> float:
        """Return an exponential variate with *mean*."""
        return -mean * numeric.log(1.0 - self.unit(*key))

    def normal(self, *key: Key) -> float:
        """Return a standard normal variate, by inversion."""
        return numeric.normal_quantile((self.bits(*key, n=52) + 0.5) / float(1 << 52))

    def shuffled(self, items: Sequence[_T], *key: Key) -> list[_T]:
        """Return *items* in random order (Fisher-Yates)."""
        result = list(items)
        for index in range(len(result) - 1, 0, -1):
            other = self.below(index + 1, *key, index)
            result[index], result[other] = result[other], result[index]
        return result


class Streams:
    """The named streams of one seed."""

    def __init__(self, seed: int) -> None:
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside 0..2**64-1")
        self.seed = seed
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Return the stream called *name*; the same object each time."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = Stream(self.seed, name)
        return found

    def counts(self) -> dict[str, int]:
        """Return the number of draws made of each stream, by name."""
        return {name: stream.count for name, stream in sorted(self._streams.items())}

    def drawn(self) -> Iterator[Stream]:
        """Yield every stream that was drawn from, by name."""
        return (stream for _, stream in sorted(self._streams.items()) if stream.count)


def _encode(key: tuple[Key, ...]) -> bytes:
    parts = []
    for part in key:
        if isinstance(part, int):
            raw = b"i%d" % part
        elif isinstance(part, str):
            raw = b"s" + part.encode()
        else:
            raw = b"b" + part
        parts.append(len(raw).to_bytes(4, "big") + raw)
    return b"".join(parts)
