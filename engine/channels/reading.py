"""What services answer, read as it may have any shape: a proxy answers too. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.channels.fitting import one_line
from engine.errors import AdapterError

NAME_MAX_CHARS = 300
"""Of an id, or of a word for how something stands: a longer one is neither."""


def objects(value: object, where: str) -> list[Mapping[str, Any]]:
    """A list of objects. Raises AdapterError for anything else: what cannot be read says nothing of
    what is there, so that nothing may be sent because of it.
    """
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise AdapterError(f"{where} does not list what was sent to it")
    return value


def inner(found: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The object behind these names, one inside the other; empty where there is none."""
    value: Any = found
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def name_of(value: object) -> str:
    """An id or a word as one line of text; empty for what is neither. An id may be a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**NAME_DIGITS_MAX else ""
    text = one_line(value) if isinstance(value, str) else ""
    return text if len(text) <= NAME_MAX_CHARS else ""


NAME_DIGITS_MAX = 40
"""Of an id that is a number; Python turns none of over 4,300 digits into text."""
