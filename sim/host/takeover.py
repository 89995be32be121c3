"""What of this process is not the interpreter's own: every replacement is made through here, so their list is whole."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Row = tuple[Any, str, Any, str]
"""An owner (a module or a class), the name of its attribute, what it is from now on, and what that does."""

REFUSED = "is refused"


@dataclass(frozen=True, slots=True)
class Replacement:
    """One name that means something else from now on.

    Args:
        owner, name, value: the attribute, and what it is now.
        now: what it does, in a few words.
        module: the module of ours that took it over.
    """

    owner: Any
    name: str
    value: Any
    now: str
    module: str


replacements: dict[str, Replacement] = {}
"""Everything that was taken over in this process, by the name that a program says; `sim/host/table.py` prints it."""


def take_over(rows: Iterable[Row]) -> dict[int, tuple[Any, Any]]:
    """Replace attributes for good. Those that this version of Python does not have are only noted.

    Returns:
        By the id of what each was: that (so that its id stays its own), and what it became.
    """
    by_real = {}
    for owner, name, value, now in rows:
        if hasattr(owner, name):
            real = getattr(owner, name)
            by_real[id(real)] = (real, value)
            setattr(owner, name, value)
        note(owner, name, value, now, sys._getframe(1).f_globals["__name__"])
    return by_real


def note(owner: Any, name: str, value: Any, now: str, module: str) -> None:
    """Note a replacement that `setattr` cannot make."""
    path = owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__qualname__}"
    replacements[f"{path}.{name}"] = Replacement(owner, name, value, now, module)


def replace_aliases(module: object, by_real: dict[int, tuple[Any, Any]]) -> None:
    """Replace every global of *module* that is one of the real functions; our own modules keep theirs.

    Args:
        by_real: what `take_over` returned.
    """
    if not isinstance(module, ModuleType) or module.__name__.partition(".")[0] == "sim":
        return
    for key, value in list(vars(module).items()):
        found = by_real.get(id(value))
        if found is not None:
            setattr(module, key, found[1])


def replace_all_aliases(by_real: dict[int, tuple[Any, Any]]) -> None:
    """Replace the aliases in every module that is loaded."""
    for module in list(sys.modules.values()):
        replace_aliases(module, by_real)
