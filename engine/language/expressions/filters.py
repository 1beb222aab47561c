"""Every filter there is. Jinja's that are harmless, and `jmespath`, `duration`, `age`, `date`,
`quote`.

Where ours differ from Jinja's: `round` gives a whole number unless it is asked for digits (`93 %`,
not `93.0 %`); `int` and `float` refuse what is no number unless they are given a default (a silent
0 would decide something); `tojson` does not escape for HTML.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.language.expressions import lists, texts, times
from engine.language.expressions.budget import Budget
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.tests import TESTS
from engine.language.expressions.values import kind
from engine.language.shown import did_you_mean, shown

Filter = Callable[..., Any]

MOST_DIGITS: Final = 30
"""Digits `round` keeps. A float has seventeen."""

_MISSING: Final = lists.MISSING


def _absolute(_: Budget, x: Any) -> Any:
    return abs(_number(x, "abs"))


def _number(value: Any, name: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TemplateProblem(f"`{name}` takes a number, not {kind(value)}: {shown(value, 40)}")
    return value


def _round(_: Budget, value: Any, precision: Any = 0, method: str = "common") -> Any:
    number = _number(value, "round")
    if type(precision) is not int or abs(precision) > MOST_DIGITS:
        raise TemplateProblem(f"`round` takes at most {MOST_DIGITS} digits")
    if method not in {"common", "ceil", "floor"}:
        raise TemplateProblem('`round` goes "common", "ceil" or "floor"')
    if not math.isfinite(number):
        return number
    if method == "common":
        return round(number, precision) if precision else round(number)
    way = math.ceil if method == "ceil" else math.floor
    if not precision:
        return way(number)
    return way(number * 10.0**precision) / 10.0**precision


def _int(_: Budget, value: Any, default: Any = _MISSING, base: Any = 10) -> Any:
    try:
        if isinstance(value, str):
            return (
                int(value.strip(), base) if len(value) <= 1000 else _unread(value, "int", default)
            )
        if isinstance(value, (int, float)):
            return int(value)
    except (ValueError, OverflowError, TypeError):
        if isinstance(value, str) and base == 10:
            return _int_of_decimal(value, default)
    return _unread(value, "int", default)


def _int_of_decimal(value: str, default: Any) -> Any:
    """`"42.7" | int` is 42, as in Jinja."""
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        return _unread(value, "int", default)


def _float(_: Budget, value: Any, default: Any = _MISSING) -> Any:
    try:
        if isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= 1000):
            return float(value)
    except (ValueError, OverflowError):
        pass
    return _unread(value, "float", default)


def _unread(value: Any, name: str, default: Any) -> Any:
    if default is _MISSING:
        raise TemplateProblem(
            f"`{name}` cannot read {shown(value, 40)} as a number",
            help=f"to go on without one, give a default: `| {name}(0)`",
        )
    return default


def _jmespath(budget: Budget, value: Any, query: Any) -> Any:
    from engine.language.expressions.paths import jmespath  # noqa: PLC0415 - imports the library

    return jmespath(budget, value, query)


def _map(
    budget: Budget, value: Any, *args: Any, attribute: Any = None, default: Any = _MISSING
) -> list[Any]:
    """`map("upper")` applies a filter to every item, `map(attribute="a.b")` reads a field."""
    items = lists.items_of(budget, value, "map")
    if attribute is not None:
        read = lists.getter(attribute, default)
        return [read(one) for one in items]
    if not args:
        raise TemplateProblem('`map` takes the name of a filter, or attribute="..."')
    apply = FILTERS.get(args[0]) if isinstance(args[0], str) else None
    if apply is None or apply is _map:
        raise unknown_filter(str(args[0]))
    return [budget.made(apply(budget, one, *args[1:])) for one in items]


FILTERS: Final[Mapping[str, Filter]] = {
    "abs": _absolute,
    "age": times.age,
    "batch": lists.batch,
    "capitalize": texts.capitalize,
    "center": texts.center,
    "count": lists.length,
    "date": times.date,
    "dictsort": lists.dictsort,
    "duration": times.duration,
    "filesizeformat": texts.filesizeformat,
    "first": lists.first,
    "float": _float,
    "format": texts.format,
    "groupby": lists.groupby,
    "indent": texts.indent,
    "int": _int,
    "items": lists.pairs,
    "jmespath": _jmespath,
    "join": lists.join,
    "last": lists.last,
    "length": lists.length,
    "list": lists.listed,
    "lower": texts.lower,
    "map": _map,
    "max": lists.maximum,
    "min": lists.minimum,
    "quote": texts.quote,
    "reject": lists.reject,
    "rejectattr": lists.rejectattr,
    "replace": texts.replace,
    "reverse": lists.reverse,
    "round": _round,
    "select": lists.select,
    "selectattr": lists.selectattr,
    "slice": lists.sliced,
    "sort": lists.sort,
    "string": texts.string,
    "sum": lists.total,
    "title": texts.title,
    "tojson": texts.tojson,
    "trim": texts.trim,
    "truncate": texts.truncate,
    "unique": lists.unique,
    "upper": texts.upper,
    "urlencode": texts.urlencode,
    "wordcount": texts.wordcount,
    "wordwrap": texts.wordwrap,
}

DEFAULT: Final = frozenset(("default", "d"))
"""Filters that take a name that is not there for an answer; `compile` knows them."""

_REFUSED: Final = {
    "attr": "a field is read with a dot: `memory.used_memory`",
    "random": "the same record must always give the same answer",
    "pprint": "use `| tojson(indent=2)`",
    **dict.fromkeys(
        ("safe", "escape", "e", "forceescape", "xmlattr", "urlize", "striptags"),
        "nothing here is HTML; there is `| tojson`, `| quote` for shells, `| urlencode` for URLs",
    ),
}


def filter_names() -> tuple[str, ...]:
    return tuple(sorted((*FILTERS, *DEFAULT)))


def unknown_filter(name: str) -> TemplateProblem:
    if name in _REFUSED:
        return TemplateProblem(f"the filter {name!r} is not available", help=_REFUSED[name])
    return TemplateProblem(f"there is no filter {name!r}", help=did_you_mean(name, filter_names()))


@functools.cache
def _signature(call: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(call)


def arguments_problem(
    call: Callable[..., Any], count: int, keywords: tuple[str, ...]
) -> str | None:
    """What is wrong with calling a filter, test or function with so many arguments, or None."""
    try:
        _signature(call).bind(None, *([None] * count), **dict.fromkeys(keywords))
    except TypeError as e:
        return str(e)
    return None


def filter_or_test(name: str, *, test: bool) -> Callable[..., Any] | None:
    return TESTS.get(name) if test else FILTERS.get(name)
