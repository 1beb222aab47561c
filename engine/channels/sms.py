"""What a text is as an SMS: its alphabet, and the parts it is sent in. Pure.

Facts: 3GPP TS 23.038 (the alphabets: GSM 7-bit with its extension, else UCS-2) and 23.040 (a part
has 140 octets, 6 of them for its number where there are several).
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.channels.fitting import CUT, cut, utf16

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
"""Takes two places."""

PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\u00b7\u2022", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\t", " "),
        "\u2026": "...",
        "\u2192": "->",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u00d7": "x",
    }
)
"""Marks that would make a whole message UCS-2, less than half as long."""

SEPTETS, SEPTETS_OF_MANY = 160, 153
"""Of the one part, and of each of several."""

UNITS, UNITS_OF_MANY = 70, 67


def written(text: str) -> str:
    """A text in the simplest marks that say the same."""
    return text.translate(PLAIN)


def parts(text: str) -> int:
    """How many parts it is sent in."""
    if all(c in BASIC or c in EXTENSION for c in text):
        return _parts((2 if c in EXTENSION else 1 for c in text), SEPTETS, SEPTETS_OF_MANY)
    return _parts((utf16(c) for c in text), UNITS, UNITS_OF_MANY)


def _parts(sizes: Iterable[int], one: int, many: int) -> int:
    """A character is not split between two parts."""
    known = list(sizes)
    if sum(known) <= one:
        return 1
    count, used = 1, 0
    for size in known:
        if used + size > many:
            count, used = count + 1, 0
        used += size
    return count


def fitted(text: str, tail: str, parts_max: int) -> str:
    """As much of a text as goes into so many parts with `tail`, which is never cut."""
    whole = text + tail
    if parts(whole) <= parts_max:
        return whole
    text = cut(text, parts_max * SEPTETS)  # more never fits
    low, high = 0, len(text)
    while low < high:  # the longest that fits: a longer text never has fewer parts
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if parts(_of(text, middle) + tail) <= parts_max else (low, middle - 1)
        )
    return _of(text, low) + tail


def _of(text: str, limit: int) -> str:
    return cut(text, limit) if limit > len(CUT) else ""
