"""Texts in the form and length that a service takes. Pure.

Services count differently: octets, UTF-16 units (what most of them call characters) or characters.
A text is cut between graphemes, so that no emoji falls apart and no accent changes its letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Size = Callable[[str], int]
"""How a service counts a text."""

CUT = "..."
"""Stands where a text was cut."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""What programs write to colour a terminal (ECMA-48)."""

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

_UNWANTED = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
"""Control characters: services drop them, refuse the message, or break at them."""

_LONE = re.compile("[\ud800-\udfff]")
"""Half a character, from a name of a file or an output that is no UTF-8: no message can hold it."""

_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the reading direction of what follows: whoever is to agree to a command would
read another one.
"""


def plain(text: str) -> str:
    """A text without what no service takes: colours, control characters, halves of characters; and
    that reads as it is written. Line ends are `\\n`; tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    return _TURNS.sub("\ufffd", _LONE.sub("\ufffd", _UNWANTED.sub("", text)))


def one_line(text: str) -> str:
    """A header has one line: what would begin another could say anything."""
    return " ".join(plain(text).split())


WHOLE_MAX_CHARS = 300
"""Of a title that is told whole after all: what is asked has to have room below it."""

_SAME_CHARS = 20
"""So much of a title's end and of a text's beginning is not alike by chance."""


def whole(title: str, text: str) -> str:
    """A title that was cut, whole, where the text begins with what it had no room for: together
    they are read once.
    """
    first = text.lstrip().partition("\n")[0].rstrip()
    if not title.endswith(CUT) or len(first) < _SAME_CHARS:
        return title
    known = title.removesuffix(CUT)
    for at in range(len(known) - _SAME_CHARS + 1):
        if first.startswith(known[at:]):
            found = known[:at] + first
            return found if len(found) <= WHOLE_MAX_CHARS else title
    return title


def under(title: str, text: str) -> str:
    """A text below its title, without a first line that the title says already."""
    first, _, rest = text.lstrip().partition("\n")
    return rest.strip() if first.strip() and title.endswith(first.strip()) else text.strip()


def cut(text: str, limit: int, size: Size = len) -> str:
    """At most `limit` of a text, as `size` counts it. What is cut off is said to be."""
    if size(text) <= limit:
        return text
    import regex  # noqa: PLC0415 - most messages are short enough

    room = limit - size(CUT)
    return _head(regex.findall(r"\X", text), room, size).rstrip() + CUT


def _head(graphemes: list[str], room: int, size: Size) -> str:
    """As many as there is room for; of a first one that is too long for all of it, a part."""
    taken, used = 0, 0
    for grapheme in graphemes:
        used += size(grapheme)
        if used > room:
            break
        taken += 1
    found = "".join(graphemes[:taken])
    if found or not graphemes or len(graphemes[0]) == 1:
        return found
    return _head(list(graphemes[0]), room, size)


def mark_of(key: str) -> str:
    """Six digits by which a message is found again among those at the same place."""
    import hashlib  # noqa: PLC0415 - small, and not for every channel

    return "#" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:6]


def utf16(text: str) -> int:
    """UTF-16 units: an emoji has two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    """Octets of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))
