"""What a plain scalar means in YAML 1.2 core.

`on`, `off`, `yes`, `no` and `22:22` are text, as 1.2 says. Numbers with a leading zero (`0777`,
`007`) are text too: 1.2 core would read the decimal 777, which is never what their author meant.
What JSON has no word for (`.inf`, `.nan`) and integers beyond 64 bits are refused rather than bent.
"""

from __future__ import annotations

import math
import re

MAX_INTEGER = 2**63 - 1
"""The largest integer, by amount: what PostgreSQL, SQLite and Redis can hold."""

_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_NUMBER = 400
"""Characters; a longer run of digits is certainly too large, and converting it would cost."""


class NotJson(ValueError):
    """A number that no JSON number can carry. The message says why."""


def meaning(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar. Raises NotJson."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise NotJson("is not a number that JSON can carry")
    if _FLOAT.fullmatch(text):
        return _decimal(text)
    if _OCTAL.fullmatch(text):
        return _integer(text, 8)
    if _HEX.fullmatch(text):
        return _integer(text, 16)
    return text


def _decimal(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    number = float(text)
    if math.isinf(number):
        raise NotJson("is larger than any number can be")
    return number


def _integer(text: str, radix: int) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise NotJson("is larger than a 64-bit integer")
    number = int(text, radix)
    if abs(number) > MAX_INTEGER:
        raise NotJson("is larger than a 64-bit integer")
    return number
