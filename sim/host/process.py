"""The bot's process as its program finds it: kept at the start, lost when it crashes, made anew for the next start."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterable
from concurrent.futures import thread as pools
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from sim.host import machine as machines
from sim.host.connection import SILENT, Connection
from sim.host.loop import SimLoop
from sim.host.modules import HiddenModules
from sim.host.net import Network
from sim.host.output import CapturedOutput
from sim.host.signals import SignalDesk
from sim.host.sockets import SocketDesk
from sim.host.threads import Baton

_HOOKS = ("breakpointhook", "displayhook", "excepthook", "stdin", "unraisablehook")
_LISTS = ("argv", "meta_path", "path", "path_hooks")
_NOT_REWOUND = {"builtins", "gc", "sys", "warnings", "__main__"}
"""Modules whose globals are the interpreter's own affair; what a program may change there is kept by name."""


class Process:
    """What a crash takes and a start gives.

    A crashed program's stack, threads, tasks and modules stay where they are, referred to for good: nothing of it runs
    again, no `finally`, no `__del__`, no `atexit`. What the next start finds anew: modules of the bot and of libraries
    in pure Python, globals of the standard library, logging, signals, threads, loops, standard output, environment and
    working directory. Libraries that the world runs on, and those with compiled parts, keep their modules.
    """

    def __init__(
        self,
        baton: Baton,
        network: Network,
        kernel: SocketDesk,
        desk: SignalDesk,
        modules: HiddenModules,
        output: CapturedOutput,
    ) -> None:
        self._baton = baton
        self._network = network
        self._kernel = kernel
        self._desk = desk
        self._modules = modules
        self._output = output
        self._grave: list[object] = []
        self._silent: list[Connection] = []
        self._keep()

    def _keep(self) -> None:
        self._environ, self._cwd, self._umask = dict(os.environ), Path.cwd(), os.umask(0)
        os.umask(self._umask)
        self._hooks = {name: getattr(sys, name) for name in _HOOKS}
        self._lists = {name: list(getattr(sys, name)) for name in _LISTS}
        self._recursion_limit = sys.getrecursionlimit()
        self._filters = list(warnings.filters)
        self._globals = [(module, dict(vars(module))) for module in _stdlib()]
        self._log_level = logging.root.level

    # The crash --------------------------------------------------------------------------------------------------

    def lose(self, loops: Iterable[SimLoop], silent: bool) -> None:
        """Let nothing of the program run any more.

        Args:
            loops: the program's.
            silent: whether its peers hear nothing until it is back (a power cut); else their connections are reset, as
                the kernel does for a process that was killed.
        """
        for loop in (*loops, *self._kernel.loops()):
            loop._running = False
            if loop._pump_at is not None:
                loop._pump_at[1].cancel()
                loop._pump_at = None
            self._grave.append(loop)
        self._grave += [self._baton.abandon(), self._desk.forget_all(), self._kernel.power_off()]
        self._cut_connections(silent)
        machine = self._baton.machine
        self._grave.append(machine.resting[:])
        machine.resting.clear()
        machine.debt_ns = 0
        self._output.finish()
        self._grave.append((sys.stdout, sys.stderr, dict(sys.modules)))
        gc.freeze()

    def _cut_connections(self, silent: bool) -> None:
        network = self._network
        for connection in list(network.connections.values()):
            for side, end in enumerate(connection.ends):
                if end._loop.machine.site != network.bot_site or end._lost:
                    continue
                if not silent:
                    connection.send_reset(side)
                elif connection.stale is None:
                    connection.stale = SILENT
                    self._silent.append(connection)
                end._pending.clear()
                end._unread.clear()
                end._closing = end._lost = True
                self._grave.append(end)
                connection.closed(side)
        for listener in [each for each in network.listeners.values() if each.loop.machine.site == network.bot_site]:
            network.close_listener(listener)
            self._grave.append(listener)
        for port in [each for each in network.datagram_ports if each[0] == network.bot_site]:
            self._grave.append(network.datagram_ports.pop(port))

    # The next start ---------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Give the next start what a fresh process has; who still sends to the last one's connections is reset."""
        for connection in self._silent:
            connection.stale = None
        self._silent.clear()
        machines.running = self._baton.machine
        asyncio._set_running_loop(None)
        sys.set_asyncgen_hooks(None, None)
        sys.set_coroutine_origin_tracking_depth(0)
        self._renew_interpreter()
        self._renew_threading()
        self._renew_logging()
        self._grave.append(self._modules.rewind())
        os.environ.clear()
        os.environ.update(self._environ)
        os.chdir(self._cwd)
        os.umask(self._umask)
        self._output.start()

    def _renew_interpreter(self) -> None:
        for name, hook in self._hooks.items():
            self._grave.append(getattr(sys, name))
            setattr(sys, name, hook)
        for name, values in self._lists.items():
            self._grave.append(list(getattr(sys, name)))
            getattr(sys, name)[:] = values
        sys.setrecursionlimit(self._recursion_limit + _depth())  # the stack of the last program is beneath
        sys.path_importer_cache.clear()
        importlib.invalidate_caches()
        bootstrap: Any = importlib._bootstrap
        self._grave.append((bootstrap._module_locks, bootstrap._blocking_on))
        bootstrap._module_locks, bootstrap._blocking_on = {}, type(bootstrap._blocking_on)()
        self._grave.append(list(warnings.filters))
        warnings.filters[:] = self._filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]
        for module, names in self._globals:
            self._grave.append(dict(vars(module)))
            vars(module).update(names)

    def _renew_threading(self) -> None:
        main = threading.main_thread()
        active: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
        self._grave.append(dict(active))
        for ident in [ident for ident, thread in active.items() if thread is not main]:
            del active[ident]
        for name in ("_limbo", "_shutdown_locks", "_dangling"):
            left = getattr(threading, name, None)
            if left is not None:
                self._grave.append(list(left))
                left.clear()
        threading._dangling.add(main)  # type: ignore[attr-defined]
        executors: Any = pools
        self._grave.append(dict(executors._threads_queues))
        executors._threads_queues = WeakKeyDictionary()
        executors._global_shutdown_lock = threading.Lock()
        executors._shutdown = False

    def _renew_logging(self) -> None:
        root, registry = logging.root, logging.root.manager.loggerDict
        self._grave.append((dict(registry), root.handlers[:], logging._handlerList[:]))  # type: ignore[attr-defined]
        logging._handlerList.clear()  # type: ignore[attr-defined]
        for name in [name for name in registry if name.partition(".")[0] not in sys.stdlib_module_names]:
            del registry[name]
        for logger in (root, *registry.values(), *self._modules.loggers()):
            if isinstance(logger, logging.Logger):
                self._grave.append((logger.handlers, logger.filters))
                logger.handlers, logger.filters = [], []
                logger.propagate, logger.disabled = True, False
                logger.setLevel(self._log_level if logger is root else logging.NOTSET)
        logging.disable(logging.NOTSET)


def _stdlib() -> list[ModuleType]:
    """Return the modules of the standard library whose globals a program may have changed."""
    return [
        module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in sys.stdlib_module_names
        and name not in _NOT_REWOUND
        and not name.startswith(("_", "importlib"))
        and isinstance(module, ModuleType)
    ]


def _depth() -> int:
    depth, frame = 0, sys._getframe(1)
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    return depth
