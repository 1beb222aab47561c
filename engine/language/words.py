"""Names in messages, and *did you mean*. Values are shown by `shown`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

SHOWN_CHARS = 60
"""Of a name in a message. Longer ones bury the message."""

COMPARED_CHARS = 64
"""Of a word for *did you mean*: no key, id or step type is longer, and comparing costs."""

COMPARED_WORDS = 100
"""Candidates compared for *did you mean*, after a cheap choice by length and letters."""


def visible(text: str) -> str:
    """The text with control and direction characters visible, so that none can forge a message."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _prints(character) else _escaped(character) for character in text)


def _prints(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"


def clipped(text: str, chars: int = SHOWN_CHARS) -> str:
    return text if len(text) <= chars else text[: chars - 3] + "..."


def named(word: str) -> str:
    """A key, id, or other name of the language: `'memory'`."""
    return f"'{visible(clipped(word))}'"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    import difflib  # noqa: PLC0415 - 4 ms that only a mistake costs

    if not word or len(word) > COMPARED_CHARS:
        return None
    lowered = word.lower()
    wanted = set(lowered)
    likely = (
        candidate
        for candidate in known
        if abs(len(candidate) - len(word)) <= 4
        and len(wanted & set(candidate.lower())) * 2 >= len(wanted)
    )
    few = [candidate for candidate, _ in zip(likely, range(COMPARED_WORDS), strict=False)]
    found = difflib.get_close_matches(lowered, [candidate.lower() for candidate in few], 1, 0.7)
    return next((c for c in few if c.lower() == found[0]), None) if found else None


def a(word: str) -> str:
    """The word with its article: `a check`, `an action`."""
    return f"{'an' if word[:1] in 'aeio' else 'a'} {word}"


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """The help line for an unknown word: the nearest known one, else `otherwise`."""
    found = nearest(word, known)
    return f"did you mean {named(found)}?" if found else otherwise


def listed(words: Iterable[str], joiner: str = "or") -> str:
    """`a, b or c`."""
    all_words = list(words)
    if len(all_words) < 2:
        return "".join(all_words)
    return f"{', '.join(all_words[:-1])} {joiner} {all_words[-1]}"
