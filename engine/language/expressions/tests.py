"""What can stand after `is`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.language.expressions import operators
from engine.language.expressions.budget import Budget
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.step import STATUSES, StepView, status_test
from engine.language.expressions.values import kind

Test = Callable[..., bool]


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TemplateProblem(f"`is odd` and the like take a whole number, not {kind(value)}")
    return value


def _divisible(_: Budget, value: Any, num: Any) -> bool:
    if num == 0:
        raise TemplateProblem("divides by zero: `is divisibleby 0`")
    return _whole(value) % _whole(num) == 0


def _is(*types: type) -> Test:
    def check(_: Budget, value: Any) -> bool:
        return isinstance(value, types) and (bool in types or not isinstance(value, bool))

    return check


def _constant(constant: Any) -> Test:
    def check(_: Budget, value: Any) -> bool:
        return value is constant

    return check


def _compare(name: str) -> Test:
    compute = operators.COMPARE[name][1]

    def check(budget: Budget, value: Any, other: Any) -> bool:
        return bool(compute(budget, value, other))

    return check


def _status(status: str) -> Test:
    def check(_: Budget, value: Any) -> bool:
        return status_test(value, status)

    return check


def _lower(_: Budget, value: Any) -> bool:
    return isinstance(value, str) and value.islower()


def _upper(_: Budget, value: Any) -> bool:
    return isinstance(value, str) and value.isupper()


def _even(_: Budget, value: Any) -> bool:
    return _whole(value) % 2 == 0


def _odd(_: Budget, value: Any) -> bool:
    return _whole(value) % 2 == 1


TESTS: Final[Mapping[str, Test]] = {
    "boolean": _is(bool),
    "true": _constant(True),
    "false": _constant(False),
    "none": _constant(None),
    "integer": _is(int),
    "float": _is(float),
    "number": _is(int, float),
    "string": _is(str),
    "mapping": _is(Mapping, StepView),
    "sequence": _is(list, tuple, range, str),
    "iterable": _is(list, tuple, range, str, Mapping),
    "lower": _lower,
    "upper": _upper,
    "even": _even,
    "odd": _odd,
    "divisibleby": _divisible,
    **{name: _compare("eq") for name in ("eq", "equalto", "==")},
    **{name: _compare("ne") for name in ("ne", "!=")},
    **{name: _compare("lt") for name in ("lt", "lessthan", "<")},
    **{name: _compare("lteq") for name in ("le", "<=")},
    **{name: _compare("gt") for name in ("gt", "greaterthan", ">")},
    **{name: _compare("gteq") for name in ("ge", ">=")},
    "in": _compare("in"),
    **{status: _status(status) for status in STATUSES},
}

DEFINED: Final = frozenset(("defined", "undefined"))
"""Tests that take a name that is not there for an answer; `compile` knows them."""


@functools.cache
def test_names() -> tuple[str, ...]:
    return tuple(sorted((*TESTS, *DEFINED)))
