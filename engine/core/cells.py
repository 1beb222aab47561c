"""Text as people are shown it: on one line, with nothing in it that a terminal would obey, and cut
by what it takes of a line.

What a target answered may hold anything, also escape sequences that would rewrite the screen of the
person who reads it; `clean` takes them out, and everything from outside goes through it.
"""

from __future__ import annotations

import unicodedata


def clean(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_harmless(character) for character in text)


def _harmless(character: str) -> str:
    if character in "\n\r\t":
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI:
        return "?"
    return character


_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the reading direction: they can make a line read as something it is not."""


def cells(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut(text: str, width: int, ellipsis: str = "...") -> str:
    """The text in at most `width` columns; what is cut off shows as an ellipsis."""
    if width <= 0:
        return ""
    if cells(text) <= width:
        return text
    room = width - cells(ellipsis)
    if room < 1:
        ellipsis, room = "", width
    kept, used = [], 0
    for character in text:
        used += _cells_of(character)
        if used > room:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ellipsis
