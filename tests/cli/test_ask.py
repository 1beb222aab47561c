"""Questions: what is shown beside them, and what a typed word means."""

from __future__ import annotations

import pytest

from engine.cli.ask import evidence_lines, match_answer, question_lines
from engine.cli.text import Style
from engine.core.cells import cells
from engine.wiring import Question

YES_NO = ("yes", "no")
DONE = ("done", "not-done")


@pytest.mark.parametrize(
    ("typed", "answers", "meant"),
    [
        ("yes", YES_NO, "yes"),
        (" Y ", YES_NO, "yes"),
        ("n", YES_NO, "no"),
        ("not done", DONE, "not-done"),
        ("d", DONE, "done"),
        ("ack", ("acknowledged",), "acknowledged"),
        ("y", DONE, None),
        ("done", YES_NO, None),
        ("", YES_NO, None),
        ("yesterday", YES_NO, None),
    ],
)
def test_a_typed_word_means_an_answer_or_nothing(typed, answers, meant):
    assert match_answer(typed, answers) == meant


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        (None, []),
        ({}, []),
        ("two\nlines", ["two", "lines"]),
        ({"errors": 12, "hosts": ["a", "b"]}, ["errors: 12", 'hosts: ["a", "b"]']),
        ([1, {"a": 2}], ['[1, {"a": 2}]']),
        ("\x1b[2J", ["?[2J"]),
    ],
)
def test_evidence_is_shown_a_field_a_line(evidence, lines):
    assert list(evidence_lines(evidence, 60)) == lines


def asked(evidence: object) -> Question:
    text = "Is the error rate on the dashboard above 5 %, for the last 15 minutes?"
    return Question("red", "red", "confirm", "human.confirm", "red", text, YES_NO, evidence)


def test_a_question_fits_into_its_width():
    lines = list(question_lines(asked({"x": "y" * 200}), "Look", 40, Style()))
    assert lines[0] == "? question  Look"
    assert max(cells(line) for line in lines) <= 40


def test_long_evidence_does_not_push_the_question_away():
    lines = list(question_lines(asked({f"k{n}": n for n in range(50)}), "Look", 80, Style()))
    assert len(lines) == 1 + 1 + 20 + 1
    assert lines[-1] == "    (30 more lines in the audit trail)"
