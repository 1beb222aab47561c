"""What is wrong with an expectation before anything is judged by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from engine.language.matcher_words import MATCHER_NAMES, TYPES, is_matcher
from engine.language.matching import pattern
from engine.language.model import Expression, Template
from engine.language.result_path import parse_path
from engine.language.shown import did_you_mean, kind_of, shown

Path = tuple[str | int, ...]
Finding = tuple[Path, str, str | None]
"""Where in the expectation (keys and numbers), what is wrong, how to mend it."""

DEPTH_LIMIT: Final = 20
"""Matchers inside each other. Nobody reads more than three."""

_MEANT: Final = {
    "equals": "eq",
    "equal": "eq",
    "==": "eq",
    "!=": "ne",
    "not_equals": "ne",
    "neq": "ne",
    "lte": "le",
    "gte": "ge",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "less_than": "lt",
    "greater_than": "gt",
    "more_than": "gt",
    "at_least": "ge",
    "at_most": "le",
    "one_of": "in",
    "none_of": "not_in",
    "not in": "not_in",
    "notin": "not_in",
    "regex": "matches",
    "regexp": "matches",
    "len": "length",
    "includes": "contains",
    "startswith": "starts_with",
    "any_of": "any",
    "all_of": "all",
    "is_not": "not",
}


def check_expectation(value: Any) -> list[Finding]:
    """All that is wrong with an expectation, read from YAML. Templates in it are taken as they
    come."""
    if isinstance(value, Expression):
        return []
    if not isinstance(value, Mapping):
        return [
            (
                (),
                f"takes an expression or a mapping from paths to matchers, not {shown(value, 60)}",
                None,
            )
        ]
    if not value:
        return [
            ((), "an empty mapping expects nothing", "leave it out, or name a path of the result")
        ]
    return list(_paths(value, (), 0))


def _paths(value: Mapping[Any, Any], at: Path, depth: int) -> Iterator[Finding]:
    for key, wanted in value.items():
        here = (*at, key)
        try:
            parse_path(key if isinstance(key, str) else str(key))
        except ValueError as e:
            yield here, str(e), None
        if key in MATCHER_NAMES and not at:
            yield from _matcher_as_path(key, here)
        yield from _wanted(wanted, here, depth + 1)


def _matcher_as_path(key: str, here: Path) -> Iterator[Finding]:
    if key in {"length", "type", "all", "any", "contains", "in", "matches", "exists"}:
        return  # fields of results have such names
    yield (
        here,
        f"{key!r} is a matcher, and a path of the result is wanted here",
        f"write `path: {{{key}: ...}}`",
    )


def _wanted(wanted: Any, here: Path, depth: int) -> Iterator[Finding]:
    if depth > DEPTH_LIMIT:
        yield here, "matchers are nested too deeply", None
    elif is_matcher(wanted):
        for key, operand in wanted.items():
            yield from _CHECKS[key](operand, (*here, key), depth + 1)
    elif isinstance(wanted, Mapping):
        yield from _literal(wanted, here)


def _literal(wanted: Mapping[Any, Any], here: Path) -> Iterator[Finding]:
    """A mapping that is compared as it stands: is it a matcher with a slip in it?"""
    known = [key for key in wanted if key in MATCHER_NAMES]
    for key in wanted:
        if key in MATCHER_NAMES:
            continue
        meant = _MEANT.get(key) if isinstance(key, str) else None
        if meant:
            yield (*here, key), f"there is no matcher {key!r}", f"did you mean {meant!r}?"
        elif known:
            advice = (
                did_you_mean(str(key), MATCHER_NAMES)
                or "to compare with the mapping itself, write `eq: {...}`"
            )
            yield (*here, key), f"there is no matcher {key!r} (beside {known[0]!r})", advice
    for key, inner in wanted.items():
        if is_matcher(inner) and not known:
            yield (
                (*here, key),
                f"{next(iter(inner))!r} in a mapping is compared as it stands, not as a matcher",
                f"write the path: `{here[-1]}.{key}: ...`, or `eq:` to compare with the mapping",
            )


def _takes(words: str, *types: type) -> Callable[[Any, Path, int], Iterator[Finding]]:
    def check(operand: Any, here: Path, _: int) -> Iterator[Finding]:
        fitting = isinstance(operand, types) and (bool in types or not isinstance(operand, bool))
        if not fitting and not isinstance(operand, Template):
            yield here, f"`{here[-1]}` takes {words}, not {shown(operand, 60)}", None

    return check


def _anything(_operand: Any, _here: Path, _depth: int) -> Iterator[Finding]:
    return iter(())


def _between(operand: Any, here: Path, _: int) -> Iterator[Finding]:
    if isinstance(operand, Template):
        return
    if not isinstance(operand, (list, tuple)) or len(operand) != 2:
        yield here, f"`between` takes a list of two, not {shown(operand, 60)}", "write [low, high]"
        return
    for number, bound in enumerate(operand):
        yield from _takes("numbers or texts", int, float, str)(bound, (*here, number), 0)
    low, high = operand
    if _is_number(low) and _is_number(high) and low > high:
        yield here, f"nothing lies between {low} and {high}", f"write [{high}, {low}]"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pattern(operand: Any, here: Path, _: int) -> Iterator[Finding]:
    if isinstance(operand, Template):
        return
    if not isinstance(operand, str):
        yield here, f"`matches` takes a regular expression, not {shown(operand, 60)}", None
        return
    try:
        pattern(operand)
    except ValueError as e:
        yield here, str(e), None


def _type(operand: Any, here: Path, _: int) -> Iterator[Finding]:
    if isinstance(operand, Template) or operand in TYPES:
        return
    near = did_you_mean(operand, TYPES) if isinstance(operand, str) else None
    advice = near or "to compare with a field named type, write its path or `eq: {type: ...}`"
    yield here, f"`type` takes one of {', '.join(TYPES)}, not {shown(operand, 60)}", advice


def _nested(operand: Any, here: Path, depth: int) -> Iterator[Finding]:
    yield from _wanted(operand, here, depth)


def _length(operand: Any, here: Path, depth: int) -> Iterator[Finding]:
    if is_matcher(operand) or isinstance(operand, Template):
        yield from _wanted(operand, here, depth)
    elif isinstance(operand, bool) or not isinstance(operand, int):
        yield here, f"`length` takes a whole number or a matcher, not {shown(operand, 60)}", None


def _items(operand: Any, here: Path, depth: int) -> Iterator[Finding]:
    """`every` and `some`: a matcher, a literal, or paths in the item."""
    if isinstance(operand, Mapping) and operand and not is_matcher(operand):
        yield from _paths(operand, here, depth)
    else:
        yield from _wanted(operand, here, depth)


def _list_of(operand: Any, here: Path, depth: int) -> Iterator[Finding]:
    if not isinstance(operand, (list, tuple)) or not operand:
        what = "an empty list" if isinstance(operand, (list, tuple)) else kind_of(operand)
        yield here, f"`{here[-1]}` takes a list of matchers, not {what}", None
        return
    for number, one in enumerate(operand):
        yield from _wanted(one, (*here, number), depth)


_order = _takes("a number or a text", int, float, str)
_CHECKS: Final[Mapping[str, Callable[[Any, Path, int], Iterator[Finding]]]] = {
    "eq": _anything,
    "ne": _anything,
    "lt": _order,
    "le": _order,
    "gt": _order,
    "ge": _order,
    "between": _between,
    "in": _takes("a list", list, tuple),
    "not_in": _takes("a list", list, tuple),
    "matches": _pattern,
    "contains": _anything,
    "starts_with": _takes("a text", str),
    "length": _length,
    "every": _items,
    "some": _items,
    "exists": _takes("true or false", bool),
    "type": _type,
    "all": _list_of,
    "any": _list_of,
    "not": _nested,
}
