"""Whether people are told of questions: the key `questions` of a `contacts.yaml`.

After a change of words, write the golden file anew and read the difference:

    RUNBOOK_GOLDEN=write python -m pytest tests/config/test_asking.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.config import Books
from engine.config.asking import Questions
from engine.errors import Diagnosed, Place
from engine.language.report import render

GOLDEN = Path(__file__).parent / "golden"
WRITE = os.environ.get("RUNBOOK_GOLDEN") == "write"


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "stratum"
    folder.mkdir()
    return folder


def read(pack, text):
    (pack / "contacts.yaml").write_text(text)
    return Books([pack.parent]).contacts("stratum")


BASE = "people:\n  ana: {roles: [lead], channels: {slack: U1, mail: a@example.com}}\n"
BASE += "channels:\n  slack: {connection: slack}\n  mail: {connection: mail}\n"


def test_without_the_key_nobody_is_told(pack):
    assert read(pack, BASE).questions is None


def test_who_is_told_of_questions_by_what_when_and_how_often(pack):
    text = (
        "questions: {by: [slack, mail], after: 1m, remind: {every: 15m, times: 2}, who: [lead]}\n"
    )
    place = Place(str(pack / "contacts.yaml"), 6, 12)
    assert read(pack, BASE + text).questions == Questions(
        ("slack", "mail"), place, 60.0, 900.0, 2, ("lead",)
    )


def test_a_reminder_that_is_one_duration_is_one(pack):
    found = read(pack, BASE + "questions: {by: slack, remind: 15m}\n").questions
    assert (found.by, found.every_s, found.times) == (("slack",), 900.0, 1)


def test_a_severity_may_say_it_otherwise(pack):
    text = (
        "questions: {by: [mail]}\nseverities: {SEV1: {questions: {by: [slack, mail]}}, SEV2: {}}\n"
    )
    found = read(pack, BASE + text)
    assert found.questions.by == ("mail",)
    assert found.severities["SEV1"].questions.by == ("slack", "mail")
    assert found.severities["SEV2"].questions is None


def test_what_is_wrong_is_told_in_these_words(pack):
    text = (GOLDEN / "questions.yaml").read_text()
    with pytest.raises(Diagnosed) as caught:
        read(pack, text)
    path = str(pack / "contacts.yaml")
    found = render(caught.value.diagnostics, {path: text}).replace(path, "questions.yaml") + "\n"
    expected = GOLDEN / "questions.txt"
    if WRITE:
        expected.write_text(found)
    assert found == expected.read_text()
