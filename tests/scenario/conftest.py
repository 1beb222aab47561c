"""What the tests of scenarios share: what is printed is the same wherever they are run."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locale that has the marks of the golden files, and no width but that of a pipe."""
    for name in ("LC_ALL", "LC_CTYPE", "COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
