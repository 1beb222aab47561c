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
