"""What a step found, as JSON: the one place where a plugin's values become the journal's."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from engine.errors import RunbookError

RESULT_MAX_DEPTH = 64
"""Levels of lists and mappings in a result. Deeper ones are a plugin's mistake, or an attack on the
reader.
"""


def to_json(result: Any) -> dict[str, Any]:
    """A result as the journal keeps it: JSON, the same for the same result, with a mapping at its
    top.

    Times become ISO 8601 (UTC ends in `Z`), spans seconds, UUIDs, paths and addresses text, sets
    sorted lists; a Decimal an int or a float where that is exact, otherwise text; bytes text where
    they are UTF-8, otherwise `{"base64": ...}`; NaN and infinities the texts `NaN`, `Infinity`,
    `-Infinity`; None is `{}`. Raises RunbookError for anything else: the plugin returned what is no
    JSON.
    """
    value = {} if result is None else _json(result, None, 0)
    if not isinstance(value, dict):
        raise RunbookError(f"a result is a mapping at its top, not {_short(result)}")
    return value


_Where = tuple[Any, str, Any] | None
"""Where a value stands: the place around it, how it lies in there, its key or number; None at the
top. Put into words only where something is wrong: a result has hundreds of values, all good mostly.
"""


def _told(where: _Where) -> str:
    parts: list[str] = []
    while where is not None:
        where, form, part = where
        parts.append(form.format(part))
    return "result" + "".join(reversed(parts))


def _json(value: Any, where: _Where, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if depth > RESULT_MAX_DEPTH:
        raise RunbookError(f"{_told(where)}: deeper than {RESULT_MAX_DEPTH} levels")
    if kind is float:
        return _number(value)
    if kind is not dict and dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        made = {_key(k, where): _json(v, (where, ".{}", k), depth + 1) for k, v in value.items()}
        if len(made) != len(value):
            raise RunbookError(f"{_told(where)} has two keys that are the same in JSON")
        return made
    if isinstance(value, list | tuple):
        return [_json(v, (where, "[{}]", i), depth + 1) for i, v in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((_json(v, where, depth + 1) for v in value), key=repr)
    return _scalar(value, where)


def _key(key: Any, where: _Where) -> str:
    if type(key) is str and key.isascii():
        return key
    if isinstance(key, str | int | float | bool | None):
        return str(_json(key, where, 0)) if not isinstance(key, bool | None) else _KEYWORDS[key]
    return str(_scalar(key, where))


_KEYWORDS = {None: "null", True: "true", False: "false"}


def _scalar(value: Any, where: _Where) -> Any:
    for kind, convert in _SCALARS:
        if isinstance(value, kind):
            return convert(value)
    # told by name, so that nobody pays at start-up for modules that only some plugins use
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if name == "decimal.Decimal":
        return _decimal(value)
    if name == "uuid.UUID" or name.startswith("ipaddress."):
        return str(value)
    raise RunbookError(f"{_told(where)} is {_short(value)}, which is no JSON")


def _number(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _decimal(value: Any) -> Any:
    if not value.is_finite():
        return _number(float(value))
    if value == value.to_integral_value() and abs(value.adjusted()) < DECIMAL_MAX_DIGITS:
        return int(value)
    nearest = float(value)
    return nearest if type(value)(repr(nearest)) == value else str(value)


DECIMAL_MAX_DIGITS = 40
"""Of a Decimal that becomes an int; `1e999999` would be a million digits."""


def _octets(value: bytes) -> Any:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode("ascii")}


def _short(value: Any) -> str:
    return f"a {type(value).__name__}"


_SCALARS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda v: _json(v.value, None, 0)),
    (float, _number),
    (int, int),
    (datetime, lambda v: v.isoformat().replace("+00:00", "Z")),
    (date | time, lambda v: v.isoformat()),
    (timedelta, lambda v: v.total_seconds()),
    (bytes | bytearray | memoryview, lambda v: _octets(bytes(v))),
    (PurePath, str),
)
"""In this order: an Enum may be an int too, a datetime is a date."""
