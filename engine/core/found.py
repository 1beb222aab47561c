"""What a step found, as it is told to somebody who is called.

Their telephone shows a line of it, and they do not know how our results are built: what a field is
called is said where that says something (`previous 8c1b2e`), and what is all that there is
(`value`, `stdout`) is said alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from engine.core.brief import named_fields, show, stem, worth_saying
from engine.core.cells import clean
from engine.core.scope import view_of
from engine.core.state import State
from engine.core.tree import StepState
from engine.language.duration import format_duration

COUNTED = re.compile(r"\d+ fields?")

NAMED_MAX = 256
"""Runbooks of which is kept what fields they name. A bound, not a need."""

WHOLE: Mapping[str, str] = {
    "answer": "",
    "json": "",
    "lines": "line",
    "matches": "match",
    "rows": "row",
    "stdout": "",
    "text": "",
    "value": "",
    "values": "value",
}
"""Fields that hold all of an answer, which need no name, and what many of them are called."""

UNIT_S: Mapping[str, float] = {"_s": 1.0, "_ms": 0.001, "_us": 0.000_001}
"""Ends of names that are a unit of time, in seconds."""

_ITEMS = re.compile(r"(\d+) items?")


def found(state: State, step: StepState) -> str:
    """What a step that passed found: of a check that expects nothing it is all there is to know."""
    view = view_of(step) if step.status == "passed" else None
    if view is None or view.fields is None:
        return ""
    return told(view.fields, _named(state.runbook.text))


def told(result: Any, named: Mapping[str, int]) -> str:
    """What is worth saying of a result; `named`: the fields that its runbook names."""
    if not isinstance(result, Mapping):
        return "" if result is None else show(result)
    news = {str(name): value for name, value in result.items() if _news(str(name), value)}
    return in_words(worth_saying(news, named))


def in_words(fields: Mapping[str, Any]) -> str:
    """`rows: [..3..], count: 3, age_s: 90.0` as `3 rows, age 1m30s`: each thing is said once."""
    named = {key: _named_value(key, value) for key, value in fields.items() if key not in WHOLE}
    whole = {key: _many(key, show(value)) for key, value in fields.items() if key in WHOLE}
    twice = {show(fields[key]) for key in named if key != "count"}
    said = {key: text for key, text in whole.items() if text not in twice}
    if fields.get("count") in {len(fields[key]) for key in said if isinstance(fields[key], list)}:
        named.pop("count", None)
    texts = (said.get(key) or named.get(key) for key in fields)
    return ", ".join(text for text in texts if text)


def _named_value(key: str, value: Any) -> str:
    for end, unit_s in UNIT_S.items():
        if key.endswith(end) and isinstance(value, int | float) and not isinstance(value, bool):
            return f"{clean(key.removesuffix(end))} {format_duration(value * unit_s)}"
    return f"{clean(stem(key))} {show(value)}"


def _many(key: str, text: str) -> str:
    """`3 items` of rows are three rows."""
    items, noun = _ITEMS.fullmatch(text), WHOLE[key]
    if items is None or not noun:
        return text
    plural = "es" if noun.endswith("ch") else "s"
    return f"{items[1]} {noun}" if items[1] == "1" else f"{items[1]} {noun}{plural}"


KINDS = ("vector", "scalar")
"""How Prometheus gives numbers, which says nothing of them."""


def _news(name: str, value: Any) -> bool:
    """Whether it says more than that the step passed: neither a program that ended well, nor how
    many fields an answer has, nor how it came.
    """
    if name == "exit_code":
        return bool(value != 0)
    if (name == "kind" and value in KINDS) or (name == "nan" and value == 0):
        return False
    return not isinstance(value, Mapping) or not COUNTED.fullmatch(show(value))


@lru_cache(maxsize=NAMED_MAX)
def _named(text: str) -> Mapping[str, int]:
    return named_fields([text])
