"""The reference ("CEX") price of each token: geometric Brownian motion on a fixed grid of steps."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import sqrt  # exact to the last digit by IEEE-754, unlike the rest of libm

import simpy

from sim import numeric
from sim.market.variate import scale_wei
from sim.record import Recorder
from sim.rng import Stream, Streams
from sim.units import DAY

YEAR_NS = 365 * DAY + DAY // 4
STREAM = "market.price"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSpec:
    """How the reference price of one token starts and moves.

    Args:
        token: the token's label, as in the scenario's contracts.
        start_wei: wei of WETH for one whole token at the start of the flight.
        volatility_ratio: standard deviation of the logarithm of the price over a year (0.8 = 80 %).
        drift_ratio: expected growth of the price over a year; 0 makes the price a martingale.
        step_ns: time between two moves.
    """

    token: str
    start_wei: int
    volatility_ratio: float
    drift_ratio: float
    step_ns: int

    def __post_init__(self) -> None:
        if self.start_wei <= 0 or self.step_ns <= 0 or self.volatility_ratio < 0.0:
            raise ValueError(f"price of {self.token}: start, step and volatility must be above 0: {self}")


class ReferencePrice:
    """The prices that everybody agrees on off the chain, readable at the present moment only.

    A slot's steps are drawn together when the slot is first looked at, so the number of draws follows from the slots
    that passed and not from who read a price.
    """

    def __init__(
        self, env: simpy.Environment, specs: Sequence[PriceSpec], streams: Streams, recorder: Recorder, slot_ns: int
    ) -> None:
        self._env = env
        self._recorder = recorder
        self._slot_ns = slot_ns
        stream = streams.stream(STREAM)
        self._paths = {spec.token: _Path(spec, stream) for spec in specs}

    def start(self) -> None:
        """Begin to emit one `price` event for each token and slot."""
        self._env.process(self._run())

    def wei_per_token(self, token: str) -> int:
        """Return the price of one whole *token* now, in wei of WETH, at least 1."""
        now_ns = int(self._env.now)
        slot_end_ns = (now_ns // self._slot_ns + 1) * self._slot_ns
        return self._paths[token].at(now_ns, slot_end_ns)

    def _run(self) -> Generator[simpy.Event, object, None]:
        while True:
            slot = int(self._env.now) // self._slot_ns
            for token in self._paths:
                self._recorder.event("price", token, "", wei_per_token=self.wei_per_token(token), slot=slot)
            yield self._env.timeout((slot + 1) * self._slot_ns - int(self._env.now))


class _Path:
    """One token's price, drawn up to the end of the newest slot looked at; earlier slots are forgotten."""

    def __init__(self, spec: PriceSpec, stream: Stream) -> None:
        self._spec = spec
        self._stream = stream
        years = spec.step_ns / YEAR_NS
        self._step_sigma = spec.volatility_ratio * sqrt(years)
        self._step_mean = (spec.drift_ratio - spec.volatility_ratio * spec.volatility_ratio / 2.0) * years
        self._log = 0.0
        self._first_step = 0
        self._prices_wei = [spec.start_wei]

    def at(self, now_ns: int, slot_end_ns: int) -> int:
        step = now_ns // self._spec.step_ns
        last_step = (slot_end_ns - 1) // self._spec.step_ns
        if last_step >= self._first_step + len(self._prices_wei):
            self._draw_through(last_step)
            del self._prices_wei[: step - self._first_step]
            self._first_step = step
        return self._prices_wei[step - self._first_step]

    def _draw_through(self, last_step: int) -> None:
        for step in range(self._first_step + len(self._prices_wei), last_step + 1):
            self._log += self._step_mean + self._step_sigma * self._stream.normal(self._spec.token, step)
            self._prices_wei.append(max(1, scale_wei(self._spec.start_wei, numeric.exp(self._log))))
