"""What can be called: a few functions, and a few methods of texts, mappings and lists.

Each is a function of ours. A method that is not listed does not exist, so that a method can neither
change a value nor lead to Python's own objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.language.expressions.budget import ROUNDS_LIMIT, Budget, check_length
from engine.language.expressions.problem import TemplateProblem, TooMuch
from engine.language.expressions.step import StepView
from engine.language.expressions.values import kind, text
from engine.language.shown import did_you_mean

Method = Callable[..., Any]


def _range(_: Budget, *bounds: Any) -> range:
    if not all(type(bound) is int for bound in bounds) or not 1 <= len(bounds) <= 3:
        raise TemplateProblem("range takes one to three whole numbers")
    if len(bounds) == 3 and bounds[2] == 0:
        raise TemplateProblem("range cannot go in steps of 0")
    numbers = range(*bounds)
    # len() itself fails beyond 2**63
    if bool(numbers) and (numbers[-1] - numbers[0]) // numbers.step >= ROUNDS_LIMIT:
        raise TooMuch(f"range gives more than {ROUNDS_LIMIT:,} numbers, the limit")
    return numbers


def _dict(budget: Budget, **pairs: Any) -> Any:
    return budget.made(pairs)


FUNCTIONS: Final[Mapping[str, Method]] = {"range": _range, "dict": _dict}


def _of_text(name: str) -> Method:
    """A method of `str` that gives no more than it gets."""
    method = getattr(str, name)

    def call(budget: Budget, value: str, *arguments: Any) -> Any:
        check_length(len(value))
        for argument in arguments:
            if argument is not None and not isinstance(argument, (str, int, tuple)):
                raise TemplateProblem(f"`{name}` takes texts and numbers, not {kind(argument)}")
        return budget.made(method(value, *arguments))

    return call


def _padded(name: str) -> Method:
    method = getattr(str, name)

    def call(budget: Budget, value: str, width: Any, *fill: Any) -> Any:
        if type(width) is not int:
            raise TemplateProblem(f"`{name}` takes a width, not {kind(width)}")
        check_length(width)
        return budget.made(method(value, width, *fill))

    return call


def replace(budget: Budget, value: str, old: Any, new: Any, count: Any = -1) -> Any:
    """Every `old` becomes `new`, or the first `count`."""
    if not isinstance(old, str) or not isinstance(new, str):
        raise TemplateProblem(f"`replace` takes two texts, not {kind(old)} and {kind(new)}")
    times = count if type(count) is int else -1
    check_length(len(value))
    found = value.count(old)
    if times >= 0:
        found = min(found, times)
    check_length(len(value) + max(0, len(new) - len(old)) * found)
    return budget.made(value.replace(old, new, times))


def join(budget: Budget, between: str, values: Any) -> str:
    """The texts of `values`, with `between` between them."""
    if not isinstance(values, (list, tuple, range)):
        raise TemplateProblem(f"`join` takes a list, not {kind(values)}")
    budget.spend(len(values))
    parts, length = [], 0
    for value in values:
        parts.append(text(budget, value))
        length += len(parts[-1]) + len(between)
        check_length(length)
    joined = between.join(parts)
    budget.scan(joined)
    return joined


def _get(budget: Budget, value: Mapping[str, Any], key: Any, default: Any = None) -> Any:
    budget.spend(1)
    return value.get(key, default) if isinstance(key, str) else default


def _items(budget: Budget, value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    budget.spend(len(value))
    return list(value.items())


def _keys(budget: Budget, value: Mapping[str, Any]) -> list[str]:
    budget.spend(len(value))
    return list(value)


def _values(budget: Budget, value: Mapping[str, Any]) -> list[Any]:
    budget.spend(len(value))
    return list(value.values())


def _index(budget: Budget, value: list[Any], wanted: Any) -> int:
    budget.weigh(value)
    if wanted not in value:
        raise TemplateProblem("`index` found no such item in the list")
    return value.index(wanted)


def _count(budget: Budget, value: list[Any], wanted: Any) -> int:
    budget.weigh(value)
    return value.count(wanted)


_SAFE: Final = (
    *("upper", "lower", "casefold", "swapcase", "title", "capitalize"),
    *("strip", "lstrip", "rstrip", "removeprefix", "removesuffix"),
    *("split", "rsplit", "splitlines", "partition", "rpartition"),
    *("startswith", "endswith", "count", "find", "rfind", "index"),
    *("isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum"),
    *("isspace", "isupper", "islower", "istitle"),
)
OF_TEXT: Final[Mapping[str, Method]] = {
    **{name: _of_text(name) for name in _SAFE},
    **{name: _padded(name) for name in ("center", "ljust", "rjust", "zfill")},
    "replace": replace,
    "join": join,
}
OF_MAPPING: Final[Mapping[str, Method]] = {
    "get": _get,
    "items": _items,
    "keys": _keys,
    "values": _values,
}
OF_LIST: Final[Mapping[str, Method]] = {"index": _index, "count": _count}

ALL_METHODS: Final = frozenset((*OF_TEXT, *OF_MAPPING, *OF_LIST))

_HELP: Final = {
    "format": "join texts with `~`, or use the filter: `'%.1f' | format(x)`",
    "format_map": "join texts with `~`",
    "append": "no value is changed here; join lists with `+`",
    "extend": "no value is changed here; join lists with `+`",
    **dict.fromkeys(
        ("update", "pop", "popitem", "clear", "insert", "remove", "setdefault", "reverse"),
        "no value is changed here",
    ),
    "sort": "no value is changed here; use the filter `| sort`",
    "length": "use the filter `| length`",
    "total_seconds": "the difference of two times is already in seconds",
    "strftime": "use the filter `| date('%Y-%m-%d')`",
}


def unknown_method(name: str) -> TemplateProblem:
    advice = _HELP.get(name) or did_you_mean(name, ALL_METHODS)
    return TemplateProblem(f"there is no method {name!r} here", help=advice)


def call_method(budget: Budget, value: Any, name: str, what: str) -> tuple[Method, Any]:
    """The method `name` and what it is called with. A step's own fields are the mapping."""
    if isinstance(value, StepView):
        value = value.whole()
    table: Mapping[str, Method] = {}
    if isinstance(value, str):
        table = OF_TEXT
    elif isinstance(value, Mapping):
        table = OF_MAPPING
    elif isinstance(value, (list, tuple, range)):
        table = OF_LIST
    method = table.get(name)
    if method is None:
        if name in ALL_METHODS:
            raise TemplateProblem(f"{what} is {kind(value)}, which has no method {name!r}")
        raise unknown_method(name)
    budget.spend(1)
    return method, value
