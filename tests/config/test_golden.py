"""What a person reads for each thing that can be wrong in contacts: `golden/NAME.yaml` and `.txt`.

After a change of words, write the texts anew and read the difference:

    RUNBOOK_GOLDEN=write python -m pytest tests/config/test_golden.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.config.contacts_read import ContactsReader
from engine.config.fields import Fields
from engine.errors import Collector
from engine.language.report import render
from engine.language.source import parse

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
WRITE = os.environ.get("RUNBOOK_GOLDEN") == "write"


def told(name: str) -> str:
    """Everything that is told about a file, as `runbook lint` prints it."""
    file = f"{name}.yaml"
    text = (GOLDEN / file).read_text()
    collector = Collector()
    root = parse(text, file, collector)
    assert root is not None
    ContactsReader(Fields(file, collector)).read(root)
    found = sorted(collector.found, key=lambda d: (d.place.line, d.place.column))
    return render(found, {file: text}) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_told_in_these_words(name):
    expected = GOLDEN / f"{name}.txt"
    found = told(name)
    if WRITE:
        expected.write_text(found)
    assert found == expected.read_text()
