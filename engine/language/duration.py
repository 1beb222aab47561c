"""Durations and sizes as people write them: `1h30m`, `500ms`, `64KiB`.

Every function here is pure; what is wrong with a text is told in a `ValueError` whose message is a
sentence in the user's words.
"""

from __future__ import annotations

import math
import re
from typing import Final

LONGEST_DURATION_S: Final = 366 * 86_400.0
"""A year. What is longer is a slip of a unit (`m` for minutes), or a matter for a schedule."""

LARGEST_SIZE_BYTES: Final = 1024**4
"""1 TiB. Nothing a step reads, keeps or sends comes near it; beyond is a slip of a unit."""

LONGEST_TEXT_CHARS: Final = 64
"""The longest sensible text is `52w6d23h59m59s999ms`; a bound keeps the message short."""

DURATION_PATTERN: Final = (
    r"^\s*(?=[0-9])([0-9]+(\.[0-9]+)?\s*w\s*)?([0-9]+(\.[0-9]+)?\s*d\s*)?([0-9]+(\.[0-9]+)?\s*h\s*)?"
    r"([0-9]+(\.[0-9]+)?\s*m\s*)?([0-9]+(\.[0-9]+)?\s*s\s*)?([0-9]+(\.[0-9]+)?\s*(ms)?)?\s*$"
)
"""What an editor checks a duration with: a little wider than `parse_duration`, never narrower."""

SIZE_PATTERN: Final = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtT][iI]?)?[bB]?\s*$"
"""What an editor checks a size with: a little wider than `parse_size`, never narrower."""

_UNIT_S: Final = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_UNITS: Final = "w, d, h, m, s, ms"
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?\Z", re.ASCII)
_PART: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*\Z", re.ASCII)
_LONG_NAMES: Final = {
    name: unit
    for unit, names in {
        "w": ("week", "weeks"),
        "d": ("day", "days"),
        "h": ("hr", "hrs", "hour", "hours"),
        "m": ("min", "mins", "minute", "minutes"),
        "s": ("sec", "secs", "second", "seconds"),
        "ms": ("msec", "millis", "millisecond", "milliseconds"),
    }.items()
    for name in names
}
_SIZE_UNIT: Final = {"": 1, "b": 1}
_SIZE_UNIT.update({f"{p}b": 1000**n for n, p in enumerate("kmgt", 1)})
_SIZE_UNIT.update({f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)})


