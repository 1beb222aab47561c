"""`runbook test`: what people and build servers get of scenarios."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from engine.cli.main import main

RUNBOOK = """
title: Small
steps:
  - {id: size, check: run.value, with: {value: 1}}
  - choose: [{name: big, when: size.value > 5, steps: [{end: unresolved}]}]
"""
SCENARIOS = """
scenarios:
  - {name: it is small, expect: {outcome: resolved}}
"""
BAD = """
  - {name: it is big, finds: {size: {value: 9}}, expect: {outcome: resolved}}
"""


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runbooks" / "p"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text(RUNBOOK)
    (folder / "small.test.yaml").write_text(SCENARIOS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNBOOK_BOOKS", raising=False)
    return folder


def test_scenarios_that_hold_exit_with_0(books: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["test"]) == 0
    out, err = capsys.readouterr()
    assert "passed  p/small  it is small" in out
    assert "1 scenario: all hold" in err


def test_one_that_does_not_hold_says_why_and_where(books: Path, capsys: pytest.CaptureFixture[str]):
    (books / "small.test.yaml").write_text(SCENARIOS + BAD)
    assert main(["test", "p/small"]) == 1
    out, err = capsys.readouterr()
    assert 'outcome: expected "resolved", was "unresolved"' in out
    assert "small.test.yaml:5:" in out
    assert "2 scenarios: 1 failed" in err


def test_coverage_names_the_ways_no_scenario_takes(books: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["test", "--coverage"]) == 0
    assert "never reached in p/small: choose-1: the way big, end-1" in capsys.readouterr().out


def test_junit_is_written(books: Path, tmp_path: Path):
    assert main(["test", "--junit", str(tmp_path / "j.xml")]) == 0
    assert ET.parse(tmp_path / "j.xml").getroot()[0].get("name") == "p/small"


def test_json_has_an_object_for_each_scenario(books: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--json", "test"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["runbook"], found["name"], found["holds"]) == ("p/small", "it is small", True)


def test_lint_reads_scenarios_too(books: Path, capsys: pytest.CaptureFixture[str]):
    (books / "small.test.yaml").write_text("scenarios:\n  - {name: x, finds: {siz: {}}}\n")
    assert main(["lint"]) == 2
    err = "".join(capsys.readouterr())
    assert "there is no step 'siz'" in err
    assert "did you mean 'size'" in err


def test_no_scenarios_at_all_is_told(books: Path, capsys: pytest.CaptureFixture[str]):
    (books / "small.test.yaml").unlink()
    assert main(["test"]) == 2
    assert "there are no scenarios" in capsys.readouterr().err


def test_what_new_writes_lints_and_its_scenarios_hold(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["new", "q/disk-full"]) == 0
    assert main(["lint", "q/disk-full"]) == 0
    assert main(["test", "--coverage", "q/disk-full"]) == 0
    assert "never reached" not in capsys.readouterr().out
