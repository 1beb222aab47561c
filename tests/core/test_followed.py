"""Everybody who was called hears what became of it: each place, each incident, and once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book, run

CALL = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
OPEN = f"{CALL}  - {{wait: 3h, id: rest}}\n"
UNTIL_END = {"until_end": True}


def phone(text: str, *levels: Any, how: Any = None, **more: Any) -> Phone:
    return Phone(book(text), {**telling(*levels), **(how or {})}, **more).begin()


def followed(found: Phone) -> list[tuple[str, str, str]]:
    """Kind, person and channel of all that is no page."""
    return [(kind, who, by) for _, kind, who, by in found.sent if kind != "page"]


def test_who_was_called_by_two_channels_hears_by_both_that_it_was_taken():
    found = phone(OPEN, level("ana", "page"), level("ana", "chat", 900))
    found.acked(1000, "call").go(until_s=1100)
    assert sorted(followed(found)) == [
        ("acknowledged", "ana", "chat"),
        ("acknowledged", "ana", "page"),
    ]


@pytest.mark.parametrize("how", [{}, UNTIL_END])
def test_all_whom_one_level_called_hear_that_it_was_taken(how: Any):
    found = phone(OPEN, level("ana bo", "page"), how=how)
    found.acked(60, "call").go(until_s=100)
    assert sorted(who for _, who, _ in followed(found)) == ["ana", "bo"]


def test_who_was_called_twice_keeps_nobody_else_from_hearing_that_it_was_taken():
    found = phone(OPEN, level("bo ana", "page"), level("ana", "page", 900))
    found.acked(1000, "call").go(until_s=1100)
    assert sorted(who for _, who, _ in followed(found)) == ["ana", "bo"]


def test_an_incident_that_was_raised_anew_is_resolved_as_the_first_one_is():
    text = f"{CALL}  - {{wait: 2h, id: rest}}\n"
    policy = {"levels": [level("ana", "page")], "reopen_us": 60 * MINUTE}
    how = {"policies": {"default": policy}, **UNTIL_END}
    found = phone(text, how=how).acked(60, "call").go()
    assert [kind for _, kind, _, _ in found.sent].count("page") == 2
    ends = [
        key
        for key, (_, kind, _, _) in zip(found.keys, found.sent, strict=True)
        if kind == "resolved"
    ]
    assert len(set(ends)) == len(ends) == 2


def test_a_page_that_arrives_behind_the_acknowledgement_is_followed_by_it_too():
    # Ana's first page fails, her second one is on its way from 2.6 s to 2.7 s
    found = phone(OPEN, level("ana bo", "page"), channels={"page": [Oops("down"), True]})
    found.acked(2.65, "call").go(until_s=60)
    assert sorted(followed(found)) == [
        ("acknowledged", "ana", "page"),
        ("acknowledged", "bo", "page"),
    ]


def test_what_is_closed_does_not_begin_anew():
    found = phone(CALL, level("ana", "page")).acked(0, "call").go()
    one = found.state.escalations["call"]
    assert one.closed == "bo took it"
    found.put("EscalationReopened", {"escalation": "call", "why": "somebody says so"})
    assert (one.generation, one.acknowledged["by"], one.closed) == (1, "bo", "bo took it")


def test_what_somebody_took_does_not_begin_anew_once_the_run_is_over():
    text = f"{CALL}  - {{wait: 2m, id: rest}}\n  - {{end: unresolved}}\n"
    policy = {"levels": [level("ana", "page")], "reopen_us": 60 * MINUTE}
    hangs = {"page": [True, HANG]}  # that it was taken is on its way for hours
    found = phone(text, how={"policies": {"default": policy}, **UNTIL_END}, channels=hangs)
    found.acked(60, "call").go(until_s=200)
    found.now_us += 120 * MINUTE
    found.put("TimeReached", {})
    assert "EscalationReopened" not in found.go().types()


def test_a_run_that_knows_nobody_waits_for_nobody():
    world = run(book(CALL))
    assert world.state.escalations == {}
    assert world.state.over


def test_what_is_asked_no_more_when_quiet_hours_end_is_not_told_though_a_block_failed_before():
    text = """
steps:
  - group: All
    id: g
    steps: [{check: t.look, id: bad, expect: 1 > 2}]
    on_failure: continue
  - {id: free, action: t.strike, approve: {by: [lead], within: 2h}}
"""
    how = {**telling(level("ana", "page")), "questions": {"by": ["page"]}}
    later = {"lead": START + 120 * MINUTE + SECOND // 10}  # the first step took so long
    found = Phone(book(text), how, later=later).begin().go()
    assert found.last("QuestionClosed")["word"] == "expired"
    assert [kind for _, kind, who, _ in found.sent if who == "lead"] == []
