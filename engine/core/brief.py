"""What a step found, in the few words that fit on its line.

A result may have two hundred fields (`redis.info` has). Those the runbook's own text names come
first: its author said what matters. Of a number that comes with a text for people
(`used_memory_human`), the text is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.core.cells import clean, cut

FIELDS_MAX = 4
"""More than four facts on a line are not read."""

FLOAT_MAX = 10_000
"""A number with a fraction beyond this is told without it: `1.44e+04` is not for people."""

VALUE_MAX_CELLS = 60
"""Of one value: longer ones are cut, the audit trail has them whole."""

_NONE: Mapping[str, int] = {}
_NAMED = re.compile(r"\b[A-Za-z_]\w*((?:\.[A-Za-z_]\w*)+)")


def named_fields(texts: Iterable[str]) -> Mapping[str, int]:
    """Every name that follows a dot in the texts of the runbook: fields its author looks at.

    With the order in which they come.
    """
    found: dict[str, int] = {}
    for text in texts:
        for match in _NAMED.finditer(text):
            for name in match.group(1).split(".")[1:]:
                found.setdefault(name, len(found))
    return found


def brief(result: Any, named: Mapping[str, int] = _NONE) -> str:
    """`used_memory 48.2M, maxmemory 50.0M`: what is worth saying of a result, or nothing."""
    if not isinstance(result, Mapping):
        return "" if result is None else show(result)
    fields = worth_saying(result, named)
    return ", ".join(f"{clean(stem(key))} {show(value)}" for key, value in fields.items())


def worth_saying(result: Mapping[str, Any], named: Mapping[str, int]) -> dict[str, Any]:
    """The fields of a result that are shown: those its runbook names, else the first."""
    fields = {str(key): value for key, value in result.items() if _worth(str(key), value, result)}
    wanted = {key: named.get(key, named.get(stem(key))) for key in fields}
    keys = sorted((k for k, at in wanted.items() if at is not None), key=lambda k: wanted[k] or 0)
    return {key: fields[key] for key in (keys or list(fields))[:FIELDS_MAX]}


def stem(key: str) -> str:
    return key.removesuffix("_human")


BOOKKEEPING = frozenset(
    {
        *("headers", "size_bytes", "elapsed_ms", "columns", "sample", "scanned", "url"),
        *("stdout_bytes", "stderr_bytes", "read_only"),
    }
)
"""Fields of our own results that tell how an answer came, not what it says."""

EXPECTED = {"cut": False, "complete": True, "shell": False, "remote": False, "still_open": False}
"""Fields that are worth a word only when they are otherwise."""


def _worth(key: str, value: Any, result: Mapping[str, Any]) -> bool:
    if f"{key}_human" in result or value is None or value in ("", [], {}):
        return False
    return key not in BOOKKEEPING and (key not in EXPECTED or EXPECTED[key] != value)


def show(value: Any) -> str:
    """A value in words: lists and mappings by their size, long texts cut."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, str):
        return cut(clean(value).strip(), VALUE_MAX_CELLS)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < FLOAT_MAX else f"{value:,.0f}"
    if isinstance(value, Mapping | list | tuple):
        return _show_many(value)
    return cut(clean(str(value)), VALUE_MAX_CELLS)


def _show_many(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """What is in it, where that is short; else how much it is."""
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], Mapping):
        value = value[0]
    if isinstance(value, Mapping):
        text = ", ".join(f"{clean(str(key))}: {_scalar(item)}" for key, item in value.items())
        count = _count(len(value), "field")
    else:
        text = ", ".join(_scalar(item) for item in value)
        count = _count(len(value), "item")
    return text if value and "\0" not in text and len(text) <= VALUE_MAX_CELLS else count


def _scalar(value: Any) -> str:
    """A value inside another; anything deeper is marked, for it is not shown."""
    return "\0" if isinstance(value, Mapping | list | tuple) else show(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