def parse_duration(value: object) -> float:
    """Seconds. A text of parts from the largest unit down (`1h30m`), or a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"a duration is written like 15m or 1h30m, not {value!r}")  # noqa: TRY004
    if not isinstance(value, str):
        return _within(value, str(value))
    text = value.strip()
    if not text:
        raise ValueError("a duration is empty; write it like 15m or 1h30m")
    if len(text) > LONGEST_TEXT_CHARS:
        raise ValueError(f"a duration has at most {LONGEST_TEXT_CHARS} characters")
    if text.startswith("-"):
        raise ValueError(f"a duration is never negative: {text!r}")
    if _NUMBER.match(text):
        return _within(float(text), text)
    return _within(_sum_of_parts(text), text)


def _sum_of_parts(text: str) -> float:
    total, at, smallest = 0.0, 0, math.inf
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"{text!r} is not a duration; write it like 15m or 1h30m")
        number, unit = part.groups()
        at = part.end()
        if unit not in _UNIT_S:
            raise ValueError(_about_unit(text, number, unit))
        if _UNIT_S[unit] >= smallest:
            raise ValueError(f"{text!r} is not a duration: the units go down ({_UNITS}), each once")
        smallest = _UNIT_S[unit]
        total += float(number) * smallest
    return round(total, 6)


def _about_unit(text: str, number: str, unit: str) -> str:
    if not unit:
        return f"{text!r} is not a duration: the {number} has no unit ({_UNITS})"
    meant = _LONG_NAMES.get(unit.lower()) or (unit.lower() if unit.lower() in _UNIT_S else None)
    if unit == "M":
        return f"{text!r} is not a duration: 'M' may be months or minutes; write {number}m"
    if meant:
        return f"{text!r} is not a duration: write {number}{meant} for {number}{unit}"
    return f"{text!r} is not a duration: there is no unit {unit!r}, the units are {_UNITS}"


def _within(seconds: float, text: str) -> float:
    if seconds != seconds or seconds < 0:  # noqa: PLR0124 - NaN is not itself
        raise ValueError(f"a duration is never negative: {text}")
    if seconds > LONGEST_DURATION_S:
        raise ValueError(f"{_cut(text)} is longer than a year, the longest duration there is")
    return float(seconds)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT_CHARS else text[: LONGEST_TEXT_CHARS - 1] + "…"


def format_duration(seconds: float) -> str:
    """`1h30m`, `1.2s`, `250ms`: what `parse_duration` reads, rounded to what a person reads.

    Under a minute to three digits, from a minute on to whole seconds. A negative one gets a minus
    sign, which `parse_duration` refuses. `forever` for infinity, `unknown` for NaN.
    """
    if math.isnan(seconds):
        return "unknown"
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if math.isinf(seconds):
        return "forever"
    if seconds < 0.9995:  # what rounds to 1 s is shown as 1 s
        return f"{_short(seconds * 1000)}ms" if seconds else "0s"
    if seconds < 59.95:
        return f"{_short(seconds)}s"
    return _whole_units(round(seconds))


def _short(number: float) -> str:
    """Three significant digits, no exponent: `1.2`, `250`, `0.004`."""
    decimals = 0 if number >= 99.95 else 1 if number >= 0.95 else 3
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _whole_units(seconds: int) -> str:
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(value: object) -> int:
    """Bytes. `64KiB` counts by 1024, `64KB` by 1000; a number is a number of bytes."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"a size is written like 64KiB or 10MB, not {value!r}")  # noqa: TRY004
    if isinstance(value, str):
        number, factor = _size_parts(value)
    else:
        number, factor = float(min(value, LARGEST_SIZE_BYTES * 2)), 1
    shown = _cut(str(value))
    if number != number or number < 0:  # noqa: PLR0124 - NaN is not itself
        raise ValueError(f"a size is never negative: {shown}")
    if number * factor > LARGEST_SIZE_BYTES:
        raise ValueError(f"{shown} is more than 1 TiB, the largest size there is")
    size = number * factor
    if size != int(size):
        raise ValueError(f"{shown} is not a whole number of bytes")
    return int(size)


def _size_parts(value: str) -> tuple[float, int]:
    text = value.strip()
    if not text:
        raise ValueError("a size is empty; write it like 64KiB or 10MB")
    if len(text) > LONGEST_TEXT_CHARS:
        raise ValueError(f"a size has at most {LONGEST_TEXT_CHARS} characters")
    if text.startswith("-"):
        raise ValueError(f"a size is never negative: {text!r}")
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write it like 64KiB or 10MB")
    number, unit = match.groups()
    factor = _SIZE_UNIT.get(unit.lower())
    if factor is None:
        raise ValueError(_about_size_unit(text, number, unit))
    return float(number), factor


def _about_size_unit(text: str, number: str, unit: str) -> str:
    if len(unit) == 1 and unit.lower() in "kmgt":
        letter = unit.upper()
        both = f"{number}{letter}iB (by 1024) or {number}{letter}B (by 1000)"
        return f"{text!r} may mean two sizes: write {both}"
    return f"{text!r} is not a size: there is no unit {unit!r}, write it like 64KiB or 10MB"


def format_size(size: int) -> str:
    """`64KiB`, `1.5MiB`, `999B`: by 1024, to one decimal."""
    if size < 0:
        return f"-{format_size(-size)}"
    if size < 1024:
        return f"{size}B"
    amount, units = float(size), iter(("KiB", "MiB", "GiB", "TiB"))
    unit = "B"
    while amount >= 1023.95 and unit != "TiB":
        amount /= 1024
        unit = next(units)
    return f"{amount:.1f}".removesuffix(".0") + unit
