"""The CPU costs of a bot's functions: the table in the scenario or in a file, and whether what it names is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sim.errors import ScenarioError
from sim.functions import MAIN, find_module, functions
from sim.scenario.source import Source, anchor
from sim.scenario.tree import compose, plain
from sim.scenario.values import ValueRefused, suggestion

FUNCTION_NAME_PATTERN = r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*$"
TABLE_BYTES_MAX = 1 << 20
_SHOWN_MAX = 8


def _table(raw: object) -> object:
    """Return the table that a path names; a table stays itself."""
    if not isinstance(raw, str):
        return raw
    file = anchor(raw)
    try:
        if file.stat().st_size > TABLE_BYTES_MAX:
            raise ValueRefused(f"{file} is larger than {TABLE_BYTES_MAX} bytes")
        text = file.read_text(encoding="utf-8")
        tree = compose(text, Source(raw, file.parent, tuple(text.split("\n"))))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueRefused(f"cannot read {file}: {reason}") from None
    except ScenarioError as error:
        raise ValueRefused(str(error)) from None
    table = None if tree is None else plain(tree)
    if not isinstance(table, Mapping):
        raise ValueRefused(f"{file} holds no table; expected lines such as bot.strategy:decide: 2ms")
    return table


def _or_path(schema: dict[str, Any]) -> None:
    """Let a schema of the table be the path of a file, too."""
    table = {key: schema.pop(key) for key in list(schema) if key not in ("title", "description", "default")}
    schema["anyOf"] = [table, {"type": "string"}]


FunctionName = Annotated[str, Field(pattern=FUNCTION_NAME_PATTERN)]
TABLE = BeforeValidator(_table)
TABLE_SCHEMA: Any = Field(json_schema_extra=_or_path)


def source_of(module: str, script: Path | None, path: Path) -> Path | None:
    """Return the Python source of a module of the bot or of a library it has, without importing anything."""
    if module == MAIN:
        return script
    roots = [path] if script is None else [script.parent, path]
    found = find_module(module, roots)
    if found is not None:
        return found
    try:
        spec = find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    inside = spec.submodule_search_locations
    return find_module(module, [Path(spec.origin).parent.parent if inside else Path(spec.origin).parent])


def unknown_functions(costs: Mapping[str, Any], script: Path | None, path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of *costs* that names no function, with what is wrong."""
    for name in costs:
        module, _, function = name.partition(":")
        file = source_of(module, script, path)
        if file is None:
            yield name, _no_module(module, script, path)
            continue
        try:
            there = dict.fromkeys(known for known, _ in functions(ast.parse(file.read_bytes())))
        except (OSError, SyntaxError, ValueError) as error:
            yield name, f"cannot read the functions of {file}: {error}"
            continue
        if function not in there:
            shown = ", ".join(list(there)[:_SHOWN_MAX]) + (", ..." if len(there) > _SHOWN_MAX else "")
            hint = suggestion(function, there) or (f"; it has {shown}" if there else "; it has none")
            yield name, f"{file.name} of module '{module}' defines no function '{function}'{hint}"


def _no_module(module: str, script: Path | None, path: Path) -> str:
    if module == MAIN:
        return f"'{MAIN}' is the script, and this bot has an entry; name the module"
    roots = [path] if script is None else [script.parent, path]
    package = find_module(module.rpartition(".")[0], roots) if "." in module else None
    folders = [package.parent] if package is not None else roots
    prefix = f"{module.rpartition('.')[0]}." if package is not None else ""
    there = [
        f"{prefix}{each.stem}"
        for folder in folders
        if folder.is_dir()
        for each in sorted(folder.iterdir())
        if each.suffix == ".py" or (each / "__init__.py").is_file()
    ]
    return f"no Python source of a module '{module}' in {' or '.join(map(str, roots))}{suggestion(module, there)}"
