"""Fields, text and JSON of a value. The only place that looks into one.

A value is JSON, a step, or a time. A name after a dot is a key of a mapping and nothing else:
Python's own attributes are out of reach because nothing here asks for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from engine.language.expressions.budget import Budget, check_length
from engine.language.expressions.problem import TemplateProblem, Undefined
from engine.language.expressions.step import StepView
from engine.language.shown import did_you_mean, kind_of, named

_SCALARS: Final = frozenset((str, int, float, bool, type(None)))


class Group(NamedTuple):
    """One group of `groupby`: unpacks as a pair, and has these two fields."""

    grouper: Any
    list: Any


def kind(value: Any) -> str:
    """`a number`, `the step memory`: for messages."""
    if isinstance(value, StepView):
        return f"the step {value.id}"
    if isinstance(value, datetime):
        return "a time"
    if isinstance(value, range):
        return "a list"
    return kind_of(value)


def field(value: Any, name: str, what: str) -> Any:
    """`value.name`, where `what` is how the text calls the value."""
    if type(value) is dict:
        try:
            return value[name]
        except KeyError:
            raise _no_key(value, name, what) from None
    if type(value) is StepView:
        return value.field(name)
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise _no_key(value, name, what)
    if isinstance(value, Group) and name in Group._fields:
        return value.grouper if name == "grouper" else value.list
    if isinstance(value, (list, tuple)) and name.isdecimal() and len(name) < 10:
        return item(value, int(name), what)
    if value is None:
        raise Undefined(f"{what} is null, so it has no {name}")
    raise TemplateProblem(f"{what} is {kind(value)}, so it has no {name}", help=_field_help(name))


def _no_key(value: Mapping[str, Any], name: str, what: str) -> Undefined:
    if not value:
        return Undefined(f'there is no "{name}" in {what}; it is empty')
    names = [key for key in value if isinstance(key, str)]
    return Undefined(
        f'there is no "{name}" in {what}; it has: {named(value)}', help=did_you_mean(name, names)
    )


def _field_help(name: str) -> str | None:
    if name in {"length", "size", "count", "len"}:
        return "for how many there are, write `| length`"
    return None


def item(value: Any, key: Any, what: str) -> Any:
    """`value[key]`."""
    if isinstance(key, str):
        return field(value, key, what)
    if isinstance(value, (list, tuple, str, range)):
        if isinstance(key, bool) or not isinstance(key, int):
            raise TemplateProblem(f"{what} is {kind(value)}: its items are numbered from 0")
        try:
            return value[key]
        except IndexError:
            raise Undefined(f"there is no item {key} in {what}; it has {len(value)}") from None
    if isinstance(value, Mapping) and not isinstance(key, (list, dict)):
        if key in value:
            return value[key]
        raise _no_key(value, str(key), what)
    if value is None:
        raise Undefined(f"{what} is null, so it has no items")
    raise TemplateProblem(f"{what} is {kind(value)}, so it has no items")


def sequence(value: Any, what: str) -> Sequence[Any]:
    """What a loop or a filter goes through. A text is no list: going through it is a slip."""
    if isinstance(value, (list, tuple, range)):
        return value
    if isinstance(value, StepView):
        return list(value.whole())
    if isinstance(value, Mapping):
        return list(value)
    raise TemplateProblem(f"{what} takes a list, not {kind(value)}")


def truth(value: Any) -> bool:
    if value is True or value is False:
        return value
    if isinstance(value, StepView):
        raise TemplateProblem(
            f"{value.id} is a step, neither true nor false", help=f"ask `{value.id} is passed`"
        )
    return bool(value)


def plain(budget: Budget, value: Any) -> Any:
    """The value as JSON of its own: steps become their fields, times text, tuples lists."""
    if type(value) in _SCALARS:
        return value
    budget.weigh(_weighable(value))
    return _plain(value)


def kept(budget: Budget, value: Any) -> Any:
    """The same as a value that can be kept: JSON has no infinity and no NaN."""
    found = plain(budget, value)
    if not _finite(found):
        raise TemplateProblem("a number is too large to be kept, or is none (NaN)")
    return found


def _finite(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return all(map(_finite, value))
    return type(value) is not dict or all(map(_finite, value.values()))


def _weighable(value: Any) -> Any:
    return value.whole() if isinstance(value, StepView) else value


def _plain(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, (list, tuple, range)):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, StepView):
        return _plain(value.whole())
    if isinstance(value, datetime):
        return iso(value)
    for scalar in (str, bool, int, float):
        if isinstance(value, scalar):
            return scalar(value)
    raise TemplateProblem(f"a {type(value).__name__} is not JSON, so nothing can be made of it")


def _key(key: Any) -> str:
    return key if isinstance(key, str) else _scalar_text(key)


def iso(value: datetime) -> str:
    """`2026-11-21T02:00:00Z`; UTC, with microseconds only where there are some."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def text(budget: Budget, value: Any) -> str:
    """The value inside a text, written as in JSON; a text is itself, a time is ISO 8601.

    Python's spelling (`True`, `None`, single quotes) would be wrong in every request and file.
    """
    if type(value) is str:
        return value
    if isinstance(value, (list, tuple, range, Mapping, StepView)):
        return json_text(budget, value)
    return _scalar_text(value)


def _scalar_text(value: Any) -> str:
    writer = _WRITERS.get(type(value))
    if writer is not None:
        return writer(value)
    if isinstance(value, datetime):
        return iso(value)
    return _scalar_text(_plain(value))


def json_text(budget: Budget, value: Any, indent: int | None = None) -> str:
    """Compact JSON in the order of the value, or indented."""
    value = plain(budget, value)
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    pieces, length = [], 0
    for piece in json.JSONEncoder(ensure_ascii=False, indent=indent).iterencode(value):
        length += len(piece)
        check_length(length)
        pieces.append(piece)
    return "".join(pieces)


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    str: lambda value: value,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    int: int.__repr__,
    float: float.__repr__,
}
