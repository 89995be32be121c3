"""What the bot sees in `sys.modules`: its own imports, and nothing of the world's."""

from __future__ import annotations

import logging
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from sim.host.thirdparty import Hook

OURS = ("sim", "reports")
"""Packages of the harness: hidden from the bot for good, so that its own packages may have these names."""


class HiddenModules(MetaPathFinder, Loader):
    """Modules that the world has loaded, out of sight until the bot imports them itself.

    A library that both use is loaded once: the bot's `import aiohttp` finds the module that the world's servers run
    on. Loading it twice would break its C extensions, which keep the classes of their first import.
    """

    def __init__(self, known: frozenset[str], hooks: dict[str, Hook]) -> None:
        self._hidden: dict[str, ModuleType] = {}
        self._known = known
        self._hooks = hooks
        self._ours: dict[str, ModuleType] = {}
        self._loggers: dict[str, logging.Logger | logging.PlaceHolder] = {}

    def hide(self) -> None:
        """Take everything out of `sys.modules` that a bare interpreter would not have loaded, and watch imports."""
        for name, hook in self._hooks.items():
            if name in sys.modules:
                hook(sys.modules[name])
        for name in list(sys.modules):
            top = name.partition(".")[0]
            if top in OURS:
                self._ours[name] = sys.modules.pop(name)
            elif name not in self._known and top not in sys.stdlib_module_names:
                self._hidden[name] = sys.modules.pop(name)
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] not in sys.stdlib_module_names:
                self._loggers[name] = logging.root.manager.loggerDict.pop(name)
        sys.meta_path.insert(0, self)
        self._at_start = (frozenset(sys.modules), dict(self._hidden), dict(self._loggers))

    def rewind(self) -> dict[str, ModuleType]:
        """Return to what `hide` left, and return the modules that are gone with it, lest they die.

        The standard library stays as the bot has loaded it. What the world has loaded is hidden again and stays what
        it is; so are packages with compiled parts, most of which load once a process, and what these refer to.
        """
        names, hidden, loggers = self._at_start
        gone = {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if name not in names and name.partition(".")[0] not in sys.stdlib_module_names
        }
        self._hidden = {**_compiled(gone), **hidden}
        self._loggers = dict(loggers)
        return gone

    def loggers(self) -> list[logging.Logger | logging.PlaceHolder]:
        """Return the loggers of hidden modules, as they were at the start."""
        return list(self._at_start[2].values())

    def restore(self) -> None:
        """Give the harness its modules back after the bot has ended."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        sys.modules.update(self._hidden)
        sys.modules.update(self._ours)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Answer for a hidden module, unless the bot has another of that name earlier on its path."""
        module = self._hidden.get(name)
        if module is None:
            return self._hooked_spec(name, path)
        if path is None and _origin(PathFinder.find_spec(name)) != _origin(module.__spec__):
            for other in [n for n in self._hidden if n == name or n.startswith(name + ".")]:
                del self._hidden[other]
            return None
        spec = ModuleSpec(name, self, origin=_origin(module.__spec__))
        if hasattr(module, "__path__"):
            spec.submodule_search_locations = list(module.__path__)
        return spec

    def _hooked_spec(self, name: str, path: Any) -> ModuleSpec | None:
        if name not in self._hooks:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _HookedLoader(spec.loader, self._hooks[name])
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that is already there."""
        self._spec = self._hidden[spec.name].__spec__
        return self._hidden[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Show the module, and with it all that importing it would have loaded."""
        name = module.__spec__.name if module.__spec__ is not None else module.__name__
        module.__spec__ = self._spec
        self._show(name)

    def _show(self, name: str) -> None:
        wanted = [name]
        while wanted:
            each = wanted.pop()
            top = each.partition(".")[0]
            for other in [n for n in self._hidden if n == top or n.startswith(top + ".")]:
                module = self._hidden.pop(other)
                sys.modules.setdefault(other, module)
                wanted.extend(_mentions(module) & self._hidden.keys())
            for other in [n for n in self._loggers if n == top or n.startswith(top + ".")]:
                logging.root.manager.loggerDict.setdefault(other, self._loggers.pop(other))


class _HookedLoader(Loader):
    def __init__(self, loader: Any, hook: Hook) -> None:
        self._loader = loader
        self._hook = hook

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._hook(module)


def _compiled(modules: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """Return those of *modules* whose package has compiled parts, and all that such packages refer to."""
    tops = {name for name, module in modules.items() if "." not in name and _has_compiled_parts(module)}
    wanted = list(tops)
    while wanted:
        top = wanted.pop()
        for name, module in modules.items():
            if name.partition(".")[0] == top:
                more = {each.partition(".")[0] for each in _mentions(module) if each in modules} - tops
                tops |= more
                wanted.extend(more)
    return {name: module for name, module in modules.items() if name.partition(".")[0] in tops}


def _has_compiled_parts(module: ModuleType) -> bool:
    """Say whether *module* is an extension, or a package with one, or with a library that cffi loads."""
    if isinstance(getattr(module.__spec__, "loader", None), ExtensionFileLoader):
        return True
    return any(next(Path(folder).rglob("*.so"), None) is not None for folder in getattr(module, "__path__", ()))


def _mentions(module: ModuleType) -> set[str]:
    names = set()
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str):
            names.add(name)
    return names


def _origin(spec: ModuleSpec | None) -> str | None:
    if spec is None:
        return None
    return spec.origin or (str(list(spec.submodule_search_locations)) if spec.submodule_search_locations else None)
