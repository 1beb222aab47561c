"""Replies as text: bytes that may be no text, and INFO as a mapping with numbers in it."""

from __future__ import annotations

import re
from typing import Any

_INT = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d+")
_TEXTS = frozenset(
    {"run_id", "redis_git_sha1", "redis_build_id", "master_replid", "master_replid2"}
)
"""Fields that are names even where they look like a number."""


def parse_info(said: str) -> dict[str, Any]:
    """`used_memory:1048576` becomes an int; `db0:keys=1,expires=0` a mapping. Percent signs stay
    text.
    """
    found: dict[str, Any] = {}
    for line in said.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            found[name] = value if name in _TEXTS else _value(value)
    return found


def _value(value: str) -> Any:
    if _INT.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value):
        return float(value)
    pairs = [pair.partition("=") for pair in value.split(",")]
    if "=" in value and all(equals and name for name, equals, _ in pairs):
        return {name: _value(inner) for name, _, inner in pairs}
    return value


def text(value: Any) -> tuple[str, bool]:
    """Bytes as text, and whether something could not be shown."""
    if not isinstance(value, bytes):
        return str(value), False
    try:
        return value.decode("utf-8"), False
    except UnicodeDecodeError:
        return value.decode("utf-8", "replace"), True
