"""What the tests of the command line share."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli.main import main

sys.path.insert(0, str(Path(__file__).parent))

from shop import make_books

GOLDEN = Path(__file__).parent / "golden"

VARIABLES = ("RUNBOOK_BOOKS", "RUNBOOK_STORE", "NO_COLOR", "LC_ALL", "LC_CTYPE", "COLUMNS", "LINES")
"""What of the surroundings changes what is printed, or where it comes from."""


@pytest.fixture
def golden():
    """Compares a text with a golden file; GOLDEN_UPDATE=1 writes the files anew, for review."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if os.environ.get("GOLDEN_UPDATE"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    """Times of day in what a person sees are local; the golden files are in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder to work in, with the pack `shop` in ./runbooks and a journal of its own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.chdir(tmp_path)
    make_books(tmp_path)
    return tmp_path


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def objects(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def runbook(shop, capsys):
    """Calls the command line in this process."""

    def call(*words: str) -> Done:
        code = main(list(words))
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return call
