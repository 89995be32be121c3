"""Tries every door out of the simulation, and says where each function of the system comes from.

Prints one JSON object: by each refused name the exception; by each name of its arguments the file of what is there.
"""

import _posixsubprocess
import _socket
import asyncio
import ctypes
import importlib
import json
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

LIBC = ctypes.CDLL(None)
TCP = (_socket.AF_INET, _socket.SOCK_STREAM)
ADDRESS = ("127.0.0.1", 1)
TRUE = "/bin/true"


def real(call):
    return lambda: call(_socket.socket(*TCP))


def unix():
    return socket.socket(socket.AF_UNIX)


def without_blocking():
    each = socket.socket()
    each.setblocking(False)
    each.connect(ADDRESS)


def connected():
    return socket.create_connection(("node-a", 8545))


def on_loop(name, *args, **kwargs):
    async def call():
        result = getattr(asyncio.get_running_loop(), name)(*args, **kwargs)
        return await result if asyncio.iscoroutine(result) else result

    return lambda: asyncio.run(call())


DOORS = {
    "_socket.connect (the real one)": real(lambda s: s.connect(ADDRESS)),
    "_socket.bind (the real one)": real(lambda s: s.bind(ADDRESS)),
    "_socket.sendto (the real one)": real(lambda s: s.sendto(b"x", ADDRESS)),
    "_socket.sendmsg (the real one)": real(lambda s: s.sendmsg([b"x"], [], 0, ADDRESS)),
    "_socket.sethostname (the real one)": lambda: _socket.sethostname("x"),
    "_socket.getaddrinfo (the real one)": lambda: _socket.getaddrinfo("localhost", 1),
    "subprocess.Popen": lambda: subprocess.run([TRUE], check=True),
    "os.system": lambda: os.system(TRUE),
    "os.fork": lambda: os.fork() or os._exit(0),
    "os.forkpty": lambda: os.forkpty()[0] or os._exit(0),
    "os.exec": lambda: os.execv(TRUE, [TRUE]),
    "os.posix_spawn": lambda: os.posix_spawn(TRUE, [TRUE], {}),
    "multiprocessing.Process.start": lambda: multiprocessing.Process(target=print).start(),
    "_posixsubprocess.fork_exec": lambda: _posixsubprocess.fork_exec(),
    "loop.create_connection(sock=...) unconnected": on_loop(
        "create_connection", asyncio.Protocol, sock=socket.socket()
    ),
    "loop.create_datagram_endpoint(sock=...)": on_loop(
        "create_datagram_endpoint", asyncio.DatagramProtocol, sock=socket.socket(type=socket.SOCK_DGRAM)
    ),
    "loop.create_server(sock=...)": on_loop("create_server", asyncio.Protocol, sock=socket.socket()),
    "socket.socket.connect of another family or type": lambda: unix().connect("/run/x"),
    "socket.socket.connect without blocking": without_blocking,
    "socket.socket.bind of another family or type": lambda: unix().bind("/run/x"),
    "socket.socket.sendmsg with ancillary data": lambda: connected().sendmsg([b"x"], [(0, 0, b"")]),
    "socket.socket.sendto of a stream": lambda: connected().sendto(b"x", ADDRESS),
    "socket.socket.dup": lambda: connected().dup(),
    "socket.socketpair": socket.socketpair,
    "select.epoll": select.epoll,
    "signal.pthread_sigmask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    "signal.pidfd_send_signal": lambda: signal.pidfd_send_signal(os.pidfd_open(os.getpid()), 0),
    "signal.sigwait": lambda: signal.sigwait([signal.SIGUSR1]),
    "signal.sigwaitinfo": lambda: signal.sigwaitinfo([signal.SIGUSR1]),
    "signal.sigtimedwait": lambda: signal.sigtimedwait([signal.SIGUSR1], 0),
    "signal.pause": signal.pause,
    "time.clock_settime": lambda: time.clock_settime(time.CLOCK_REALTIME, 0),
    "time.clock_settime_ns": lambda: time.clock_settime_ns(time.CLOCK_REALTIME, 0),
}


def door(api):
    """Return how to try *api*: families of names are spelt alike."""
    family, _, name = api.rpartition(".")
    if api in DOORS:
        return DOORS[api]
    if family == "loop":
        return on_loop(name)
    if family == "socket.socket":
        return lambda: getattr(connected(), name)(1)
    if api.startswith("ctypes: "):
        return lambda: LIBC[api.removeprefix("ctypes: ")]
    assert api.startswith("open("), api
    return Path(api.split("'")[1]).read_bytes


def tried(api):
    try:
        door(api)()
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'api', error)}"
    return "nothing was raised"


def found(api):
    """Return the file that *api* was written in; for what is no code, its repr."""
    parts = api.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        break
    for part in parts[cut:-1]:
        owner = getattr(owner, part)
    if not hasattr(owner, parts[-1]):
        return "absent"
    value = getattr(owner, parts[-1])
    code = getattr(getattr(value, "__func__", value), "__code__", None)
    return code.co_filename if code is not None else getattr(value, "__module__", None) or repr(value)


refused, taken = json.loads(sys.argv[1])
behind = time.monotonic_ns.__globals__["take_over"].__globals__["replacements"]
print(
    json.dumps(
        {
            "refused": {api: tried(api) for api in refused},
            "taken": {api: found(api) for api in taken},
            "taken over by the flight": sorted(behind),
        }
    )
)
