"""Arithmetic and comparison of values, each bounded before it is done."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from engine.language.expressions.budget import (
    Budget,
    check_bits,
    check_int,
    check_items,
    check_length,
)
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.step import StepView
from engine.language.expressions.values import kind, text
from engine.language.shown import shown

Operator = Callable[[Budget, Any, Any], Any]

_NUMBERS: Final = frozenset((int, float, bool))
_SCALARS: Final = frozenset((int, float, bool, str, type(None)))
_WORDS: Final = {
    "+": "add {1} to {0}",
    "-": "subtract {1} from {0}",
    "*": "multiply {0} by {1}",
    "/": "divide {0} by {1}",
    "//": "divide {0} by {1}",
    "%": "divide {0} by {1}",
    "**": "raise {0} to the power of {1}",
}


def _cannot(symbol: str, left: Any, right: Any) -> TemplateProblem:
    words = _WORDS[symbol].format(kind(left), kind(right))
    advice = None
    if symbol == "%" and isinstance(left, str):
        advice = "values are put into a text with `'%.1f' | format(x)`"
    elif isinstance(left, str) or isinstance(right, str):
        advice = "texts are joined with `~`; a text becomes a number with `| int` or `| float`"
    return TemplateProblem(
        f"cannot {words}: {shown(left, 40)} {symbol} {shown(right, 40)}", help=advice
    )


def _number(value: Any) -> Any:
    if type(value) is int:
        check_int(value)
    elif type(value) is complex:
        raise TemplateProblem("the root of a negative number is not a number")
    return value


def add(budget: Budget, left: Any, right: Any) -> Any:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return _number(left + right)
    if isinstance(left, str) and isinstance(right, str):
        check_length(len(left) + len(right))
        return budget.made(left + right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        check_items(len(left) + len(right))
        return budget.made([*left, *right])
    if isinstance(left, datetime) and type(right) in (int, float):
        return _moved(left, right)
    raise _cannot("+", left, right)


def subtract(_: Budget, left: Any, right: Any) -> Any:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return _number(left - right)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left - right).total_seconds()
    if isinstance(left, datetime) and type(right) in (int, float):
        return _moved(left, -right)
    raise _cannot("-", left, right)


def _moved(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)


def multiply(budget: Budget, left: Any, right: Any) -> Any:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        if type(left) is int and type(right) is int:
            check_bits(left.bit_length() + right.bit_length() - 1)
        return _number(left * right)
    if type(left) is int:
        left, right = right, left
    if type(right) is int and isinstance(left, str):
        check_length(len(left) * right)
        return budget.made(left * right)
    if type(right) is int and isinstance(left, list):
        check_items(len(left) * right)
        return budget.made(left * right)
    raise _cannot("*", left, right)


def power(_: Budget, left: Any, right: Any) -> Any:
    if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
        raise _cannot("**", left, right)
    if type(left) is int and type(right) is int and abs(left) > 1 and right > 0:
        check_bits(left.bit_length() * right - right)
    return _number(left**right)


def _arithmetic(symbol: str, compute: Callable[[Any, Any], Any]) -> Operator:
    def apply(_: Budget, left: Any, right: Any) -> Any:
        if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
            raise _cannot(symbol, left, right)
        if right == 0:
            raise TemplateProblem(f"divides by zero: {shown(left, 40)} {symbol} {shown(right, 40)}")
        return _number(compute(left, right))

    return apply


BINARY: Final[Mapping[str, Operator]] = {
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": _arithmetic("/", operator.truediv),
    "FloorDiv": _arithmetic("//", operator.floordiv),
    "Mod": _arithmetic("%", operator.mod),
    "Pow": power,
}


def negate(value: Any) -> Any:
    if type(value) in _NUMBERS:
        return -value
    raise TemplateProblem(f"cannot take the negative of {kind(value)}: {shown(value, 40)}")


def positive(value: Any) -> Any:
    if type(value) in _NUMBERS:
        return +value
    raise TemplateProblem(f"{kind(value)} is not a number: {shown(value, 40)}")


def equal(budget: Budget, left: Any, right: Any) -> bool:
    if type(left) in _SCALARS and type(right) in _SCALARS:
        return bool(left == right)
    left, right = _found(left), _found(right)
    budget.weigh(left)
    budget.weigh(right)
    if isinstance(left, (tuple, range)):
        left = list(left)
    if isinstance(right, (tuple, range)):
        right = list(right)
    return bool(left == right)


def _found(value: Any) -> Any:
    return value.whole() if isinstance(value, StepView) else value


def unequal(budget: Budget, left: Any, right: Any) -> bool:
    return not equal(budget, left, right)


def _ordering(symbol: str, compute: Callable[[Any, Any], bool]) -> Operator:
    def apply(budget: Budget, left: Any, right: Any) -> bool:
        if type(left) in _NUMBERS and type(right) in _NUMBERS:
            return compute(left, right)
        if isinstance(left, str) and isinstance(right, str):
            budget.spend(min(len(left), len(right)) // 64)
            return compute(left, right)
        if isinstance(left, datetime) and isinstance(right, datetime):
            return compute(left, right)
        raise TemplateProblem(
            f"cannot compare {kind(left)} with {kind(right)}: "
            f"{shown(left, 40)} {symbol} {shown(right, 40)}",
            help=_compare_help(left, right),
        )

    return apply


def _compare_help(left: Any, right: Any) -> str | None:
    kinds = {type(left), type(right)}
    if str in kinds and kinds & {int, float}:
        return "a text becomes a number with `| int` or `| float`"
    if str in kinds and datetime in kinds:
        return "the seconds between a time and now are `| age`"
    return None


def contains(budget: Budget, left: Any, right: Any) -> bool:
    """`left in right`."""
    right = _found(right)
    if isinstance(right, str):
        if not isinstance(left, str):
            raise TemplateProblem(f"only a text can be in a text, not {kind(left)}")
        budget.scan(right)
        return left in right
    if isinstance(right, (list, tuple)):
        budget.spend(len(right))
        if type(left) not in _SCALARS:
            return any(equal(budget, left, one) for one in right)
        return left in right
    if isinstance(right, range):
        return type(left) in _NUMBERS and left in right
    if isinstance(right, Mapping):
        return type(left) in _SCALARS and left in right
    raise TemplateProblem(f"nothing can be in {kind(right)}: {shown(right, 40)}")


def lacks(budget: Budget, left: Any, right: Any) -> bool:
    return not contains(budget, left, right)


COMPARE: Final[Mapping[str, tuple[str, Operator]]] = {
    "eq": ("==", equal),
    "ne": ("!=", unequal),
    "lt": ("<", _ordering("<", operator.lt)),
    "lteq": ("<=", _ordering("<=", operator.le)),
    "gt": (">", _ordering(">", operator.gt)),
    "gteq": (">=", _ordering(">=", operator.ge)),
    "in": ("in", contains),
    "notin": ("not in", lacks),
}


def joined(budget: Budget, values: list[Any]) -> str:
    """`a ~ b ~ c`."""
    parts = [text(budget, value) for value in values]
    check_length(sum(map(len, parts)))
    result = "".join(parts)
    budget.scan(result)
    return result
