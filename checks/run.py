"""Questions about what the run itself knows: no connection, nothing is asked of any system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import StepError
from engine.plugin import check

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


@dataclass(frozen=True, slots=True)
class Value:
    """A value.

    value: as it was given
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values, compared.

    holds: whether `left op right` is true
    left: as it was given
    right: as it was given
    """

    holds: bool
    left: Any
    right: Any


@check("run.value", target=False)
async def value(value: Any) -> Value:
    """A value computed from what is known; with `expect`, a judgement on it.

    value: anything; mostly a template
    """
    return Value(value)


@check("run.compare", expect={"holds": True}, target=False)
async def compare(left: Any, op: Operator, right: Any) -> Comparison:
    """Whether two values compare as they should.

    left: a number, a text, or for == and != anything
    op: one of == != < <= > >= in, not in
    right: what `left` is compared with
    """
    return Comparison(_holds(left, op, right), left, right)


def _holds(left: Any, op: Operator, right: Any) -> bool:
    if op in ("==", "!="):
        same = bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
        return same == (op == "==")
    if op in ("in", "not in"):
        keyed = isinstance(right, str | dict)
        if not (keyed or isinstance(right, list)) or (keyed and not isinstance(left, str)):
            raise _cannot(left, op, right)
        return (left in right) == (op == "in")
    if not (_numbers(left, right) or (isinstance(left, str) and isinstance(right, str))):
        raise _cannot(left, op, right)
    ordered = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
    return bool(ordered[op])


def _numbers(*values: Any) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _cannot(left: Any, op: str, right: Any) -> StepError:
    """Neither true nor false: saying false would let a runbook go on as if it had asked."""
    kinds = f"{type(left).__name__} {op} {type(right).__name__}"
    return StepError(
        f"{left!r:.60} and {right!r:.60} cannot be compared ({kinds})",
        help="the filters int and float make numbers of texts",
        retryable=False,
    )
