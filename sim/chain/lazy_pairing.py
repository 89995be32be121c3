"""py_ecc's pairings, loaded when a precompile first needs one: they check themselves at import, for half a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

PAIRINGS = (
    "optimized_bn128.optimized_pairing",
    "optimized_bls12_381.optimized_pairing",
    "bls12_381.bls12_381_pairing",  # web3.py loads it by way of its key files, so a bot's start waits for it, too
)
NAMES = ("pairing", "final_exponentiate", "normalize1")


def install() -> None:
    """Put a stand-in for each curve's pairing module where importing py_ecc will find it, unless it is loaded."""
    package = find_spec("py_ecc")
    if package is None or package.submodule_search_locations is None:
        return
    for each in PAIRINGS:
        name = f"py_ecc.{each}"
        if name not in sys.modules:
            folders = [f"{folder}/{each.partition('.')[0]}" for folder in package.submodule_search_locations]
            sys.modules[name] = _stand_in(name, folders)


def _stand_in(name: str, folders: list[str]) -> ModuleType:
    module = ModuleType(name, "Loads the module of this name at the first call.")
    loaded: list[ModuleType] = []

    def real(attribute: str) -> Any:
        if attribute.startswith("__"):  # the import machinery asks every module for `__path__`
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        if not loaded:
            loaded.append(_load(name, folders))
        return getattr(loaded[0], attribute)

    def function(called: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return real(called)(*args, **kwargs)

        call.__name__ = call.__qualname__ = called
        return call

    for each in NAMES:
        setattr(module, each, function(each))
    module.__getattr__ = real  # type: ignore[method-assign]  # PEP 562
    return module


def _load(name: str, folders: list[str]) -> ModuleType:
    spec = PathFinder.find_spec(name, folders)
    assert spec is not None, f"{name} is part of py_ecc"
    assert spec.loader is not None, f"{name} has a loader"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
