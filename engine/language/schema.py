"""JSON Schema of runbooks (draft 2020-12), for editors: completion, descriptions, mistakes.

Made of the tables the loader reads by (`keys`) and of the signatures of the catalog, so it knows
every key and every parameter, and no others. What a schema cannot say (names, order, safety) the
loader says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from engine.language.catalog import Catalog, Kind, Parameter, StepSignature
from engine.language.fields import Schema
from engine.language.keys import ENTRIES, RUNBOOK
from engine.language.tables import table_schema

_TEMPLATE: Final[Schema] = {"type": "string", "pattern": r"\{[{%#]"}
"""Where a value may be a template, any text with one in it will do; the run judges the rest."""

KINDS: Final[tuple[Kind, ...]] = ("check", "action")

MATCHERS: Final = (
    "eq", "ne", "lt", "le", "gt", "ge", "between", "in", "not_in", "matches", "contains",
    "starts_with", "length", "every", "some", "exists", "type", "all", "any", "not",
)  # fmt: skip


def runbook_schema(catalog: Catalog) -> dict[str, Any]:
    """The schema of a runbook with the step types of this catalog."""
    signatures = [
        found
        for name in sorted(catalog.types())
        for kind in KINDS
        if (found := catalog.get(name, kind)) is not None
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Runbook",
        "description": "A runbook: checks, actions and escalations, in order",
        **table_schema(RUNBOOK),
        "$defs": {
            "block": {"type": "array", "items": {"$ref": "#/$defs/entry"}, "minItems": 1},
            "entry": _entry(),
            "expectation": _expectation(),
            **{kind: _kind(kind, signatures) for kind in ENTRIES},
        },
    }


def _entry() -> Schema:
    """One entry: which one is told by its key. With `if` an editor speaks of that one only.

    Without `properties` here, or editors would offer all ten in an entry that is one already.
    """
    kinds = list(ENTRIES)
    named: list[Schema] = [{"required": [kind]} for kind in kinds]
    return {
        "type": "object",
        "description": f"One step: exactly one of {', '.join(kinds)}",
        "anyOf": named,
        "allOf": [{"if": _is(kind), "then": {"$ref": f"#/$defs/{kind}"}} for kind in kinds],
    }


def _is(kind: str) -> Schema:
    """An entry with this key; `wait` is also a key of `escalate`."""
    if kind != "wait":
        return {"required": [kind]}
    return {"required": ["wait"], "not": {"required": ["escalate"]}}


def _kind(kind: str, signatures: Iterable[StepSignature]) -> Schema:
    found = {"title": kind, **table_schema(ENTRIES[kind])}
    if kind not in {"check", "action"}:
        return found
    own = [signature for signature in signatures if signature.kind == kind]
    doc = found["properties"][kind]["description"]
    found["properties"][kind] = {
        "description": doc,
        "anyOf": [_type(s) for s in own] or [{"not": {}}],
    }
    found["allOf"] = [_with(kind, signature) for signature in own]
    return found


def _type(signature: StepSignature) -> Schema:
    return {"const": signature.type, "title": signature.type, "description": signature.doc}


def _with(kind: str, signature: StepSignature) -> Schema:
    """What a step of this type has besides: its parameters, its target."""
    parameters = signature.parameters.values()
    required = [p.name for p in parameters if p.required]
    with_: Schema = {
        "type": "object",
        "title": signature.type,
        "description": signature.doc,
        "properties": {p.name: _parameter(p) for p in parameters},
        "additionalProperties": False,
    }
    if required:
        with_["required"] = required
    then: Schema = {"properties": {"with": with_}}
    needed = (["with"] if required else []) + (["target"] if signature.takes_target else [])
    if needed:
        then["required"] = needed
    if not signature.takes_target:
        then["properties"]["target"] = False
    if kind == "action" and not signature.counts:
        then["properties"]["max_affected"] = False
    return {
        "if": {"properties": {kind: {"const": signature.type}}, "required": [kind]},
        "then": then,
    }


def _parameter(parameter: Parameter) -> Schema:
    doc = parameter.doc or parameter.shape.describe()
    found: Schema = {"title": parameter.name, "description": doc}
    if not parameter.required and _is_json(parameter.default):
        found["default"] = parameter.default
    return found | with_templates(parameter.shape.json_schema())


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list | dict)


def with_templates(schema: Schema) -> Schema:
    """The schema of a value any part of which may be a template."""
    inner = dict(schema)
    if not inner or inner == {"type": "string"}:
        return inner
    for key in ("items", "additionalProperties"):
        if isinstance(inner.get(key), dict):
            inner[key] = with_templates(inner[key])
    if isinstance(inner.get("properties"), dict):
        inner["properties"] = {k: with_templates(v) for k, v in inner["properties"].items()}
    for key in ("anyOf", "oneOf"):
        if isinstance(inner.get(key), list):
            return inner | {key: [*(with_templates(one) for one in inner[key]), _TEMPLATE]}
    return {"anyOf": [inner, _TEMPLATE]}


def _expectation() -> Schema:
    """An expression, or a mapping from paths to matchers, of which the loader says more."""
    return {
        "description": "An expression, or a mapping from a path in the result to a literal or one "
        f"of {', '.join(MATCHERS)}",
        "anyOf": [{"type": ["string", "boolean"]}, {"type": "object", "minProperties": 1}],
    }
