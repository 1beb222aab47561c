"""What whoever would resume a run reads, where it is under way by itself."""

from __future__ import annotations

import pytest

from engine.core.under_way import waits_for, when
from tests.core.telling import START, Phone, level, telling
from tests.core.test_held import take_up
from tests.core.world import SECOND, book

HOUR = 3600
TWO = telling(level("ana", "page"), level("bo", "page", 900), answer_us=HOUR * SECOND)
CALLS = "steps:\n  - {escalate: default, id: call, message: Oh, wait: acknowledged}\n"

CASES = [
    ("- {wait: 15m, id: rest, title: Cool down}", "`Cool down` waits until 00:31:40 UTC"),
    ("- {wait: 30h, id: rest}", "`rest` waits until 1970-01-02 06:16:40 UTC"),
    (
        "- {check: t.look, id: look, expect: 'false', within: 1h, every: 10m}",
        "`look` is asked again at 00:26:40 UTC",
    ),
    (
        "- {action: t.act, id: act, idempotent: true, approve: {by: [boss], within: 2h}}",
        "`act` waits for approval until 02:16:40 UTC",
    ),
    ("- {check: t.confirm, id: sure, with: {question: Is it?}}", "`sure` waits for an answer"),
    (
        (
            "- parallel:\n      - {wait: 1m, id: a}\n      - {wait: 2m, id: b}\n"
            "      - {wait: 3m, id: c}\n      - {wait: 4m, id: d}"
        ),
        (
            "`a` waits until 00:17:40 UTC; `b` waits until 00:18:40 UTC; "
            "`c` waits until 00:19:40 UTC; 1 more"
        ),
    ),
]


def told(found: Phone) -> str:
    return waits_for(found.state, found.now_us)


@pytest.mark.parametrize(("steps", "said"), CASES)
def test_what_is_open_is_named_with_its_time(steps, said):
    assert told(Phone(book(f"steps:\n  {steps}\n"), TWO).begin().go(until_s=1)) == said


def test_a_step_that_tells_people_says_who_is_called_next():
    found = Phone(book(CALLS), TWO).begin().go(until_s=60)
    assert told(found) == "`call` waits for somebody to take it"


def test_a_run_whose_steps_are_over_says_whom_it_calls_by_time():
    text = "escalation: default\nsteps:\n  - {end: unresolved, because: it is so}\n"
    found = Phone(book(text), TWO).begin().go(until_s=60)
    assert told(found) == "its steps are over; level 2 of 2 is called at 00:31:40 UTC"
    found.go(until_s=1000)
    assert told(found) == (
        "its steps are over; whoever was called has until 01:31:40 UTC to take it"
    )


def test_a_held_run_says_why():
    rests = "steps:\n  - {wait: 1m, id: rest}\n"
    found = take_up(Phone(book(rests), TWO).begin().go(until_s=1), "the environment is gone")
    assert told(found) == "it cannot be gone on with here: the environment is gone"


def test_the_day_is_named_where_it_is_another_one():
    assert when(START, START) == "00:16:40 UTC"
    assert when(START, START + 86_400 * SECOND) == "1970-01-01 00:16:40 UTC"
