"""Diagnostics as a person reads them:

    runbooks/stratum/redis-memory-pressure.yaml:31:9: RB101 unknown key 'aprove'
       31 |     aprove: {by: [on-call]}
          |     ^^^^^^
          = help: did you mean 'approve'?

Whatever a file holds, what is printed is one line where one is meant: control characters and those
that change the direction of writing are shown as escapes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from engine.errors import Diagnostic
from engine.language.source import lines_of
from engine.language.words import visible

MAX_LINE_CHARS = 160
"""Of a source line that is shown. From longer ones the part around the place is cut out."""

MAX_WHAT_CHARS = 600
"""Of a message. Values in it are short; this holds whatever a plugin may have said."""

_GUTTER = 5
"""Characters for the line number, so that snippets of one file stand under one another."""


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], *, more: int = 0) -> str:
    """All of them, a block each. `sources` maps a file to its text; without it, no snippet.

    `more`: how many further ones are not shown.
    """
    lines: dict[str, list[str]] = {}
    blocks = []
    for diagnostic in diagnostics:
        file = diagnostic.place.file
        if file not in lines:
            lines[file] = lines_of(sources[file]) if file in sources else []
        blocks.append(render_one(diagnostic, lines[file]))
    if more:
        blocks.append(f"and {more} more")
    return "\n".join(blocks)


def render_one(diagnostic: Diagnostic, lines: list[str]) -> str:
    """One diagnostic. `lines` are those of its file."""
    place = diagnostic.place
    kind = "warning: " if diagnostic.severity == "warning" else ""
    what = visible(diagnostic.what[:MAX_WHAT_CHARS])
    found = [f"{visible(place.file)}:{place.line}:{place.column}: {diagnostic.code} {kind}{what}"]
    empty = " " * _GUTTER
    if 1 <= place.line <= len(lines) and lines[place.line - 1].strip():
        shown, before, marked = _cut(lines[place.line - 1], place.column - 1, diagnostic.width)
        found.append(f"{place.line:>{_GUTTER}} | {shown}")
        found.append(f"{empty} | {' ' * before}{'^' * marked}")
    if diagnostic.help:
        found.append(f"{empty} = help: {visible(diagnostic.help[:MAX_WHAT_CHARS])}")
    return "\n".join(line.rstrip() for line in found)


def _cut(line: str, offset: int, width: int) -> tuple[str, int, int]:
    """The line as it is shown, and the columns of the terminal before and under the caret."""
    start = 0
    if len(line) > MAX_LINE_CHARS:
        start = max(0, min(offset - MAX_LINE_CHARS // 3, len(line) - MAX_LINE_CHARS))
    kept = line[start : start + MAX_LINE_CHARS]
    lead = "... " if start else ""
    tail = " ..." if start + MAX_LINE_CHARS < len(line) else ""
    before = lead + _on_terminal(kept[: offset - start])
    under = _on_terminal(kept[offset - start : offset - start + width])
    return lead + _on_terminal(kept) + tail, _columns(before), max(1, _columns(under))


def _on_terminal(text: str) -> str:
    return visible(text.replace("\t", " "))


def _columns(text: str) -> int:
    """How wide a text is on a terminal: wide characters take two columns, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in {"W", "F"} for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def as_json(diagnostic: Diagnostic) -> dict[str, object]:
    """One diagnostic for machines."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "what": diagnostic.what,
        "help": diagnostic.help,
        "file": diagnostic.place.file,
        "line": diagnostic.place.line,
        "column": diagnostic.place.column,
        "width": diagnostic.width,
    }
