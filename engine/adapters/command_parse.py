"""Makes values of what a command printed: JSON, lines, a table, the matches of a pattern. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from engine.adapters.command_call import Parse

ITEMS_MAX = 10_000
"""Lines, rows or matches of one output. A step that looks at more should let the program filter."""

MATCH_S = 1.0
"""For finding every match of a pattern. What is meant takes milliseconds."""


class Unparsed(Exception):
    """The output is not what `parse` says. The message ends the sentence `stdout ...`."""


def parsed(how: Parse, text: str, pattern: str | None) -> dict[str, Any]:
    """The fields of the result that a parsed output fills. Raises Unparsed."""
    if how == "json":
        return {"json": _json(text, "")}
    if how == "json_lines":
        return {"json": _limited([_json(line, f"line {n} ") for n, line in _numbered(text)])}
    if how == "lines":
        return {"lines": _limited(text.splitlines())}
    if how == "table":
        return {"rows": _limited(table(text, pattern))}
    return {"matches": _matches(pattern or "", text)}


def _json(text: str, where: str) -> Any:
    if not text.strip():
        raise Unparsed(f"{where}is empty, which is no JSON")
    try:
        return json.loads(text)
    except ValueError as e:
        raise Unparsed(f"{where}is no JSON: {e}") from e
    except RecursionError as e:
        raise Unparsed(f"{where}is JSON nested too deeply") from e


def _numbered(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _limited(items: list[Any]) -> list[Any]:
    if len(items) > ITEMS_MAX:
        raise Unparsed(f"has {len(items):,} items, more than the {ITEMS_MAX:,} that are parsed")
    return items


def table(text: str, separator: str | None = None) -> list[dict[str, str]]:
    """The rows of a table whose first line holds the names of the columns.

    Columns are where every line has a blank, as `docker ps`, `df` and `kubectl` print them. Where a
    table is not aligned so, `separator` is a pattern that parts its cells; the last column then
    takes the rest of the line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    if separator:
        return _separated(lines, separator)
    return _aligned([line.expandtabs() for line in lines])


def _separated(lines: list[str], separator: str) -> list[dict[str, str]]:
    import regex  # noqa: PLC0415 - only tables that are not aligned

    try:
        names = regex.split(separator, lines[0].strip(), timeout=MATCH_S)
        last = len(names) - 1
        rows = [
            regex.split(separator, line.strip(), maxsplit=last, timeout=MATCH_S) if last else [line]
            for line in lines[1 : ITEMS_MAX + 2]
        ]
    except TimeoutError as e:
        raise Unparsed("takes too long to be split with this `pattern`") from e
    return [dict(zip(names, [*cells, *[""] * len(names)], strict=False)) for cells in rows]


def _aligned(lines: list[str]) -> list[dict[str, str]]:
    width = max(map(len, lines))
    blank = [True] * width
    for line in lines:
        for at in (m.start() for m in re.finditer(r"\S", line)):
            blank[at] = False
    spans = _spans(blank)
    columns: list[tuple[str, int, int]] = []
    for start, end in spans:
        name = lines[0][start:end].strip()
        empty = not any(line[start:end].strip() for line in lines[1:])
        # a column without a name, or with nothing but a name, is a part of the one before it:
        # `2 hours ago` below `CREATED`, and `Mounted on` above `/`
        if columns and (not name or (empty and len(lines) > 1)):
            before, begun, _ = columns[-1]
            columns[-1] = (f"{before} {name}".strip(), begun, end)
        else:
            columns.append((name, start, end))
    return [{name: line[a:b].strip() for name, a, b in columns} for line in lines[1:]]


def _spans(blank: list[bool]) -> list[tuple[int, int]]:
    """Where columns begin and end."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for at, is_blank in enumerate([*blank, True]):
        if not is_blank and start is None:
            start = at
        elif is_blank and start is not None:
            spans.append((start, at))
            start = None
    return spans


def _matches(pattern: str, text: str) -> list[Any]:
    """Every match: its named groups as a mapping, else its groups as a list, a text of a single one
    or of the whole match.
    """
    import regex  # noqa: PLC0415 - only steps that parse so

    compiled = regex.compile(pattern, regex.MULTILINE)
    found: list[Any] = []
    try:
        for match in compiled.finditer(text, timeout=MATCH_S):
            groups = match.groups()
            named = match.groupdict()
            whole = groups[0] if len(groups) == 1 else list(groups) if groups else match[0]
            found.append(named or whole)
            if len(found) > ITEMS_MAX:
                return _limited(found)
    except TimeoutError as e:
        raise Unparsed("takes too long to be searched with this `pattern`") from e
    return found
