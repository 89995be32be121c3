"""Calls a second that an unmodified AsyncWeb3 makes in the simulated world, and on Anvil over loopback."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import IO, Final

from tests.bench.anvil import cpu_s, silent
from tests.bench.table import Effort, Table, Target, versus
from tests.bot.anvil import ROOT, lay_out

LOG: Final = "flight.log"
HERE: Final = Path(__file__).resolve().parent
CALLS: Final = (("blockNumber", 400), ("getReserves", 200))
COMMAND: Final = (str(Path(sys.executable).with_name("windtunnel")),)
WATCHED: Final = (sys.executable, "-m", "tests.bench.watched")
PROVIDERS: Final = ("HTTP", "WebSocket")
AS_MANY: Final = Target(">=", 1.0)
LOOK_S: Final = 1.0


class Pilot:
    """A running pilot, in the simulated world or beside Anvil.

    Args:
        folder: where its pipes are.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._log = folder / LOG
        self._orders, self._answers = (_open_both_ways(folder / name) for name in ("orders", "answers"))

    def ask(self, provider: str, call: str, count: int, *, split: bool = False) -> tuple[float, dict[str, float]]:
        """Let it make calls; return the seconds that passed here, and its own split of them."""
        order = {"provider": provider, "call": call, "count": count, "split": split}
        began_s = perf_counter()
        self._orders.write(f"{json.dumps(order)}\n".encode())
        while not select.select([self._answers], [], [], LOOK_S)[0]:
            assert self._process.poll() is None, (
                f"the pilot has ended: {self._process.returncode}\n{self._last_words()}"
            )
        took_s = perf_counter() - began_s
        spent_s: dict[str, float] = json.loads(self._answers.readline())
        return took_s, spent_s

    def _last_words(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def end(self) -> None:
        """Let it go."""
        self._process.terminate()
        self._process.wait()
        self._orders.close()
        self._answers.close()


def _open_both_ways(pipe: Path) -> IO[bytes]:
    """Open a named pipe without waiting for the other end."""
    return os.fdopen(os.open(pipe, os.O_RDWR), "r+b", buffering=0)


def _pipes(folder: Path) -> dict[str, str]:
    folder.mkdir()
    for name in ("orders", "answers"):
        os.mkfifo(folder / name)
    return {"ORDERS": str(folder / "orders"), "ANSWERS": str(folder / "answers")}


@contextmanager
def flown(folder: Path, command: Sequence[str]) -> Iterator[Pilot]:
    """Fly the pilot with *command*, which is `windtunnel` or the same with a watch."""
    words = [*command, "run", str(HERE / "calm.yaml"), "--json", "--out", str(folder / "run")]
    for name, value in _pipes(folder).items():
        words += ["--set", f"bot.env.{name}={value}"]
    with (folder / LOG).open("wb") as log:
        pilot = Pilot(subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT), folder)
        try:
            yield pilot
        finally:
            pilot.end()


@contextmanager
def on_loopback(folder: Path, environment: Mapping[str, str]) -> Iterator[Pilot]:
    """Run the pilot as a program, against the node that *environment* names."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment, **_pipes(folder)}
    pilot = Pilot(subprocess.Popen([sys.executable, str(HERE / "pilot.py")], env=variables), folder)
    try:
        yield pilot
    finally:
        pilot.end()


def measure(effort: Effort) -> list[Table]:
    """Calls a second of an unmodified AsyncWeb3 in the simulated world, against Anvil over loopback."""
    with TemporaryDirectory(prefix="windtunnel-bench-") as name, silent() as (node, pid):
        folder, ground = Path(name), lay_out(node)
        environment = {"NODE_HTTP": node.http, "NODE_WS": node.ws, "PAIR": ground.pairs[0]}
        with on_loopback(folder / "anvil", environment) as peer:
            with flown(folder / "flown", COMMAND) as ours:
                rates = _rates(ours, peer, effort)
            with flown(folder / "watched", WATCHED) as ours:
                return [rates, _split(ours, peer, pid, effort)]


def _rates(ours: Pilot, peer: Pilot, effort: Effort) -> Table:
    rows = []
    for call, whole in CALLS:
        count = effort.count(whole)
        for provider in PROVIDERS:
            rates: tuple[list[float], list[float]] = ([], [])
            for pilot in (ours, peer):
                pilot.ask(provider, call, min(count, 20))
            for _ in range(effort.rounds):
                for pilot, found in zip((ours, peer), rates, strict=True):
                    found.append(count / pilot.ask(provider, call, count)[0])
            target = AS_MANY if call == "getReserves" else None
            rows.append(versus(f"`{call}`, {provider}", *rates, 0, target))
    return Table("Client: calls a second", ("call", "simulated world", "Anvil", "ratio", "target"), tuple(rows))


def _split(ours: Pilot, peer: Pilot, anvil_pid: int, effort: Effort) -> Table:
    rows = []
    for call, whole in CALLS:
        count = effort.count(whole)
        for provider in PROVIDERS:
            mine, theirs = [], []
            for each in range(-1, effort.rounds):
                spent_s = ours.ask(provider, call, count, split=True)[1]
                before_s = cpu_s(anvil_pid)
                peer_s = peer.ask(provider, call, count, split=True)[1]
                peer_s["node"] = cpu_s(anvil_pid) - before_s
                peer_s["wire"] = max(peer_s["waiting"] - peer_s["node"], 0.0)
                if each >= 0:  # the first warms up
                    mine.append(_ms(spent_s, count))
                    theirs.append(_ms(peer_s, count))
            rows.append((f"`{call}`, {provider}", "simulated world", *_medians(mine)))
            rows.append((f"`{call}`, {provider}", "Anvil", *_medians([each[:3] for each in theirs]), "in node"))
    return Table(
        "Client: milliseconds of a call, by layer", ("call", "on", "client", "wire", "node", "EVM"), tuple(rows)
    )


def _ms(spent_s: Mapping[str, float], count: int) -> tuple[float, float, float, float]:
    """Return the milliseconds of one call: client, wire, node and EVM, which is nothing where no code ran."""
    layers_s = spent_s["client"], spent_s["wire"], spent_s["node"], spent_s.get("EVM", 0.0)
    client, wire, node, evm = (each_s / count * 1e3 for each_s in layers_s)
    return client, wire, node, evm


def _medians(rounds: Sequence[Sequence[float]]) -> list[str]:
    return [f"{median(layer):.2f}" for layer in zip(*rounds, strict=True)]
