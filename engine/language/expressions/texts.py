"""Filters of texts. Each bounds what it makes before making it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any, Final

from engine.language.duration import format_size
from engine.language.expressions.budget import Budget, check_length
from engine.language.expressions.methods import replace as replace_in
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.step import StepView
from engine.language.expressions.values import json_text, kind, sequence, text

WIDEST_CHARS: Final = 1000
"""Of one value in a `format`, of an indent: wider than any terminal or column."""

MOST_INDENT_CHARS: Final = 8
"""Of one level of `tojson(indent=...)`."""

_CONVERSION: Final = re.compile(r"%(?:%|[-+ 0#]*(\d*)(?:\.(\d+))?([sdifgGeExXo])|(.?))", re.DOTALL)


def _text(budget: Budget, value: Any) -> str:
    made = text(budget, value)
    check_length(len(made))
    budget.scan(made)
    return made


def _count(value: Any, name: str, most: int = WIDEST_CHARS) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise TemplateProblem(f"`{name}` takes a whole number from 0 to {most:,}")
    return value


def string(budget: Budget, value: Any) -> str:
    return _text(budget, value)


def upper(budget: Budget, value: Any) -> str:
    return _text(budget, value).upper()


def lower(budget: Budget, value: Any) -> str:
    return _text(budget, value).lower()


def capitalize(budget: Budget, value: Any) -> str:
    return _text(budget, value).capitalize()


def title(budget: Budget, value: Any) -> str:
    return re.sub(r"[^\W_][^\s\-\(\{\[\<]*", _titled, _text(budget, value))


def _titled(word: re.Match[str]) -> str:
    return word[0][:1].upper() + word[0][1:].lower()


def trim(budget: Budget, value: Any, chars: str | None = None) -> str:
    return _text(budget, value).strip(chars)


def replace(budget: Budget, s: Any, old: Any, new: Any, count: Any = None) -> Any:
    return replace_in(budget, _text(budget, s), old, new, count)


def center(budget: Budget, value: Any, width: Any = 80) -> str:
    return _text(budget, value).center(_count(width, "center"))


def indent(budget: Budget, s: Any, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    """Every line but the first moved right by `width` characters, or by the text `width`."""
    lead = width if isinstance(width, str) else " " * _count(width, "indent")
    source = _text(budget, s)
    check_length(len(source) + (source.count("\n") + 1) * len(lead))
    lines = source.split("\n")
    moved = [lead + line if line or blank else line for line in lines]
    if not first:
        moved[0] = lines[0]
    return "\n".join(moved)


def truncate(
    budget: Budget, s: Any, length: Any = 255, killwords: bool = False, end: str = "..."
) -> str:
    """At most `length` characters, `end` included; cut between words unless `killwords`."""
    source, most = _text(budget, s), _count(length, "truncate", 1_000_000)
    if len(source) <= most:
        return source
    cut = source[: max(0, most - len(end))]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def wordcount(budget: Budget, s: Any) -> int:
    return len(re.findall(r"\w+", _text(budget, s)))


def wordwrap(budget: Budget, s: Any, width: Any = 79) -> str:
    wide = max(1, _count(width, "wordwrap"))
    source = _text(budget, s)
    budget.spend(len(source))  # textwrap takes about a microsecond for a character
    lines = (textwrap.wrap(line, wide, replace_whitespace=False) for line in source.splitlines())
    return "\n".join("\n".join(line) for line in lines)


def format(budget: Budget, value: Any, *args: Any) -> str:  # noqa: A001 - Jinja's name for it
    """`"%.1f %s" | format(x, y)`: the conversions of C without `*` and names."""
    pattern = _text(budget, value)
    for width, precision, _, other in _CONVERSION.findall(pattern):
        if other or int(width or 0) > WIDEST_CHARS or int(precision or 0) > WIDEST_CHARS:
            raise TemplateProblem(
                f"`format` takes conversions such as %s, %d and %.1f, at most {WIDEST_CHARS:,} wide"
            )
    budget.spend(len(args) * WIDEST_CHARS // 16)
    ready = tuple(arg if isinstance(arg, (int, float)) else _text(budget, arg) for arg in args)
    try:
        return str(pattern % ready)
    except TypeError as e:
        raise TemplateProblem(f"`format`: {e}") from e


def urlencode(budget: Budget, value: Any) -> str:
    """A text for a URL, `/` kept; a mapping becomes a query string."""
    from urllib.parse import quote as quoted  # noqa: PLC0415 - few templates need it
    from urllib.parse import urlencode as query  # noqa: PLC0415

    if isinstance(value, (Mapping, StepView)):
        found = value.whole() if isinstance(value, StepView) else value
        return query([(_text(budget, k), _text(budget, v)) for k, v in found.items()])
    return quoted(_text(budget, value), safe="/")


def tojson(budget: Budget, value: Any, indent: Any = None) -> str:
    """JSON in the order of the value. Nothing is escaped for HTML: no runbook is a web page."""
    deep = None if indent is None else _count(indent, "tojson(indent)", MOST_INDENT_CHARS)
    return json_text(budget, value, deep)


def quote(budget: Budget, value: Any) -> str:
    """One word of a shell command line, whatever is in it; a list becomes a word for each item."""
    from shlex import quote as quoted  # noqa: PLC0415 - only shell steps need it

    if isinstance(value, (list, tuple, range)):
        return " ".join(quoted(_text(budget, one)) for one in sequence(value, "`quote`"))
    if isinstance(value, (Mapping, StepView)):
        raise TemplateProblem(f"`quote` takes a text or a list, not {kind(value)}")
    return quoted(_text(budget, value))


def filesizeformat(_: Budget, value: Any, binary: bool = False) -> str:
    """`1.5MiB`; `binary` is taken for Jinja's sake: sizes are always by 1024 here."""
    del binary
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TemplateProblem(f"`filesizeformat` takes a number of bytes, not {kind(value)}")
    return format_size(int(value))
