"""The first lines of a flight's process: chance and threads are taken over before any library is loaded."""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import signal
import traceback
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1


def main(known_modules: frozenset[str], supervisor: int, job_fd: int, pulse_fd: int, seed: int, epoch_s: int) -> None:
    """Prepare the process, read the job and fly it. It never returns: the flight ends the process.

    Args:
        known_modules: what a bare interpreter had loaded.
        supervisor: its process id; this process does not outlive it.
        job_fd: a pipe with the pickled `sim.job.Job`.
        pulse_fd: shared memory of two counters that show the supervisor that work goes on.
    """
    gc.disable()  # for good: the flight collects at instants of its own
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:  # it died before the line above
        os._exit(4)
    # These imports wait until here so that nothing of a library runs before chance and threads are owned.
    from sim.host import entropy, threads  # noqa: PLC0415
    from sim.host.clock import NsEnvironment  # noqa: PLC0415
    from sim.host.machine import CostModel, Machine  # noqa: PLC0415
    from sim.rng import Streams  # noqa: PLC0415

    env = NsEnvironment()
    streams = Streams(seed)
    entropy.install(entropy.Entropy(streams))
    offset_ns = streams.stream("bot.clock").below(10**9, "monotonic")
    machine = Machine(env, "bot", epoch_ns=epoch_s * 10**9, monotonic_base_ns=10**13 + offset_ns, cost=CostModel())
    baton = threads.Baton(machine)
    threads.install(baton)
    from sim.flight import Flight  # noqa: PLC0415  (loads the world's libraries, after the lines above)

    with os.fdopen(job_fd, "rb") as pipe:
        job: Any = pickle.load(pipe)
    errors, leave = os.dup(2), os._exit

    def fail(error: BaseException) -> NoReturn:
        os.write(errors, f"seed {seed}\n{''.join(traceback.format_exception(error))}".encode())
        leave(4)

    try:
        Flight(job, streams, machine, baton, pulse_fd, known_modules, fail).fly()
    except BaseException as error:  # noqa: BLE001 (our own fault: the bot's exceptions end in its outcome)
        fail(error)
