"""`python -m tests.bench.pingpong baton|stock COUNT`: two threads hand each other the turn; prints µs a turn.

A process of its own, because the baton takes over its threads for good.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import process_time  # before the baton

if sys.argv[1] == "baton":
    from sim.host import threads
    from sim.host.clock import NsEnvironment
    from sim.host.machine import CostModel, Machine

    env = NsEnvironment()
    env.pulse = memoryview(bytearray(16)).cast("Q")
    threads.install(threads.Baton(Machine(env, "bot", epoch_ns=0, cost=CostModel())))

import queue
import threading

COUNT = int(sys.argv[2])


def locks() -> None:
    """Each releases the lock that the other waits for."""
    ping, pong = threading.Lock(), threading.Lock()
    ping.acquire()
    pong.acquire()

    def echo() -> None:
        for _ in range(COUNT):
            ping.acquire()
            pong.release()

    thread = threading.Thread(target=echo)
    thread.start()
    for _ in range(COUNT):
        ping.release()
        pong.acquire()
    thread.join()


def events() -> None:
    """Each sets the event that the other waits for."""
    ping, pong = threading.Event(), threading.Event()

    def echo() -> None:
        for _ in range(COUNT):
            ping.wait()
            ping.clear()
            pong.set()

    thread = threading.Thread(target=echo)
    thread.start()
    for _ in range(COUNT):
        ping.set()
        pong.wait()
        pong.clear()
    thread.join()


def queues() -> None:
    """Each puts what the other waits to get."""
    ping: queue.Queue[int] = queue.Queue()
    pong: queue.Queue[int] = queue.Queue()

    def echo() -> None:
        for _ in range(COUNT):
            pong.put(ping.get())

    thread = threading.Thread(target=echo)
    thread.start()
    for number in range(COUNT):
        ping.put(number)
        pong.get()
    thread.join()


def turn_us(play: Callable[[], None]) -> float:
    """Return the processor time of one turn, in microseconds."""
    began_s = process_time()
    play()
    return (process_time() - began_s) / (2 * COUNT) * 1e6


if __name__ == "__main__":
    print(json.dumps({play.__name__: turn_us(play) for play in (locks, events, queues)}))
