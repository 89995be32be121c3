"""The JSON Schema of a scenario file, for editors and other programs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel

from sim.scenario.fields import Strict
from sim.scenario.model import Scenario

DRAFT = "http://json-schema.org/draft-07/schema#"
_NULL = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """Return the schema, draft 7.

    A file that extends another holds only a part, and null deletes what it inherits, so no key of a map is required
    and each may be null; the items of lists are checked in full.
    """
    schema = Scenario.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions = schema.pop("$defs")
    described = dict(_descriptions())
    in_lists = set(_models_in_lists({**definitions, "Scenario": schema}))
    for name, definition in [("Scenario", schema), *definitions.items()]:
        for key, part in definition.get("properties", {}).items():
            part.pop("title", None)
            if (name, key) in described:
                part["description"] = described[name, key]
        if name not in in_lists:
            _loosen(definition)
    schema["properties"] = {
        "extends": {"type": "string", "description": "A scenario that this one changes; relative to this file."},
        **schema["properties"],
    }
    definitions["Rule"] = {"anyOf": [{"type": "string", "minLength": 1}, definitions["Rule"]]}
    schema["title"] = "Windtunnel scenario"
    return {"$schema": DRAFT, **_draft7(schema), "definitions": _draft7(definitions)}


def _loosen(definition: dict[str, Any]) -> None:
    """Let every key of a map be left out or null."""
    definition.pop("required", None)
    for key, part in definition.get("properties", {}).items():
        definition["properties"][key] = _or_null(part)
        for form in (part, *part.get("anyOf", [])):
            if isinstance(form.get("additionalProperties"), dict):
                form["additionalProperties"] = _or_null(form["additionalProperties"])
            for pattern, inner in form.get("patternProperties", {}).items():
                form["patternProperties"][pattern] = _or_null(inner)


def _or_null(part: dict[str, Any]) -> dict[str, Any]:
    if _NULL in part.get("anyOf", []):
        return part
    description = {"description": part["description"]} if "description" in part else {}
    return {**description, "anyOf": [{k: v for k, v in part.items() if k != "description"}, _NULL]}


def _draft7(value: Any) -> Any:
    """Return *value* without what draft 7 does not know: keywords beside `$ref`, discriminators, defaults."""
    if isinstance(value, list):
        return [_draft7(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _draft7(item) for key, item in value.items() if key not in ("discriminator", "default")}
    if kept.get("type") == "array" and "minLength" in kept:  # pydantic takes a validated list for a text
        kept["minItems"] = kept.pop("minLength")
    if isinstance(kept.get("patternProperties"), dict):
        kept.setdefault("additionalProperties", False)
    if "$ref" in kept and len(kept) > 1:
        return {"allOf": [{"$ref": kept.pop("$ref")}], **kept}
    return kept


def _models_in_lists(value: Any, in_list: bool = False) -> Iterator[str]:
    """Yield the names of the models that stand in lists, where nothing is merged."""
    if isinstance(value, dict):
        if in_list and "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for key, item in value.items():
            yield from _models_in_lists(item, in_list or key == "items")
    elif isinstance(value, list):
        for item in value:
            yield from _models_in_lists(item, in_list)


def _descriptions() -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the text under each field of each model, by model and key, from the source."""
    for model in _descendants(Strict):
        aliases = {name: field.alias or name for name, field in model.model_fields.items()}
        for owner in reversed(model.__mro__[: model.__mro__.index(Strict)]):
            for name, text in _field_texts(owner):
                yield (model.__name__, aliases[name]), text


def _field_texts(model: type) -> Iterator[tuple[str, str]]:
    (definition,) = ast.parse(dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    for statement in pairwise(definition.body):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, text


def _descendants(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)
