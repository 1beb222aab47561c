"""JSON Schema (draft 2020-12) of scenario files, for editors: made of the table the reader uses."""

from __future__ import annotations

from typing import Any

from engine.scenario.read import KEYS, SCENARIOS_MAX


def scenario_schema() -> dict[str, Any]:
    """The schema of a `<runbook>.test.yaml`."""
    scenario = {
        "type": "object",
        "properties": {name: {"description": key.doc, **key.schema} for name, key in KEYS.items()},
        "required": [name for name, key in KEYS.items() if key.needed is not None],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenarios",
        "description": "What the steps of a runbook find, and what must come of it",
        "type": "object",
        "properties": {
            "scenarios": {"type": "array", "items": scenario, "maxItems": SCENARIOS_MAX}
        },
        "additionalProperties": False,
    }
