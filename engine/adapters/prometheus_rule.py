"""Which numbers satisfy a bound, and how many series must. Pure.

An empty answer and NaN prove nothing, so they satisfy nothing: they are told as `errored`, or count
as a miss where the runbook says `failed`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import AdapterError

MISSES_TOLD = 10
"""Series that are told one by one when the rule does not hold."""

_COMPARE: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "lt": ("less than", operator.lt),
    "le": ("at most", operator.le),
    "gt": ("more than", operator.gt),
    "ge": ("at least", operator.ge),
    "eq": ("equal to", operator.eq),
    "ne": ("other than", operator.ne),
}
_AT_LEAST = re.compile(r"at least (\d{1,6})")


@dataclass(frozen=True, slots=True)
class Rule:
    """A bound for the number of a series, and how many series must keep it (None for all)."""

    bound: Mapping[str, Any]
    wanted: int | None

    def keeps(self, value: float) -> bool:
        """NaN keeps no bound; infinities are compared as the numbers they are."""
        if math.isnan(value):
            return False
        return all(_holds(word, value, limit) for word, limit in self.bound.items())

    def words(self) -> str:
        return " and ".join(_words(word, limit) for word, limit in self.bound.items())


def rule_of(bound: Mapping[str, Any] | None, series: str) -> Rule:
    """The rule a step asks for. Raises AdapterError for one that says nothing.

    bound: `{lt: 5}`, `{ge: 0, lt: 1}`, `{between: [0, 1]}`; None asks for a number, whichever
    series: `all`, `any` or `at least N`
    """
    for word, limit in (bound or {}).items():
        if word != "between" and word not in _COMPARE:
            known = ", ".join([*_COMPARE, "between"])
            raise _wrong(f"the bound {word!r} is not known", f"known are {known}")
        limits = limit if word == "between" and isinstance(limit, list) else [limit]
        numbers = [x for x in limits if isinstance(x, int | float) and not isinstance(x, bool)]
        if len(numbers) != len(limits) or len(limits) != (2 if word == "between" else 1):
            wanted = "two numbers" if word == "between" else "a number"
            raise _wrong(f"the bound {word} takes {wanted}, not {limit!r}")
    if bound is not None and not bound:
        raise _wrong("the bound is empty", "one is {lt: 5}")
    return Rule(bound or {}, _wanted(series))


def _wanted(series: str) -> int | None:
    if series in ("all", "any"):
        return None if series == "all" else 1
    found = _AT_LEAST.fullmatch(series)
    if not found or int(found[1]) == 0:
        raise _wrong(f"`series` takes all, any or at least N, not {series!r}")
    return int(found[1])


def misses(rule: Rule, found: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """Why the rule does not hold for these series; nothing when it does."""
    if not found:
        return ("the query found no series",)
    fitting = sum(rule.keeps(value) for _, value in found)
    wanted = len(found) if rule.wanted is None else rule.wanted
    if fitting >= wanted:
        return ()
    said = rule.words() or "a number"
    lines = [
        f"{name} is {shown(value)}, not {said}" for name, value in found if not rule.keeps(value)
    ]
    if rule.wanted is not None:
        lines.insert(0, f"{fitting} of {len(found)} series are {said}, wanted {rule.wanted}")
    if len(lines) > MISSES_TOLD:
        lines[MISSES_TOLD:] = [f"and {len(lines) - MISSES_TOLD} more"]
    return tuple(lines)


def shown(value: float) -> str:
    """A number as people write it: of a bound 300, not 300.0."""
    if math.isnan(value):
        return "NaN"
    if not math.isfinite(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:g}" if abs(value) < SHORT_MAX else f"{value:,.0f}"


SHORT_MAX = 1_000_000
"""From here on `%g` writes `1.8e+09`, which nobody reads at night."""


def _holds(word: str, value: float, limit: Any) -> bool:
    if word == "between":
        return bool(limit[0] <= value <= limit[1])
    return _COMPARE[word][1](value, limit)


def _words(word: str, limit: Any) -> str:
    if word == "between":
        return f"between {shown(limit[0])} and {shown(limit[1])}"
    return f"{_COMPARE[word][0]} {shown(limit)}"


def _wrong(message: str, hint: str | None = None) -> AdapterError:
    return AdapterError(message, help=hint, retryable=False)
