"""Filters of times: `duration`, `age`, `date`.

There is no clock here: `age` measures against the `now` of the scope, the time of the event that
made the engine decide, so that the same record always gives the same answer.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from engine.language.duration import format_duration, parse_duration
from engine.language.expressions.budget import Budget
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.values import iso, kind
from engine.language.shown import shown

LATEST_EPOCH_S: Final = 100_000_000_000
"""The year 5138. A larger number of seconds is one of milliseconds, and is refused as that."""

FORMAT_LIMIT_CHARS: Final = 100
"""A date with every part there is takes half of it."""

_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final = frozenset("aAbBdDeFHIjmMpSfTuUwWyYzZGV%")
"""Those that mean the same everywhere; a width (`%1000000000d`) is not among them."""


def moment(value: Any, name: str) -> datetime:
    """The time that a value tells: a time, ISO 8601 (without a zone: UTC), seconds since 1970."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value.strip())
        except ValueError as e:
            raise TemplateProblem(
                f"`{name}` takes a time such as 2026-11-21T02:00:00Z, not {shown(value, 40)}"
            ) from e
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TemplateProblem(f"`{name}` takes a time, not {kind(value)}: {shown(value, 40)}")
    if abs(value) >= LATEST_EPOCH_S:
        raise TemplateProblem(
            f"`{name}` takes seconds since 1970; {shown(value, 40)} is after the year 5000",
            help="milliseconds become seconds with `/ 1000`",
        )
    return datetime.fromtimestamp(value, UTC)


def age(budget: Budget, value: Any) -> float:
    """Seconds from the time that the value tells until `now`; negative for what is yet to come."""
    now = budget.scope.get("now")
    if not isinstance(now, datetime):
        raise TemplateProblem("`age` counts until `now`, and there is no `now` here")
    return (now - moment(value, "age")).total_seconds()


def date(budget: Budget, value: Any, format: Any = None) -> str:  # noqa: ARG001 - as all filters
    """The time in UTC: ISO 8601, or by a format such as `%Y-%m-%d %H:%M`."""
    told = moment(value, "date").astimezone(UTC)
    if format is None:
        return iso(told)
    if not isinstance(format, str) or len(format) > FORMAT_LIMIT_CHARS:
        raise TemplateProblem(f"`date` takes a format of at most {FORMAT_LIMIT_CHARS} characters")
    for letter in _DIRECTIVE.findall(format):
        if letter not in _DIRECTIVES or not letter:
            raise TemplateProblem(
                f"`date` knows no %{letter}; it knows %{' %'.join(sorted(_DIRECTIVES))}"
            )
    return told.strftime(format)


def duration(budget: Budget, value: Any) -> str:  # noqa: ARG001 - as all filters
    """Seconds in words: 5400 becomes `1h30m`. A text (`90m`) is read as a duration first."""
    if isinstance(value, str):
        try:
            return format_duration(parse_duration(value))
        except ValueError as e:
            raise TemplateProblem(f"`duration`: {e}") from e
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TemplateProblem(f"`duration` takes seconds, not {kind(value)}: {shown(value, 40)}")
    return format_duration(value)
