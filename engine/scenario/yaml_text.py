"""Writes JSON as the YAML of scenario files: short things in a line, long ones over several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LINE_MAX_CHARS = 110
"""As long as the lines of our files are."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./]*([ -]+[A-Za-z0-9_./]+)*")
_DURATION = re.compile(r"(\d+(\.\d+)?(ms|[wdhms]))+")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{flow(str(key))}: {flow(one)}" for key, one in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, str):
        word = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return (
            value
            if word or _DURATION.fullmatch(value)
            else json.dumps(value, ensure_ascii=not value.isprintable())
        )
    return json.dumps(value)


def pairs(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The lines of a mapping."""
    for key, one in value.items():
        line = f"{indent}{flow(key)}: {flow(one)}"
        if len(line) <= LINE_MAX_CHARS or not isinstance(one, Mapping | list) or not one:
            yield line
        else:
            yield f"{indent}{flow(key)}:"
            yield from (
                pairs(one, f"{indent}  ") if isinstance(one, Mapping) else items(one, f"{indent}  ")
            )


def items(value: list[Any], indent: str) -> Iterator[str]:
    """The lines of a list."""
    for one in value:
        line = f"{indent}- {flow(one)}"
        if len(line) <= LINE_MAX_CHARS or not isinstance(one, Mapping) or not one:
            yield line
        else:
            first, *rest = pairs(one, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
