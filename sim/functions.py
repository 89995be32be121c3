"""The functions that a Python source defines, read from its text: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef

MAIN = "__main__"
"""What a program calls the script it was started with."""


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield every function with its dotted name: `decide`, `Trader.run`, `outer.inner`; a name may occur again."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}."
            if not isinstance(node, ast.ClassDef):
                yield prefix + node.name, node
        yield from functions(node, name)


def find_module(module: str, roots: list[Path]) -> Path | None:
    """Return the source of *module* below the first of *roots* that has it."""
    for root in roots:
        stem = root.joinpath(*module.split("."))
        for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if file.is_file():
                return file
    return None
