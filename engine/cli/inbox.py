"""What came to the inbox of a sandbox, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.cli.text import wrap
from engine.core.cells import clean

LINES_MAX = 6
"""Of one message, and of what became of it: the beginning says what it is about."""


def counted(letters: int) -> str:
    return f"{letters} message{'s' if letters != 1 else ''} came"


def listed(letters: Sequence[Mapping[str, Any]], columns: int) -> Iterator[str]:
    """Each message: when, by what, to whom, its title, how it begins; and what became of it."""
    for letter in letters:
        head = f"#{letter['number']} {_clock(letter)}  {letter['by']}, {letter['to']}"
        title, text = str(letter["title"]).strip(), str(letter["text"]).strip()
        yield clean(head)
        yield from _indented(title, 4, columns)
        yield from _indented("\n".join(_plain(title, text)), 4, columns)
        yield from (f"    {clean(line.strip())}" for line in _links(title, text))
        for one in letter["news"]:
            first, *more = _indented(str(one["text"]), 13, columns) or [""]
            yield f"    {_clock(one)} {first.strip()}".rstrip()
            yield from more


def _clock(one: Mapping[str, Any]) -> str:
    return str(one["at"])[11:19]


def _rest(title: str, text: str) -> list[str]:
    """The text without what the title says already: its first line, mostly."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[1:] if lines and lines[0].strip() in title else lines


def _plain(title: str, text: str) -> list[str]:
    return [line for line in _rest(title, text) if "://" not in line]


def _links(title: str, text: str) -> list[str]:
    """The lines with an address: what the reader is to open, so that it stands there in one piece,
    wherever the rest is cut.
    """
    return [line for line in _rest(title, text) if "://" in line]


def _indented(text: str, by: int, columns: int) -> list[str]:
    written = [line for line in text.splitlines() if line.strip()]
    lines = [part for line in written for part in wrap(clean(line), columns - by)]
    cut = [*lines[:LINES_MAX], "..."] if len(lines) > LINES_MAX else lines
    return [" " * by + line for line in cut]
