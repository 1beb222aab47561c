"""Matchers: what a value is compared with in an expectation, and the line that says why it does not
fit.

| matcher | holds when the value |
|---|---|
| a literal | is equal to it; True is not 1, and 1 is 1.0 |
| `eq`, `ne` | is equal, is not (for mappings whose keys are names of matchers) |
| `lt`, `le`, `gt`, `ge` | is less ... (number with number, text with text) |
| `between: [low, high]` | lies between them, both included |
| `in`, `not_in` | is one of a list, is none of it |
| `matches` | is a text in which the regular expression is found |
| `contains` | has this part (text), item (list), key or entries (mapping) |
| `starts_with` | is a text that begins so |
| `length` | has a length that fits a matcher |
| `every`, `some` | is a list of which all items, or one, fit: a matcher, or paths in the item |
| `exists` | is there (`true`) or is not (`false`) |
| `type` | is a `string`, `number`, `integer`, `boolean`, `null`, `list` or `mapping` |
| `all`, `any`, `not` | fits all of a list of matchers, at least one, does not fit |

A value that a matcher cannot judge (it is not there, a text where a number is wanted, NaN) fits
neither the matcher nor its `not`: what cannot be compared proves nothing.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from engine.language.expressions.problem import TemplateProblem
from engine.language.matcher_words import TYPE_WORDS, TYPES, is_matcher, show, words
from engine.language.matching import NAN, has, incomparable, is_nan, pattern, same, types_of
from engine.language.result_path import Missing, find
from engine.language.shown import kind_of
from engine.language.template import render

PATTERN_TIMEOUT_S: Final = 0.25
"""For one regular expression on one text: others wait for it in the same process."""

MATCHED_LIMIT_CHARS: Final = 1024 * 1024
"""1 MiB: as much text as a check keeps."""

LINE_CHARS: Final = 240
"""Of a line whose two values look the same when they are cut."""

ITEMS_TOLD: Final = 5
"""Items of a list that are told one by one when `every` does not hold."""


class Miss(Struct, frozen=True):
    """Why a value does not fit. `decided` is False where the matcher could not judge it."""

    lines: tuple[str, ...]
    decided: bool = True


Scope = Mapping[str, Any]
Verdict = Miss | None
Judge = Callable[[Any, Any, str, Scope], Verdict]


def fits(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    """None when the value fits what is wanted of it, a literal or a matcher; else why not."""
    if is_matcher(wanted):
        misses = [MATCHERS[key](value, operand, at, scope) for key, operand in wanted.items()]
        return _all_of(misses)
    return _literal(value, wanted, at, scope)


def _all_of(misses: list[Verdict]) -> Verdict:
    found = [miss for miss in misses if miss is not None]
    if not found:
        return None
    lines = tuple(dict.fromkeys(line for miss in found for line in miss.lines))
    return Miss(lines, all(miss.decided for miss in found))


def fits_paths(result: Any, wanted: Mapping[str, Any], scope: Scope, prefix: str = "") -> Verdict:
    """Judges every path of a mapping from paths to what is wanted there."""
    misses: list[Verdict] = []
    for path, matcher in wanted.items():
        found = find(result, path if isinstance(path, str) else str(path))
        if type(found) is Missing and prefix:
            found = Missing(f"{prefix}{found.why}")
        misses.append(fits(found, matcher, f"{prefix}{path}", scope))
    return _all_of(misses)


def _was(value: Any, expected: str, at: str) -> Miss:
    return Miss((f"{at}: expected {expected}, was {show(value)}",))


def _cannot(value: Any, expected: str, at: str, why: str) -> Miss:
    return Miss((f"{at}: expected {expected}, was {show(value)}, {why}",), decided=False)


def _present(judge: Judge) -> Judge:
    """A matcher that says of a missing value where the path ends, and renders what it is given."""

    @functools.wraps(judge)
    def check(value: Any, operand: Any, at: str, scope: Scope) -> Verdict:
        if type(value) is Missing:
            return Miss((value.why,), decided=False)
        return judge(value, render(operand, scope), at, scope)

    return check


@_present
def _literal(value: Any, wanted: Any, at: str, _: Scope) -> Verdict:
    if same(value, wanted):
        return None
    if is_nan(value):
        return _cannot(value, show(wanted), at, NAN)
    line = f"{at}: expected {show(wanted)}, was {show(value)}"
    if show(wanted) == show(value):
        line = f"{at}: expected {wanted!r}, was {value!r}"[:LINE_CHARS]
    elif type(value) is not type(wanted) and str(value) == str(wanted):
        line += f", which is {kind_of(value)} and not {kind_of(wanted)}"
    return Miss((line,))


@_present
def _ne(value: Any, wanted: Any, at: str, _: Scope) -> Verdict:
    if is_nan(value):
        return _cannot(value, f"anything but {show(wanted)}", at, NAN)
    return _was(value, f"anything but {show(wanted)}", at) if same(value, wanted) else None


def _ordered(words: str, compare: Callable[[Any, Any], bool]) -> Judge:
    @_present
    def judge(value: Any, wanted: Any, at: str, _: Scope) -> Verdict:
        why = incomparable(value, wanted)
        expected = f"{words} {show(wanted)}"
        if why:
            return _cannot(value, expected, at, why)
        return None if compare(value, wanted) else _was(value, expected, at)

    return judge


@_present
def _between(value: Any, bounds: Any, at: str, _: Scope) -> Verdict:
    low, high = _two(bounds)
    expected = f"between {show(low)} and {show(high)}"
    why = incomparable(value, low) or incomparable(value, high)
    if why:
        return _cannot(value, expected, at, why)
    return None if low <= value <= high else _was(value, expected, at)


def _two(bounds: Any) -> tuple[Any, Any]:
    if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
        raise TemplateProblem(f"`between` takes a list of two, not {show(bounds)}")
    return bounds[0], bounds[1]


def _options(operand: Any, name: str) -> list[Any]:
    if not isinstance(operand, (list, tuple)):
        raise TemplateProblem(f"`{name}` takes a list, not {show(operand)}")
    return list(operand)


@_present
def _in(value: Any, operand: Any, at: str, _: Scope) -> Verdict:
    options = _options(operand, "in")
    if any(same(value, option) for option in options):
        return None
    return _was(value, f"one of {show(options)}", at)


@_present
def _not_in(value: Any, operand: Any, at: str, _: Scope) -> Verdict:
    options = _options(operand, "not_in")
    if any(same(value, option) for option in options):
        return _was(value, f"none of {show(options)}", at)
    return None


@_present
def _matches(value: Any, text: Any, at: str, _: Scope) -> Verdict:
    expected = f"a text that matches {show(text)}"
    if not isinstance(text, str):
        raise TemplateProblem(f"`matches` takes a regular expression, not {show(text)}")
    if not isinstance(value, str):
        return _cannot(value, expected, at, f"{kind_of(value)} and not a text")
    try:
        compiled = pattern(text)
    except ValueError as e:
        raise TemplateProblem(f"`matches`: {e}") from e
    try:
        found = compiled.search(value[:MATCHED_LIMIT_CHARS], timeout=PATTERN_TIMEOUT_S)
    except (TimeoutError, MemoryError):
        why = f"and to find that takes over {PATTERN_TIMEOUT_S:g} s: make the expression simpler"
        return _cannot(value, expected, at, why)
    return _was(value, expected, at) if found is None else None


@_present
def _contains(value: Any, part: Any, at: str, _: Scope) -> Verdict:
    expected = f"to contain {show(part)}"
    if isinstance(value, str):
        if not isinstance(part, str):
            return _cannot(value, expected, at, f"a text, which cannot contain {kind_of(part)}")
        return None if part in value else _was(value, expected, at)
    if isinstance(value, (list, tuple)):
        return None if any(has(one, part) for one in value) else _was(value, expected, at)
    if isinstance(value, Mapping):
        held = has(value, part) if isinstance(part, Mapping) else _is_key(part, value)
        return None if held else _was(value, expected, at)
    return _cannot(value, expected, at, f"{kind_of(value)}, which contains nothing")


def _is_key(part: Any, value: Mapping[str, Any]) -> bool:
    return isinstance(part, str) and part in value


@_present
def _starts_with(value: Any, start: Any, at: str, _: Scope) -> Verdict:
    if not isinstance(start, str):
        raise TemplateProblem(f"`starts_with` takes a text, not {show(start)}")
    expected = f"a text that starts with {show(start)}"
    if not isinstance(value, str):
        return _cannot(value, expected, at, f"{kind_of(value)} and not a text")
    return None if value.startswith(start) else _was(value, expected, at)


def _length(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    if type(value) is Missing:
        return Miss((value.why,), decided=False)
    if not isinstance(value, (str, list, tuple, Mapping)):
        return _cannot(
            value, f"a length {words(wanted)}", at, f"{kind_of(value)}, which has no length"
        )
    return fits(len(value), wanted, f"length of {at}", scope)


def _item(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    """One item of a list against a matcher, a literal, or paths in it."""
    if isinstance(wanted, Mapping) and wanted and not is_matcher(wanted):
        return fits_paths(value, wanted, scope, f"{at}.")
    return fits(value, wanted, at, scope)


def _every(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    if type(value) is Missing:
        return Miss((value.why,), decided=False)
    if not isinstance(value, (list, tuple)):
        return _cannot(value, f"a list of which every item is {words(wanted)}", at, "not a list")
    misses: list[Miss] = []
    for number, one in enumerate(value):
        miss = _item(one, wanted, f"{at}[{number}]", scope)
        if miss is not None:
            misses.append(miss)
    if not misses:
        return None
    lines = [line for miss in misses[:ITEMS_TOLD] for line in miss.lines]
    if len(misses) > ITEMS_TOLD:
        lines.append(f"{at}: {len(misses)} of {len(value)} items do not fit")
    return Miss(tuple(lines), all(miss.decided for miss in misses))


def _some(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    if type(value) is Missing:
        return Miss((value.why,), decided=False)
    expected = f"a list of which some item is {words(wanted)}"
    if not isinstance(value, (list, tuple)):
        return _cannot(value, expected, at, "not a list")
    decided = True
    for number, one in enumerate(value):
        miss = _item(one, wanted, f"{at}[{number}]", scope)
        if miss is None:
            return None
        decided = decided and miss.decided
    told = f"was {show(value)}" if value else "was empty"
    return Miss((f"{at}: expected {expected}, {told}",), decided)


def _exists(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    wanted = render(wanted, scope)
    if not isinstance(wanted, bool):
        raise TemplateProblem(f"`exists` takes true or false, not {show(wanted)}")
    if type(value) is Missing:
        return Miss((value.why,)) if wanted else None
    return None if wanted else Miss((f"{at}: expected not to be there, was {show(value)}",))


@_present
def _type(value: Any, name: Any, at: str, _: Scope) -> Verdict:
    if name not in TYPES:
        raise TemplateProblem(f"`type` takes one of {', '.join(TYPES)}, not {show(name)}")
    if name in types_of(value):
        return None
    return Miss((f"{at}: expected {TYPE_WORDS[name]}, was {kind_of(value)}: {show(value)}",))


def _all(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    return _all_of([fits(value, one, at, scope) for one in _options(wanted, "all")])


def _any(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    options = _options(wanted, "any")
    decided = True
    for one in options:
        miss = fits(value, one, at, scope)
        if miss is None:
            return None
        decided = decided and miss.decided
    if type(value) is Missing:
        return Miss((value.why,), decided)
    return Miss(_was(value, " or ".join(words(one) for one in options), at).lines, decided)


def _not(value: Any, wanted: Any, at: str, scope: Scope) -> Verdict:
    miss = fits(value, wanted, at, scope)
    if miss is None:
        if type(value) is Missing:
            return Miss((value.why,))
        return _was(value, f"not {words(wanted)}", at)
    return None if miss.decided else miss


MATCHERS: Final[Mapping[str, Judge]] = {
    "eq": _literal,
    "ne": _ne,
    "lt": _ordered("less than", operator.lt),
    "le": _ordered("at most", operator.le),
    "gt": _ordered("more than", operator.gt),
    "ge": _ordered("at least", operator.ge),
    "between": _between,
    "in": _in,
    "not_in": _not_in,
    "matches": _matches,
    "contains": _contains,
    "starts_with": _starts_with,
    "length": _length,
    "every": _every,
    "some": _some,
    "exists": _exists,
    "type": _type,
    "all": _all,
    "any": _any,
    "not": _not,
}
