"""What a run is told when it begins of how long people have to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config import Books
from engine.registry import Registry
from engine.wiring.calling import telling
from engine.wiring.terms import ANSWER_S

CONTACTS = """
severities:
  SEV1: {respond_within: 5m, policy: urgent}
  SEV9: {policy: urgent}
policies:
  default:
    - {who: [console]}
  urgent:
    respond_within: 20m
    levels: [{who: [console]}]
"""
BOOK = """
title: t
steps:
  - {escalate: default, id: a}
  - {escalate: urgent, id: b}
"""


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """The times of all and of the policies, in seconds; with more at the head of the runbook."""
    folder = tmp_path / "pack"
    (folder / "environments").mkdir(parents=True)
    (folder / "contacts.yaml").write_text(CONTACTS)
    (folder / "environments" / "production.yaml").write_text("connections: {}\n")

    def of(head: str = "") -> tuple[float, dict[str, float]]:
        (folder / "main.yaml").write_text(f"{head}{BOOK}")
        books, registry = Books([tmp_path]), Registry()
        place = books.environment("pack", "production", registry)
        runbook = books.load("pack/main", registry)
        found = telling(runbook, books.contacts("pack"), place)
        own = {k: v["answer_us"] / 1e6 for k, v in found["policies"].items() if "answer_us" in v}
        assert found["hands_over"] is True
        return found["answer_us"] / 1e6, own

    return of


def test_the_runbook_says_first(told: Any):
    assert told("severity: SEV1\nrespond_within: 7m\n") == (420, {})


def test_else_its_severity(told: Any):
    assert told("severity: SEV1\n") == (300, {})


def test_else_the_policy_also_where_a_severity_names_it_for_default(told: Any):
    assert told() == (ANSWER_S, {"urgent": 1200})
    assert told("severity: SEV9\n") == (ANSWER_S, {"default": 1200, "urgent": 1200})
