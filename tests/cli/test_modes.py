"""`rehearse`, `approve`, `deny`, `pause`, `undo`: what people get of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.main import main

RUNBOOK = """
title: Small
steps:
  - {id: size, check: run.value, with: {value: 1}}
  - id: note
    title: Note it
    action: run.note
    with: {text: "it is {{ size.value }}"}
    approve: {by: [lead], reason_min: 5}
    undo: [{id: back, action: run.note, with: {text: taken back}}]
"""
CONTACTS = """
people:
  bob: {os_user: bob, roles: [lead]}
"""


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runbooks" / "p"
    (folder / "environments").mkdir(parents=True)
    (folder / "small.yaml").write_text(RUNBOOK)
    (folder / "contacts.yaml").write_text(CONTACTS)
    (folder / "environments" / "local.yaml").write_text("allow_as: true\nconnections: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNBOOK_BOOKS", raising=False)
    monkeypatch.setenv("RUNBOOK_STORE", f"sqlite:///{tmp_path}/journal.db")
    return folder


def out_of(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    return out + err


def test_a_rehearsal_shows_the_plan_and_the_verdict(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["rehearse", "p/small", "--env", "local"]) == 0
    told = out_of(capsys)
    assert "would resolve" in told
    assert "PLAN HASH" in told
    assert "previewed" in told


def test_dry_run_is_the_same(books: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "p/small", "--env", "local", "--dry-run"]) == 0
    assert "would resolve" in out_of(capsys)


def test_who_started_it_may_not_approve_under_another_name(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["run", "p/small", "--env", "local"]) == 7
    assert main(["approve", "last", "--reason", "looked at it", "--as", "bob"]) == 6
    assert "whoever asked for it may not decide it" in out_of(capsys)


def test_the_requester_may_not_approve_and_that_is_recorded(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["run", "p/small", "--env", "local"]) == 7
    assert main(["approve", "last", "--reason", "looked at it"]) == 6
    capsys.readouterr()
    assert main(["--json", "audit", "show", "last"]) == 0
    types = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert types[-1] == "ApprovalRefused"


def test_a_run_without_approval_is_undone(books: Path, capsys: pytest.CaptureFixture[str]):
    text = RUNBOOK.replace("    approve: {by: [lead], reason_min: 5}\n", "")
    (books / "small.yaml").write_text(text)
    assert main(["run", "p/small", "--env", "local"]) == 0
    assert main(["undo", "--reason", "it was the wrong one"]) == 0
    assert "undone" in out_of(capsys)


def test_a_plan_is_carried_out(books: Path, capsys: pytest.CaptureFixture[str]):
    text = RUNBOOK.replace("    approve: {by: [lead], reason_min: 5}\n", "")
    (books / "small.yaml").write_text(text)
    assert main(["rehearse", "p/small", "--env", "local"]) == 0
    assert main(["run", "p/small", "--env", "local", "--plan", "last"]) == 0


def test_a_waiting_run_is_paused_and_resumed(books: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "p/small", "--env", "local"]) == 7
    assert main(["pause", "last", "--reason", "let me look"]) == 0
    assert main(["resume", "last"]) == 7


def test_the_lists_say_when_a_runbook_was_last_rehearsed(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    main(["show", "p/small"])
    assert "rehearsed       never" in out_of(capsys)
    main(["rehearse", "p/small", "--env", "local"])
    out_of(capsys)
    main(["show", "p/small"])
    assert "ago in local: would resolve" in out_of(capsys)
    main(["list"])
    assert "ago in local: would resolve" in out_of(capsys)
    main(["--json", "list"])
    (row,) = [json.loads(line) for line in out_of(capsys).splitlines()]
    assert row["rehearsed"]["verdict"] == "would resolve"
    main(["runs"])
    assert "  rehearsed  p/small" in out_of(capsys)


def test_whoever_starts_a_runbook_is_told_when_it_was_rehearsed(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    (books / "small.yaml").write_text("rehearse_every: 7d\n" + RUNBOOK.lstrip())
    main(["run", "p/small", "--env", "local"])
    assert "rehearsed: never; every 7d it should\n" in out_of(capsys)
    main(["rehearse", "p/small", "--env", "local"])
    out_of(capsys)
    main(["run", "p/small", "--env", "local"])
    assert "ago in local: would resolve\n" in out_of(capsys)


def test_listing_makes_no_journal(books: Path):
    assert main(["list"]) == 0
    assert not (books.parent.parent / "journal.db").exists()


WAYS = """
title: Ways
steps:
  - id: which
    choose:
      - {name: small, when: true, steps: [{id: a, action: run.note, with: {text: a}}]}
      - {name: large, when: false, steps: [{end: unresolved, because: too large}]}
"""


def test_explore_rehearses_every_way_of_a_choose(books: Path, capsys: pytest.CaptureFixture[str]):
    (books / "ways.yaml").write_text(WAYS)
    assert main(["rehearse", "p/ways", "--env", "local", "--explore"]) == 0
    told = [line.split("  ") for line in out_of(capsys).splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in told]
    ways = {row[0]: row[1:3] for row in rows if len(row) == 4}
    assert ways["as it is now"] == ["would resolve", "which/way-1/a"]
    assert ways["which: large"] == ["cannot tell from which", "nothing"]


def test_an_undo_is_rehearsed_with_nothing_written_or_recorded(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    (books / "small.yaml").write_text(RUNBOOK.replace("    approve:", "    # approve:"))
    assert main(["run", "p/small", "--env", "local"]) == 0
    out_of(capsys)
    main(["--json", "audit", "show", "last"])
    before = out_of(capsys)
    assert main(["undo", "last", "--rehearse"]) == 0
    told = out_of(capsys)
    assert "would undo note\n" in told
    assert "note/undo/back" in told
    main(["--json", "audit", "show", "last"])
    assert out_of(capsys) == before
    assert main(["undo", "last"]) == 2
    assert "--reason is missing" in out_of(capsys)
    assert main(["undo", "last", "--reason", "it was the wrong one"]) == 0
