"""Comparing JSON values: equality, order, parts, types, patterns."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from engine.language.patterns import check_size
from engine.language.shown import kind_of, shown

PATTERN_LIMIT_CHARS: Final = 1000
"""Longer patterns are programs; what compiles from them may be large."""

_RECURSION: Final = re.compile(r"\(\?(?:R\)|[-+]?[0-9]+\)|&|P[>&])")
"""`(?R)`, `(?1)`, `(?&name)`: each level takes memory, and the time limit comes too late."""

NAN: Final = "not a number, which compares false with everything"


def same(left: Any, right: Any) -> bool:
    """Equal as JSON is: True is not 1, 1 is 1.0, keys have no order, NaN equals nothing."""
    if isinstance(left, (bool, str)) or isinstance(right, (bool, str)):
        return type(left) is type(right) and bool(left == right)
    if isinstance(left, Mapping):
        return (
            isinstance(right, Mapping)
            and left.keys() == right.keys()
            and all(same(one, right[key]) for key, one in left.items())
        )
    if isinstance(left, (list, tuple)):
        return (
            isinstance(right, (list, tuple))
            and len(left) == len(right)
            and all(same(one, other) for one, other in zip(left, right, strict=True))
        )
    return bool(left == right)


def has(value: Any, part: Any) -> bool:
    """Equal; a mapping needs to have the entries of `part` only."""
    if isinstance(value, Mapping) and isinstance(part, Mapping):
        return all(key in value and same(value[key], one) for key, one in part.items())
    return same(value, part)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def incomparable(value: Any, wanted: Any) -> str | None:
    """Why two values have no order, or None."""
    if is_nan(value) or is_nan(wanted):
        return NAN
    if is_number(value) and is_number(wanted):
        return None
    if isinstance(value, str) and isinstance(wanted, str):
        return None
    if is_number(wanted):
        return f"{kind_of(value)} and not a number"
    return f"and {kind_of(value)} does not compare with {kind_of(wanted)}"


def types_of(value: Any) -> tuple[str, ...]:
    if value is None:
        return ("null",)
    if isinstance(value, bool):
        return ("boolean",)
    if isinstance(value, (int, float)):
        whole = isinstance(value, int) or value.is_integer()
        return ("integer", "number") if whole else ("number",)
    if isinstance(value, str):
        return ("string",)
    return ("mapping",) if isinstance(value, Mapping) else ("list",)


@functools.lru_cache(maxsize=512)
def pattern(text: str) -> Any:
    """The compiled regular expression. Raises ValueError, saying what is wrong with it."""
    import regex  # noqa: PLC0415 - 6 ms that only `matches` pays

    if len(text) > PATTERN_LIMIT_CHARS:
        raise ValueError(f"a regular expression has at most {PATTERN_LIMIT_CHARS:,} characters")
    try:
        check_size(text)
    except ValueError as e:
        raise ValueError(f"{shown(text, 60)} {e}") from e
    if _RECURSION.search(text):
        raise ValueError(f"{shown(text, 60)} calls itself, which may take all memory")
    try:
        return regex.compile(text, cache_pattern=False)
    except (regex.error, ValueError, OverflowError, RecursionError, LookupError) as e:
        raise ValueError(f"{shown(text, 60)} is not a regular expression: {e}") from e
