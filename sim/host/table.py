"""Prints docs/boundary.md: what a flight simulates, takes over and refuses, from the very tables that it is done from.

`python -m sim.host.table` takes its own process over as a flight does, and prints what that changed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio import base_events
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sim.host import boundary, entropy, ownership, takeover, thirdparty, threads
from sim.host.clock import NsEnvironment
from sim.host.loop import SimLoop
from sim.host.machine import Machine
from sim.host.net import Network
from sim.host.signals import SignalDesk
from sim.host.sockets import SimSocket
from sim.rng import Streams

AS_IT_IS: dict[str, tuple[str, str]] = {
    "time": ("read no clock", "clock_getres get_clock_info mktime pthread_getcpuclockid strptime tzset"),
    "signal": ("deliver nothing", "default_int_handler getitimer sigpending strsignal valid_signals"),
    "select": ("", ""),
    "socket": (
        "compute, read constants, or are written with what is taken over",
        """
        CMSG_LEN CMSG_SPACE close create_connection create_server dup fromfd getdefaulttimeout getfqdn getprotobyname
        getservbyname getservbyport has_dualstack_ipv6 htonl htons if_indextoname if_nameindex if_nametoindex inet_aton
        inet_ntoa inet_ntop inet_pton ntohl ntohs recv_fds send_fds setdefaulttimeout
        """,
    ),
    "socket.socket": (
        "are the interpreter's own, around the simulated stream",
        "close detach fileno get_inheritable getblocking gettimeout makefile set_inheritable setblocking settimeout",
    ),
}
"""What modules and classes that are taken over keep of their own: why that is safe, and names."""

_HEAD = """# The boundary

What a program finds when it reaches for the system in a flight. Printed by `make boundary` from the tables that the
code itself works with; a test fails when this page and the code differ, and another tries every refusal in a flight.

The bot's `os.environ`, working directory, standard streams, `sys.argv` and `sys.modules` are described in
[architecture](architecture.md) and `sim/README.md`, which also says what is *not* covered.
"""
_SIMULATED = """
## Simulated

The event loop of the bot. Methods that are not listed are refused, below; the last row's are the interpreter's own.

| API | what happens | where |
|---|---|---|
"""
_SOCKETS = """
Blocking sockets (`socket.socket`).

| API | what happens | where |
|---|---|---|
"""
_TAKEN = """
## Taken over

Each name answers from the seed, virtual time or the simulated network, and so do its aliases in loaded modules.

| API | what it does in a flight | where |
|---|---|---|
"""
_KEPT = """
What these modules keep:

| module | names | why |
|---|---|---|
"""
_REFUSED = """
## Refused

`BoundaryError` is raised at the call and a `boundary` finding names the line; both say what to do instead.

| API | instead | where |
|---|---|---|
"""


def take_this_process_over() -> None:
    """Do what a flight does to its process, with a world of nothing."""
    streams = Streams(0)
    entropy.install(entropy.Entropy(streams))
    env = NsEnvironment()
    baton = threads.Baton(Machine(env, "bot", epoch_ns=0))
    threads.install(baton)
    network = Network(env, streams, None)
    desk = SignalDesk(baton.machine, lambda number: None)
    ownership.own(baton, network, desk)
    ownership.own_loops(ownership.loop_class(SimLoop, baton, network, desk, lambda loop: None))
    ownership.own_exit(sys.exit)


def loop_methods() -> Iterator[tuple[str, str, str]]:
    """Yield what our loop does in its own way: name, first sentence, module."""
    yield from _methods(SimLoop, asyncio.AbstractEventLoop, "loop")


def socket_methods() -> Iterator[tuple[str, str, str]]:
    """Yield what our sockets do in their own way."""
    yield from _methods(SimSocket, SimSocket.__base__ or object, "socket.socket")


def stock_loop_methods() -> list[str]:
    """Return the loop's methods that are asyncio's own code."""
    return sorted(
        name
        for name in vars(asyncio.AbstractEventLoop)
        if not name.startswith("_") and getattr(SimLoop, name, None) is getattr(base_events.BaseEventLoop, name, 0)
    )


def _methods(kind: type, stock: type, spelt: str) -> Iterator[tuple[str, str, str]]:
    seen = set()
    for each in kind.__mro__:
        if each.__module__.partition(".")[0] != "sim":
            continue
        for name, method in vars(each).items():
            api = f"{spelt}.{name}"
            public = not name.startswith("_") and callable(method) and hasattr(stock, name)
            if public and name not in seen and api not in boundary.refusals:
                seen.add(name)
                yield api, first_sentence(method), each.__module__


def first_sentence(function: Callable[..., Any]) -> str:
    """Return what a docstring says first, without its full stop and on one line."""
    text = " ".join((function.__doc__ or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".")


def libraries() -> Iterator[tuple[str, str, str]]:
    """Yield the libraries that are taken over when they are imported."""
    for name, hook in thirdparty.HOOKS.items():
        yield f"{name} (when it is imported)", first_sentence(hook), hook.__module__


def _rows(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return table rows; names that stand side by side and share the rest share a row."""
    grouped: list[tuple[list[str], str, str]] = []
    for api, text, module in rows:
        if grouped and grouped[-1][1:] == (text, module):
            grouped[-1][0].append(api)
        else:
            grouped.append(([api], text, module))
    return "".join(
        f"| {' '.join(f'`{api}`' for api in apis)} | {text} | `{_file(module)}` |\n" for apis, text, module in grouped
    )


def _file(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def markdown() -> str:
    """Return the page; this process has been taken over."""
    replaced = takeover.replacements.items()
    taken = [(api, each.now, each.module) for api, each in replaced if each.now != takeover.REFUSED]
    stock = " ".join(f"`{name}`" for name in stock_loop_methods())
    kept = "".join(
        f"| `{module}` | {' '.join(f'`{name}`' for name in names.split())} | {why} |\n"
        for module, (why, names) in AS_IT_IS.items()
        if names
    )
    refused = ((api, each.mend, each.module) for api, each in boundary.refusals.items())
    return "".join(
        (
            _HEAD, _SIMULATED, _rows(loop_methods()), f"| {stock} | as in stock asyncio | `asyncio/base_events.py` |\n",
            _SOCKETS, _rows(socket_methods()), _TAKEN, _rows((*taken, *libraries())), _KEPT, kept,
            _REFUSED, _rows(refused),
        )
    )  # fmt: skip


def main() -> None:
    """Print the page, or with `--json` the names in it, for tests."""
    say = sys.stdout.write
    take_this_process_over()
    if "--json" in sys.argv:
        taken = {api: [each.now, each.module] for api, each in takeover.replacements.items()}
        say(json.dumps({"taken over": taken, "refused": [*boundary.refusals]}))
    else:
        say(markdown())


if __name__ == "__main__":
    main()
