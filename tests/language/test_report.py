"""Diagnostics as people and programs read them; keys that are read and not executed yet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.errors import Diagnostic, Place
from engine.language.load import check_runbook, load_runbook
from engine.language.report import as_json, render

sys.path.insert(0, str(Path(__file__).parent))

from catalog import SmallCatalog
from hostile import HERE

CATALOG = SmallCatalog()
EVERY_KEY = (HERE / "valid" / "every-key.yaml").read_text()


def find(name):
    path = HERE / "golden" / "called" / f"{name.rpartition('/')[2]}.yaml"
    return (f"called/{path.name}", path.read_text()) if path.exists() else None


def at(written):
    """Where a part of the example with every key stands."""
    before = EVERY_KEY[: EVERY_KEY.index(written)].split("\n")
    return Place("every-key.yaml", len(before), len(before[-1]) + 1)


def steps(text):
    return f"title: T\nsteps:\n{text}"


def test_a_message_cannot_forge_lines_or_colours():
    text = 'title: T\nsteps:\n  - check: "a\\nb\\e[31m"\n    target: c\n'
    _, found = check_runbook("a/b", text, "f.yaml", CATALOG, find)
    told = render(found, {"f.yaml": text})
    assert told.splitlines()[0] == "f.yaml:3:12: RB301 there is no check 'a\\u000ab\\u001b[31m'"


def test_a_diagnostic_can_be_told_to_machines():
    _, found = check_runbook("a/b", steps("  - wait: soon\n"), "f.yaml", CATALOG, find)
    assert as_json(found[0]) == {
        "code": "RB105",
        "severity": "error",
        "what": "'wait' takes a duration: 'soon' is not a duration; write it like 15m or 1h30m",
        "help": "such as 500ms, 15m or 1h30m",
        "file": "f.yaml",
        "line": 3,
        "column": 11,
        "width": 4,
    }


def test_without_the_text_of_its_file_a_diagnostic_has_no_snippet():
    found = Diagnostic("RB101", "unknown key 'x'", Place("f.yaml", 3, 1), "did you mean 'y'?")
    assert render([found], {}).splitlines() == [
        "f.yaml:3:1: RB101 unknown key 'x'",
        "      = help: did you mean 'y'?",
    ]


def test_a_place_beyond_the_text_has_no_snippet():
    found = Diagnostic("RB101", "unknown key 'x'", Place("f.yaml", 30, 10))
    assert render([found], {"f.yaml": "a: 1"}) == "f.yaml:30:10: RB101 unknown key 'x'"


def test_those_that_are_not_shown_are_counted():
    found = Diagnostic("RB101", "unknown key 'x'", Place("f.yaml", 3, 1))
    assert render([found], {}, more=7).splitlines()[-1] == "and 7 more"


@pytest.mark.parametrize("autonomy", ["guide", "propose", "auto"])
def test_every_autonomy_is_read(autonomy):
    text = f"autonomy: {autonomy}\n" + steps("  - wait: 1s\n")
    made = load_runbook("pack/name", text, "name.yaml", CATALOG, find)
    assert made.autonomy[0] == autonomy
