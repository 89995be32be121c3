"""What pydantic found wrong, said in the words of a scenario file and at its places."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from sim.scenario.document import KEY, Document, Path
from sim.scenario.source import Problem
from sim.scenario.values import ValueRefused, show, suggestion

Models = Mapping[int, type[BaseModel]]

_EXPECTED = {
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


def complaints(error: ValidationError, document: Document, data: Any, models: Models, patterns: Names) -> list[Problem]:
    """Return the problems that *error* holds, in the order of the file.

    Args:
        data: what was validated.
        models: the model that each map of *data* became, by its `id`.
        patterns: what a text that must match a pattern has to look like.
    """
    problems = []
    for found in error.errors(include_url=False):
        path, message = _explain(found, data, models, patterns)
        problems.append(document.problem(path, message))
    return sorted(problems, key=lambda problem: (problem.place.source.name, problem.place.line, problem.place.column))


Names = Mapping[str, str]


def _explain(found: Any, data: Any, models: Models, patterns: Names) -> tuple[Path, str]:
    kind, context = found["type"], found.get("ctx", {})
    path, value = _written(found["loc"], data)
    refused = context.get("error")
    if isinstance(refused, ValueRefused):
        return (*path, *refused.at), str(refused)
    if kind == "extra_forbidden":
        return (*path, KEY), _unknown_key(str(found["loc"][-1]), _at(data, path[:-1]), models)
    if kind == "missing":
        return path, f"'{found['loc'][-1]}' is missing"
    if kind in _EXPECTED:
        quotes = "; put it in quotes" if kind == "string_type" and isinstance(value, int | Decimal) else ""
        return path, f"expected {_EXPECTED[kind]}, found {show(value)}{quotes}"
    if kind == "string_pattern_mismatch":
        is_key = found["loc"][-1] == "[key]"
        text = str(found["loc"][-2]) if is_key else value
        wanted = patterns.get(context["pattern"], context["pattern"])
        return (*path, KEY) if is_key else path, f"{show(text)} is not {wanted}"
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        return _not_one_of(path, value, context)
    return path, _other(kind, str(found["msg"]), context)


def _other(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "union_tag_not_found":
        return f"{str(context.get('discriminator', 'kind')).strip(chr(39))} is missing"
    if kind == "too_short":
        return f"expected at least {context['min_length']}, found {context['actual_length']}"
    if kind == "too_long":
        return f"expected at most {context['max_length']}, found {context.get('actual_length')}"
    return message[:1].lower() + message[1:]


def _not_one_of(path: Path, value: Any, context: Mapping[str, Any]) -> tuple[Path, str]:
    if "expected_tags" in context:
        tag = str(context["discriminator"]).strip("'")
        path, value, wanted = (*path, tag), context["tag"], context["expected_tags"]
    else:
        wanted = context["expected"]
    options = [option.strip().strip("'") for option in wanted.replace(" or ", ", ").split(",")]
    options = ["true" if option == "True" else option for option in options]
    return path, f"{show(value)} is not one of {', '.join(options)}{suggestion(str(value), options)}"


def _unknown_key(key: str, parent: Any, models: Models) -> str:
    model = models.get(id(parent))
    if model is None:
        return f"unknown key '{key}'"
    keys = [field.alias or name for name, field in model.model_fields.items()]
    hint = suggestion(key, keys)
    return f"unknown key '{key}'{hint or '; keys here are ' + ', '.join(keys)}"


def _written(loc: tuple[str | int, ...], data: Any) -> tuple[Path, Any]:
    """Return the parts of pydantic's path that the file has, and the value there; union tags are passed over."""
    path: list[str | int] = []
    value: Any = data
    for part in loc:
        is_item = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if is_item or (isinstance(value, Mapping) and part in value):
            value = value[part]
            path.append(part)
    return tuple(path), value


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data
