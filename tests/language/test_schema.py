"""The JSON Schema that editors go by says what the loader says."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from engine.errors import Collector
from engine.language import source
from engine.language.catalog import Parameter
from engine.language.keys import ENTRIES, RUNBOOK
from engine.language.linking import plain
from engine.language.load import check_runbook
from engine.language.schema import runbook_schema
from engine.language.shape import shape_of
from engine.registry import Registry

sys.path.insert(0, str(Path(__file__).parent))

from catalog import SmallCatalog
from hostile import HERE, PACKS

CATALOG = SmallCatalog()
SCHEMA = runbook_schema(CATALOG)
GOLDEN = HERE / "golden"
VALID = sorted((HERE / "valid").glob("*.yaml"))
PACKED = [
    path
    for path in sorted(PACKS.glob("*/*.yaml"))
    if path.name != "contacts.yaml" and ".test." not in path.name
]

STRUCTURE = {
    *("RB100", "RB101", "RB102", "RB103", "RB104", "RB107", "RB110", "RB111", "RB112", "RB116"),
    *("RB304", "RB305", "RB306", "RB310", "RB311", "RB312", "RB301", "RB302"),
}
"""What a schema can say. The rest (names, order, safety, what a text means) only the loader can."""


def problems(schema, value):
    return list(jsonschema.Draft202012Validator(schema).iter_errors(value))


def tree(text):
    node = source.parse(text, "f.yaml", Collector())
    return None if node is None else plain(node)


def find(name):
    path = GOLDEN / "called" / f"{name.rpartition('/')[2]}.yaml"
    return (path.name, path.read_text()) if path.exists() else None


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_the_schema_takes_what_the_loader_takes(path):
    runbook, found = check_runbook("a/b", path.read_text(), path.name, CATALOG, find)
    assert runbook is not None, found
    assert problems(SCHEMA, tree(path.read_text())) == []


def structural() -> list[str]:
    """The golden files in which the loader finds something that a schema can say."""
    names = []
    for path in sorted(GOLDEN.glob("*.txt")):
        lines = path.read_text().splitlines()
        codes = {word for line in lines for word in line.split(" ") if word in STRUCTURE}
        in_this_file = any(line.startswith(f"{path.stem}.yaml:") for line in lines)
        if codes and in_this_file and not path.stem.startswith("source-"):
            names.append(path.stem)
    return names


@pytest.mark.parametrize("name", structural())
def test_the_schema_refuses_structural_mistakes(name):
    assert problems(SCHEMA, tree((GOLDEN / f"{name}.yaml").read_text())) != []


def test_every_mistake_in_one_key_is_refused_by_both():
    """Each key of the example with every key is misspelt in turn."""
    text = (HERE / "valid" / "every-key.yaml").read_text()
    for name in sorted({*RUNBOOK, *(name for keys in ENTRIES.values() for name in keys)}):
        wrong = text.replace(f" {name}:", f" {name}x:").replace(f"\n{name}:", f"\n{name}x:")
        assert wrong != text, name
        runbook, _ = check_runbook("a/b", wrong, "f.yaml", CATALOG, find)
        assert runbook is None, name
        assert problems(SCHEMA, tree(wrong)) != [], name


def test_a_template_may_stand_for_any_parameter():
    text = """
title: T
steps:
  - check: http.request
    target: api
    with: {timeout_s: "{{ 5 }}", codes: "{{ [200] }}", headers: {a: "{{ 1 }}"}}
  - check: http.request
    target: api
    with: {timeout_s: 5s, codes: [200, "{{ 5 }}"], headers: "{{ {} }}", method: "{{ 'GET' }}"}
"""
    assert problems(SCHEMA, tree(text)) == []
    assert check_runbook("a/b", text, "f.yaml", CATALOG, find)[1] == ()


def test_a_step_is_described_by_its_type_and_a_parameter_by_its_doc():
    check = SCHEMA["$defs"]["check"]
    [const] = [one for one in check["properties"]["check"]["anyOf"] if one["const"] == "redis.info"]
    assert const["description"] == "What INFO says"
    [rule] = [
        one for one in check["allOf"] if one["if"]["properties"]["check"] == {"const": "redis.info"}
    ]
    section = rule["then"]["properties"]["with"]["properties"]["section"]
    assert section["description"] == "of INFO"
    assert section["default"] == "default"


def test_a_parameter_without_a_doc_is_described_by_its_shape():
    from engine.language.catalog import StepSignature  # noqa: PLC0415 - of this test only

    signature = StepSignature("a.b", "check", "reads", {"n": Parameter("n", shape_of(int), True)})
    schema = runbook_schema(SmallCatalog([signature]))
    [rule] = schema["$defs"]["check"]["allOf"]
    assert rule["then"]["properties"]["with"]["properties"]["n"]["description"] == "a whole number"


def test_without_any_step_type_no_check_is_taken():
    schema = runbook_schema(SmallCatalog([]))
    assert problems(schema, {"title": "T", "steps": [{"check": "a.b"}]}) != []
    assert problems(schema, {"title": "T", "steps": [{"wait": "1m"}]}) == []


@cache
def registry():
    return Registry()


def packed(name):
    path = PACKS / f"{name}.yaml"
    return (str(path), path.read_text()) if path.exists() else None


@pytest.mark.parametrize("path", PACKED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_runbook_of_ours_fits_the_schema_and_has_no_fault(path):
    name = f"{path.parent.name}/{path.stem}"
    runbook, found = check_runbook(name, path.read_text(), path.name, registry(), packed)
    assert found == ()
    assert runbook is not None
    assert problems(runbook_schema(registry()), tree(path.read_text())) == []
