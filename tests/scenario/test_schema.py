"""The JSON Schema accepts what the loader accepts, and editors find with it what the loader would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from sim.scenario.schema import DRAFT, json_schema
from tests.scenario.test_resolved import FULL

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
SHIPPED = sorted(SCENARIOS.rglob("*.yaml"))


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_it_is_a_schema_of_draft_7() -> None:
    """Editors know draft 7 best."""
    schema = json_schema()

    Draft7Validator.check_schema(schema)

    assert schema["$schema"] == DRAFT
    assert "$defs" not in str(schema)


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_scenarios_satisfy_it(path: Path) -> None:
    """Every scenario that comes along is valid."""
    assert not list(Draft7Validator(json_schema()).iter_errors(read(path.read_text())))


def test_every_form_of_value_satisfies_it() -> None:
    """Units, distributions, lists of instants and both forms of threshold are known."""
    assert not list(Draft7Validator(json_schema()).iter_errors(read(FULL)))


@pytest.mark.parametrize(
    "text",
    [
        "duraton: 5s",
        "duration: 60",
        "duration: 60 secs",
        "chain: {slot: 2 gwei}",
        "nodes: {A: {}}",
        "nodes: {a: {latency: {dist: lognormal, median: 1ms}}}",
        "faults: [{id: x, kind: reorgg, at: 1s}]",
        "faults: [{id: x, kind: partition, at: 1s}]",
        "thresholds: {a: count==0}",
        "thresholds: {a: []}",
        "seed: -1",
        "bot: {stop: {signal: SIGKILL}}",
    ],
)
def test_what_the_loader_refuses_it_refuses_too(text: str) -> None:
    """Wrong keys, units, names, kinds and missing keys of list items are underlined."""
    assert list(Draft7Validator(json_schema()).iter_errors(read(text)))


@pytest.mark.parametrize("text", ["nodes: {a: null}", "duration:", "market: {flow: null}", "bot: {entry: null}"])
def test_null_deletes_so_it_is_allowed(text: str) -> None:
    """A file that extends another may delete any key."""
    assert not list(Draft7Validator(json_schema()).iter_errors(read(text)))


def test_every_key_is_described() -> None:
    """An editor shows what each key is for; the text is the model's own."""
    schema = json_schema()
    models = [schema, *schema["definitions"].values()]

    assert not [
        (model.get("title"), key)
        for model in models
        for key, part in model.get("properties", {}).items()
        if "description" not in part
    ]


def test_every_key_stands_in_the_reference() -> None:
    """`docs/scenario.md` leaves no key out."""
    reference = (SCENARIOS.parent / "docs" / "scenario.md").read_text()
    schema = json_schema()
    keys = {key for model in [schema, *schema["definitions"].values()] for key in model.get("properties", {})}

    assert not {key for key in keys if f"`{key}`" not in reference}
