"""Tables that are printed at the end of a session: each test notes a row, also on another process.

A test notes a row with `record_property("row of TITLE", {column: text})`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ROW = "row of "


def told(reporter: Any) -> Iterator[tuple[str, list[str]]]:
    """Each table with its title, the rows in the order of their first column."""
    tables: dict[str, list[Mapping[str, str]]] = {}
    for reports in reporter.stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name.startswith(ROW) and getattr(report, "when", "") == "call":
                    tables.setdefault(name.removeprefix(ROW), []).append(row)
    for title, rows in tables.items():
        yield title, table(sorted(rows, key=lambda row: next(iter(row.values()))))


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The rows in columns, a line each, the heads first."""
    heads = list(dict.fromkeys(name for row in rows for name in row))
    cells = [heads, *[[row.get(name, "") for name in heads] for row in rows]]
    widths = [max(len(line[at]) for line in cells) for at in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
