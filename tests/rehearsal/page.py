"""The page of the manual that has the table."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "engine" / "docs" / "truthfulness.md"

_TABLE = re.compile(r"(?<=<!-- table -->\n\n).*(?=\n<!-- end -->)", re.DOTALL)


def with_table(text: str, table: str) -> str:
    """The page with this table."""
    return _TABLE.sub(lambda _: table, text)


def table_in(text: str) -> str:
    found = _TABLE.search(text)
    assert found is not None
    return found[0]
