"""Values of a database as JSON, and JSON as parameters."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from engine.adapters.sql_records import ANSWER_MAX_BYTES, VALUE_MAX_CHARS

DECIMAL_MAX_DIGITS = 40
"""Of a numeric that becomes an int; beyond, it is text (`1e9999` would be ten thousand digits)."""


FLOAT_UNITS_MAX = 10**15
"""From here on a float cannot hold a fraction to two digits, so a numeric with one stays text."""


class Sheet:
    """Gathers rows as JSON until a limit is reached.

    Numeric becomes an int where it is whole, otherwise a float (of its digits the first 15, so that
    an average can be compared with a limit), or text where that would lose units. A timestamp with
    time zone becomes ISO 8601 in UTC, one without stays as it is; an interval becomes seconds (a
    month is 30 days, a year 365); bytes `{"base64": ..}`; NaN and infinities text.
    """

    def __init__(self, rows_max: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self.columns: tuple[str, ...] = ()
        self.cut = False
        self.over = False
        """A row was left out: no later one will be taken."""
        self._rows_max = rows_max
        self._bytes_left = ANSWER_MAX_BYTES

    @property
    def full(self) -> bool:
        return len(self.rows) >= self._rows_max or self._bytes_left <= 0

    def name(self, columns: Sequence[str]) -> None:
        """The columns; a name that comes again gets a number."""
        seen: dict[str, int] = {}
        named = []
        for column in columns:
            seen[column] = seen.get(column, 0) + 1
            named.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
        self.columns = tuple(named)

    def add(self, values: Sequence[Any]) -> None:
        """A row; one too many only sets `cut`."""
        if self.full:
            self.cut = self.over = True
            return
        self.rows.append({n: self._json(v) for n, v in zip(self.columns, values, strict=True)})

    def _json(self, value: Any) -> Any:
        self._bytes_left -= 8
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, Mapping):
            return {str(k): self._json(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._json(v) for v in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return {"base64": self._text(base64.b64encode(bytes(value)).decode("ascii"))}
        convert = next((convert for kind, convert in _CONVERSIONS if isinstance(value, kind)), str)
        made = convert(value)
        return self._text(made) if isinstance(made, str) else made

    def _text(self, text: str) -> str:
        self._bytes_left -= len(text)
        if len(text) <= VALUE_MAX_CHARS:
            return text
        self.cut = True
        return text[:VALUE_MAX_CHARS]


def _float(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return _float(float(value))
    if abs(value.adjusted()) < DECIMAL_MAX_DIGITS and value == value.to_integral_value():
        return int(value)
    return str(value) if abs(value) >= FLOAT_UNITS_MAX else float(value)


def _datetime(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (float, _float),
    (Decimal, _decimal),
    (datetime, _datetime),
    (date | time, lambda v: v.isoformat()),
    (timedelta, lambda v: v.total_seconds()),
)
"""In this order: a datetime is a date."""


def is_plain_list(value: Any) -> bool:
    """Whether a JSON list can be an SQL array: numbers, or texts, or booleans, nothing mixed."""
    if not isinstance(value, list | tuple):
        return False
    kinds = {type(v) for v in value if v is not None}
    return kinds <= {str} or kinds <= {bool} or kinds <= {int, float}


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
