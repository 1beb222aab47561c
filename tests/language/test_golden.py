"""What a person reads for each thing that can be wrong: `golden/NAME.yaml` and `golden/NAME.txt`.

After a change of words, write the texts anew and read the difference:

    RUNBOOK_GOLDEN=write python -m pytest tests/language/test_golden.py
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from engine.errors import Collector
from engine.language import source
from engine.language.load import check_runbook
from engine.language.report import render

sys.path.insert(0, str(Path(__file__).parent))

from catalog import SmallCatalog

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
WRITE = os.environ.get("RUNBOOK_GOLDEN") == "write"


def find(name: str) -> tuple[str, str] | None:
    pack, _, short = name.partition("/")
    path = GOLDEN / "called" / f"{short}.yaml"
    return (
        (f"called/{short}.yaml", path.read_text()) if pack == "golden" and path.exists() else None
    )


def told(name: str) -> str:
    """Everything that is told about a file, as `runbook lint` prints it."""
    file = f"{name}.yaml"
    collector = Collector()
    text = source.decode((GOLDEN / file).read_bytes(), file, collector)
    if text is None:
        return render(collector.found, {}) + "\n"
    _, found = check_runbook(f"golden/{name}", text, file, SmallCatalog(), find)
    called = {d.place.file for d in found} - {file}
    sources = {file: text} | {each: (GOLDEN / each).read_text() for each in called}
    return render(found, sources) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_told_in_these_words(name):
    expected = GOLDEN / f"{name}.txt"
    found = told(name)
    if WRITE:
        expected.write_text(found)
    assert found == expected.read_text()


def test_there_are_at_least_sixty_of_them_and_each_finds_something():
    assert len(NAMES) >= 60
    assert all(re.search(r": RB\d{3} ", (GOLDEN / f"{name}.txt").read_text()) for name in NAMES)
