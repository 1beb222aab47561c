"""A run that cannot be gone on with: what is decided of it, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.decide import decide, open_questions
from tests.core.telling import Phone, level, telling
from tests.core.world import book

RESTS = "steps:\n  - {wait: 1m, id: rest}\n  - {check: t.look, id: look}\n"
CALLS = "steps:\n  - {escalate: default, id: call, message: Redis is full, wait: acknowledged}\n"
OWN = f"escalation: own\n{RESTS}"
WHY = "connection `t` pointed to a at the start, now to b"
TWO = telling(level("ana", "page"), level("bo", "page", 900))


def phone(text: str, how: Any = TWO) -> Phone:
    return Phone(book(text), how).begin().go(until_s=30)


def take_up(found: Phone, why: str | None, *, mute: bool = False) -> Phone:
    """As whoever drives it then, and finds this in the way."""
    held = {"held": {"why": why, "mute": mute}} if why is not None else {}
    found.put("RunTakenUp", {"driver": "h:1:1", "interrupted": [], **held})
    return found


def test_none_of_its_steps_goes_on_and_people_are_called_level_by_level():
    found = take_up(phone(RESTS), WHY).go()
    assert [who for _, who, _ in found.pages] == ["ana", "bo"]
    assert found.types().count("EscalationStarted") == 1
    assert found.state.steps["rest"].status == "running"
    assert found.state.finished is None
    assert found.told[0] == {"title": "Oh"}
    assert WHY in found.last("EscalationStarted")["message"]


def test_its_own_policy_is_taken_where_it_has_one():
    how = {"policies": {**TWO["policies"], "own": {"levels": [level("cy", "page")]}}}
    found = take_up(phone(OWN, how), WHY).go()
    assert [who for _, who, _ in found.pages] == ["cy"]


def test_whoever_takes_it_up_anew_calls_nobody_anew():
    found = take_up(phone(RESTS), WHY).go()
    count = len(found.pages)
    take_up(found, WHY).go()
    take_up(found, "the environment variable X is not set").go()
    assert len(found.pages) == count


def test_what_calls_people_already_goes_on_and_nothing_else_is_opened():
    found = take_up(phone(CALLS), WHY).go()
    assert [who for _, who, _ in found.pages] == ["ana", "bo"]
    assert "EscalationStarted" not in found.types()


@pytest.mark.parametrize("how", ["taken", "exhausted"])
def test_where_what_called_people_calls_nobody_any_more_they_are_called_for_this(how: str):
    found = Phone(book(CALLS), TWO).begin()
    found = found.acked(10, "call").go(until_s=30) if how == "taken" else found.go(until_s=5000)
    count = len(found.pages)
    take_up(found, WHY).go()
    assert len(found.pages) == count + 2


def test_an_acknowledgement_of_what_it_waits_for_counts_once_it_goes_on():
    found = take_up(phone(CALLS), WHY).acked(60, "call").go()
    assert found.state.steps["call"].status == "running"
    assert take_up(found, None).go().state.finished["outcome"] == "resolved"


def test_where_nobody_can_be_called_no_level_is_used_up():
    found = take_up(phone(CALLS), WHY, mute=True).go()
    assert found.types()[-1] == "RunTakenUp"
    assert decide(found.state).wake_us is None
    found.now_us += 5 * 900 * 1_000_000
    found.put("TimeReached", {})
    assert decide(found.state).record == []
    assert [who for _, who, _ in take_up(found, WHY).go().pages] == ["ana", "bo"]


def test_where_nobody_could_be_called_they_are_once_somebody_can_be():
    found = take_up(phone(RESTS), WHY, mute=True).go()
    assert found.pages == []
    assert [who for _, who, _ in take_up(found, WHY).go().pages] == ["ana", "bo"]


def test_for_one_hold_they_are_called_once_though_meanwhile_nobody_could_be():
    found = take_up(phone(RESTS), WHY).go()
    take_up(found, "no environment", mute=True).go()
    take_up(found, WHY).go()
    assert [who for _, who, _ in found.pages] == ["ana", "bo"]
    take_up(found, None)
    take_up(found, WHY).go()
    assert [who for _, who, _ in found.pages] == ["ana", "bo", "ana", "bo"]


def test_what_it_asks_people_stands_and_is_answered():
    text = "steps:\n  - {check: t.confirm, id: sure, with: {question: Sure?}}\n"
    found = take_up(phone(text), WHY).go()
    assert [question.path for question in open_questions(found.state)] == ["sure"]


def test_once_it_goes_on_those_who_were_told_hear_so_and_it_is_closed():
    found = take_up(phone(RESTS), WHY).go(until_s=60)
    take_up(found, None).go()
    kinds = [(kind, who) for _, kind, who, _ in found.sent]
    assert kinds == [("page", "ana"), ("resolved", "ana")]
    assert found.told[-1]["goes_on"] == "It can be gone on with here again, and goes on"
    assert found.last("EscalationClosed")["why"] == "the run can be gone on with again"
    assert found.state.finished["outcome"] == "resolved"


def test_a_cancel_ends_it_and_those_who_were_told_hear_so():
    found = take_up(phone(RESTS), WHY).at(60, "CancelRequested", reason="no").go()
    assert found.state.finished["outcome"] == "cancelled"
    assert [(kind, who) for _, kind, who, _ in found.sent] == [("page", "ana"), ("resolved", "ana")]
    assert found.state.over


def test_that_it_was_held_does_not_stand_for_its_own_escalation_when_it_fails():
    text = RESTS.replace("look}", "look, expect: false}")
    found = take_up(phone(f"escalation: default\n{text}"), WHY).go(until_s=60)
    take_up(found, None).go()
    assert found.state.finished["outcome"] == "failed"
    begun = [e.body["escalation"] for e in found.events if e.type == "EscalationStarted"]
    assert begun == ["held#1", "run"]


def test_an_older_journal_says_nothing_of_it():
    found = phone(RESTS)
    found.put("RunTakenUp", {"driver": "h:1:1", "interrupted": []})
    assert found.state.held is None
    assert found.go().state.finished["outcome"] == "resolved"
