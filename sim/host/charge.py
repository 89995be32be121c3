"""CPU time of the bot's functions, charged in virtual time: a call of a listed function costs what the table says."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any, Protocol

from sim.functions import MAIN, functions
from sim.host.machine import Machine
from sim.rng import Stream, Streams

_MARK = "windtunnel.charge "
"""Stands in the compiled code where the meter goes; followed by the function's name."""


class Cost(Protocol):
    """A time that is drawn anew for each call."""

    def draw(self, stream: Stream, *key: int | str | bytes) -> int:
        """Return nanoseconds."""
        ...


class Instrument(Protocol):
    """Whoever else puts something into the bot's code: preemption, `windtunnel profile`."""

    def covers(self, path: str) -> bool:
        """Say whether a file is to be compiled with it."""
        ...

    def instrument(self, tree: ast.Module, module: str) -> None:
        """Put marks, which are texts, into *tree*."""
        ...

    def constant(self, mark: str) -> object:
        """Return what stands for a mark; any other text stays itself."""
        ...


class Meter:
    """The account of one function: reading `charge` makes the machine owe the cost of one more call.

    A draw is keyed by the function and the ordinal of its call, so that no function's costs depend on another's calls.
    """

    __slots__ = ("_cost", "_machine", "_stream", "calls", "charged_ns", "name")

    def __init__(self, name: str, cost: Cost, machine: Machine, stream: Stream) -> None:
        self.name = name
        self._cost = cost
        self._machine = machine
        self._stream = stream
        self.calls = 0
        self.charged_ns = 0

    @property
    def charge(self) -> None:
        """Charge one call. An attribute because the compiler takes one of any constant without a word."""
        self.calls += 1
        cost_ns = self._cost.draw(self._stream, self.name, self.calls)
        self.charged_ns += cost_ns
        self._machine.debt_ns += cost_ns


class Charges:
    """The cost table of a bot, put into its code as its modules are compiled.

    The charge is the first statement of each listed function, compiled from a syntax tree in memory. So the function
    stays itself: signature, identity, decorators, coroutine or generator, line numbers. A coroutine or generator is
    charged once, when its body begins; a call that a decorator answers from a cache is not charged.

    Args:
        costs: by `module:function` or `module:Class.method`; `__main__` is the script.
    """

    def __init__(self, costs: Mapping[str, Cost], machine: Machine, streams: Streams) -> None:
        self.instruments: list[Instrument] = []
        self.meters = {name: Meter(name, cost, machine, streams.stream("bot.cpu")) for name, cost in costs.items()}

    def modules(self) -> set[str]:
        """Return the modules that have a listed function."""
        return {name.partition(":")[0] for name in self.meters}

    def covers(self, module: str, path: str) -> bool:
        """Say whether *module* is to be compiled from its source."""
        return module in self.modules() or any(each.covers(path) for each in self.instruments)

    def compile(self, source: bytes, path: str, module: str = MAIN) -> CodeType:
        """Return the code of *module* with its charges in place."""
        tree: Any = source
        if self.covers(module, path):
            tree = ast.parse(source, path)
            for name, function in list(functions(tree)):
                if f"{module}:{name}" in self.meters:
                    _put_charge(function, f"{module}:{name}")
            for each in self.instruments:
                each.instrument(tree, module)
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return self._metered(code)

    def _metered(self, code: CodeType) -> CodeType:
        """Return *code* with each mark replaced by its meter, in nested code too."""
        return code.replace(co_consts=tuple(self._constants(code.co_consts)))

    def _constants(self, constants: Iterable[Any]) -> Iterator[Any]:
        for each in constants:
            if isinstance(each, CodeType):
                yield self._metered(each)
            elif isinstance(each, str) and each.startswith(_MARK):
                yield self.meters[each.removeprefix(_MARK)]
            elif isinstance(each, str):
                yield self._constant(each)
            else:
                yield each

    def _constant(self, text: str) -> object:
        for each in self.instruments:
            found = each.constant(text)
            if found is not text:
                return found
        return text

    def finder(self) -> MetaPathFinder:
        """Return what must stand first on `sys.meta_path` while the bot flies."""
        return _Finder(self)


def _put_charge(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> None:
    first = function.body[0]
    has_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    place = function.body[1] if has_docstring and len(function.body) > 1 else first
    charge = ast.Expr(ast.Attribute(ast.Constant(_MARK + name), "charge", ast.Load()))
    function.body.insert(int(has_docstring), ast.fix_missing_locations(ast.copy_location(charge, place)))


class _Finder(MetaPathFinder):
    """Finds the modules that have a listed function or are the bot's own, before anybody else does."""

    def __init__(self, charges: Charges) -> None:
        self._charges = charges
        self._modules = charges.modules()
        self._foreign: set[str] = set()  # packages of others, whose modules nobody instruments

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the module's own spec with a loader that charges."""
        if name not in self._modules and name.partition(".")[0] in self._foreign:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if not self._charges.covers(name, spec.loader.path):
            if path is None:
                self._foreign.add(name)
            return None
        spec.loader = _Loader(name, spec.loader.path, self._charges)
        return spec


class _Loader(SourceFileLoader):
    """Compiles from source each time: what is cached on disk has no charges, and must get none."""

    def __init__(self, name: str, path: str, charges: Charges) -> None:
        super().__init__(name, path)
        self._charges = charges

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self._charges.compile(self.get_data(path), path, fullname)
