"""A JSON value and a misspelt name, as a message shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

LONGEST_SHOWN_CHARS: Final = 120
"""One value in a message. A message is a line or two on a terminal; the record holds the whole
value."""

MOST_NAMES_SHOWN: Final = 12
"""Names listed in `it has: ...`. More do not help to find the one that was meant."""

_KINDS: Final = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    type(None): "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}


def kind_of(value: Any) -> str:
    """`a number`, `a list`: what a value is, in the words of the language."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def shown(value: Any, limit_chars: int = LONGEST_SHOWN_CHARS) -> str:
    """The value as compact JSON, cut to `limit_chars`; a number with at most six digits.

    Looks at no more of a large value than it shows.
    """
    text = _number(value) if type(value) in (int, float) else "".join(_pieces(value, limit_chars))
    if len(text) <= limit_chars:
        return text
    return f"{text[: limit_chars - 1]}…{_size_note(value)}"


def _number(value: float) -> str:
    text = repr(value)
    return text if len(text) <= 8 or isinstance(value, int) else f"{value:.6g}"


def _size_note(value: Any) -> str:
    if isinstance(value, str):
        return f" ({len(value):,} characters)"
    if isinstance(value, (list, tuple)):
        return f" ({len(value):,} items)"
    return ""


def _pieces(value: Any, room: int, depth: int = 6) -> Iterable[str]:
    """Yields text until more than `room` characters are out."""
    if isinstance(value, str):
        yield _quoted(value[: room + 1])
    elif value is None or isinstance(value, bool):
        yield "null" if value is None else "true" if value else "false"
    elif isinstance(value, (int, float)):
        yield _number(value)
    elif isinstance(value, Mapping):
        yield from _enclosed("{}", value.items(), room, depth)
    elif isinstance(value, (list, tuple)):
        yield from _enclosed("[]", value, room, depth)
    else:
        # A time tells itself; of anything else the kind is all that may be said.
        yield value.isoformat() if hasattr(value, "isoformat") else f"<{type(value).__name__}>"


def _enclosed(brackets: str, items: Iterable[Any], room: int, depth: int) -> Iterable[str]:
    yield brackets[0]
    used = 2
    for count, item in enumerate(items):
        if used > room or depth == 0:
            yield "…"
            return
        lead = ", " if count else ""
        if brackets == "{}":
            lead, item = f"{lead}{_quoted(str(item[0])[:room])}: ", item[1]  # noqa: PLW2901
        text = lead + "".join(_pieces(item, room - used, depth - 1))
        used += len(text)
        yield text
    yield brackets[1]


def _quoted(text: str) -> str:
    import json  # noqa: PLC0415 - only messages need it

    return json.dumps(text, ensure_ascii=False)


def named(names: Iterable[Any]) -> str:
    """`a, b, c`, at most twelve, then how many more there are."""
    listed = [str(name) for name in names]
    text = ", ".join(listed[:MOST_NAMES_SHOWN])
    more = len(listed) - MOST_NAMES_SHOWN
    return f"{text} and {more} more" if more > 0 else text


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was probably meant, or None."""
    import difflib  # noqa: PLC0415 - 6 ms that only a misspelt name pays

    known = [n for n in names if n != name]
    if len(name) > LONGEST_SHOWN_CHARS:
        return None
    found = difflib.get_close_matches(name, known[:1000], n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """`did you mean 'approve'?`, for the help of a message, or None."""
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else None
