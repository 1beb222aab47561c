"""Matchers in words, and which mapping is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.language.model import Template
from engine.language.shown import shown

VALUE_CHARS: Final = 120
"""Of a value in a line."""

TYPES: Final = ("string", "number", "integer", "boolean", "null", "list", "mapping")

TYPE_WORDS: Final = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
    "list": "a list",
    "mapping": "a mapping",
}

MATCHER_NAMES: Final = frozenset(
    (
        *("eq", "ne", "lt", "le", "gt", "ge", "between", "in", "not_in"),
        *("matches", "contains", "starts_with", "length", "every", "some"),
        *("exists", "type", "all", "any", "not"),
    )
)


def is_matcher(wanted: Any) -> bool:
    """Whether a mapping is a matcher: it is one when all of its keys are names of matchers."""
    return (
        isinstance(wanted, Mapping) and bool(wanted) and all(key in MATCHER_NAMES for key in wanted)
    )


def show(value: Any) -> str:
    return shown(value, VALUE_CHARS)


_WORDS: Final = {
    "eq": "{}",
    "ne": "anything but {}",
    "lt": "less than {}",
    "le": "at most {}",
    "gt": "more than {}",
    "ge": "at least {}",
    "in": "one of {}",
    "not_in": "none of {}",
    "matches": "a text that matches {}",
    "contains": "something that contains {}",
    "starts_with": "a text that starts with {}",
    "type": "of type {}",
}


def words(wanted: Any, depth: int = 4) -> str:
    """What is wanted, in words: `less than 500`, `"healthy"`."""
    if isinstance(wanted, Template):
        return wanted.text
    if not is_matcher(wanted):
        return show(wanted)
    if depth == 0:
        return "…"
    return " and ".join(_clause(key, operand, depth) for key, operand in wanted.items())


def _clause(key: str, operand: Any, depth: int) -> str:
    if key in _WORDS:
        return _WORDS[key].format(words(operand, depth - 1) if key == "eq" else show(operand))
    if key == "exists":
        return "there" if operand else "not there"
    if key == "between" and isinstance(operand, (list, tuple)) and len(operand) == 2:
        return f"between {show(operand[0])} and {show(operand[1])}"
    if key in {"all", "any"} and isinstance(operand, (list, tuple)):
        between = " and " if key == "all" else " or "
        return between.join(words(one, depth - 1) for one in operand)
    lead = {"length": "of length", "every": "all", "some": "in part", "not": "not"}.get(key, key)
    return f"{lead} {words(operand, depth - 1)}"
