"""What may stand open at PagerDuty, though nobody saw it arrive, is ended there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.telling import START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book

TELLS = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
OPEN = f"{TELLS}  - {{wait: 3h, id: rest}}\n"
ANA = level("ana", "page")
BOTH = level("ana", "page sms")
LOST = Oops("no answer", maybe_done=True)
DOWN = Oops("it is down")
REFUSED = Oops("no such key", retryable=False)
UNTIL_END = {"until_end": True, "answer_us": 900 * SECOND}


def phone(*levels: Any, page: list[Any], text: str = OPEN, **more: Any) -> Phone:
    how = {**telling(*levels), **UNTIL_END}
    by_key = more.pop("by_key", frozenset({"page"}))
    return Phone(book(text), how, channels={"page": page}, by_key=by_key, **more).begin()


def to_page(found: Phone) -> list[str]:
    """What came to PagerDuty, in order."""
    return [kind for _, kind, _, by in found.sent if by == "page"]


def cut_short(*levels: Any, text: str = OPEN, acked_s: float | None = 1, **more: Any) -> Phone:
    """A run whose driver dies while its first page is on its way, behind somebody's taking it, and
    what the next driver does.
    """
    died = phone(*levels, page=[HANG], text=text, **more)
    if acked_s is not None:
        died.acked(acked_s, "call")
    died.go(until_s=2)
    assert to_page(died) == ["page"]
    then = Phone(died.runbook, died.telling, by_key=died.by_key)
    return then.take_up(died.events, START + 900 * SECOND)


def test_a_page_in_flight_that_was_taken_before_the_run_is_taken_up_is_told_of_that_and_the_end():
    found = cut_short(BOTH).go()
    assert found.state.finished is not None
    assert to_page(found) == ["acknowledged", "resolved"]
    (failed,) = [e.body for e in found.events if e.type == "TellFailed"]
    assert (failed["doubt"], failed["dropped"]) == (True, True)
    assert found.last("EscalationClosed")["why"] == "bo took it"


def test_what_follows_it_goes_to_the_incident_that_the_page_would_have_made():
    found = cut_short(BOTH).go()
    summons = {tell.body["summons"] for tell in found.tells}
    assert summons == {"1.1.1:ana:acknowledged:page", "1.1.1:ana:resolved:page"}
    assert [tell.receipt for tell in found.tells] == [None, None]


def test_a_page_in_flight_at_the_end_of_its_run_is_resolved():
    text = (
        "steps:\n  - {wait: 1m, id: rest}\nescalation: {policy: default, unresolved_after: 30s}\n"
    )
    died = phone(ANA, page=[HANG], text=text).go(until_s=40)
    assert to_page(died) == ["page"]
    then = Phone(died.runbook, died.telling, by_key=died.by_key)
    died.go(until_s=70)
    assert died.state.finished is not None
    found = then.take_up(died.events, START + 900 * SECOND).go()
    assert to_page(found) == ["resolved"]


def test_where_nobody_took_it_it_is_sent_once_more_and_followed_as_any_other():
    found = cut_short(ANA, acked_s=None).acked(1000, "call").go()
    assert to_page(found) == ["page", "acknowledged", "resolved"]
    assert [tell.body["summons"] for tell in found.tells][1:] == [
        "1.1.1:ana:acknowledged", "1.1.1:ana:resolved",
    ]  # fmt: skip


def test_a_place_that_does_not_know_a_message_by_its_key_hears_nothing_of_one_that_was_cut_short():
    assert to_page(cut_short(BOTH, by_key=frozenset()).go()) == []


@pytest.mark.parametrize("last", [LOST, DOWN, REFUSED])
def test_one_lost_answer_is_enough_whatever_comes_of_later_tries(last):
    """Another channel told them: at PagerDuty it would go on calling."""
    found = phone(BOTH, page=[LOST, last, True]).acked(600, "call").go()
    assert ("page", "ana", "sms") in [one[1:] for one in found.sent]
    assert to_page(found) == ["page", "page", "acknowledged", "resolved"]


def test_a_page_that_certainly_did_not_arrive_is_not_followed():
    found = phone(BOTH, page=[DOWN, DOWN, True]).acked(600, "call").go()
    assert to_page(found) == ["page", "page"]


def test_a_lost_answer_behind_which_the_next_try_arrived_is_followed_once():
    found = phone(ANA, page=[LOST, True]).acked(600, "call").go()
    assert to_page(found) == ["page", "page", "acknowledged", "resolved"]


def test_what_is_dropped_between_two_tries_is_followed_at_once():
    """The first try may have made the incident, and nobody needs a second one."""
    found = phone(ANA, page=[LOST, True]).acked(1, "call").go()
    assert to_page(found) == ["page", "acknowledged", "resolved"]


def test_rounds_of_a_level_are_one_incident_and_hear_once_what_became_of_it():
    again = level("ana", "page sms", every_us=120 * SECOND, times=2)
    found = phone(again, page=[LOST] * 6 + [True]).acked(600, "call").go()
    assert to_page(found) == ["page"] * 6 + ["acknowledged", "resolved"]


def test_a_question_that_may_stand_open_is_ended_once_it_is_answered():
    text = "who: [ops]\nsteps:\n  - {id: sure, check: t.confirm, with: {question: Is it green?}}\n"
    how = {**telling(ANA), **UNTIL_END, "questions": {"by": ["page", "sms"]}}
    found = Phone(
        book(text), how, channels={"page": [LOST, LOST, True]}, by_key=frozenset({"page"})
    )
    found.begin().at(600, "Answered", path="sure", answer="yes", note="").go()
    assert to_page(found) == ["question", "question", "answered"]


def test_a_page_that_a_hold_made_and_nobody_saw_arrive_is_resolved_once_the_run_goes_on():
    found = phone(ANA, page=[HANG], text="steps:\n  - {wait: 3h, id: rest}\n").go(until_s=1)
    held = {"why": "the target moved", "mute": False}
    found.put("RunTakenUp", {"driver": "h:1:1", "interrupted": [], "held": held})
    found.go(until_s=60)
    assert to_page(found) == ["page"]
    then = Phone(found.runbook, found.telling, by_key=found.by_key)
    then.take_up(found.events, START + 900 * SECOND).go(until_s=1000)
    assert to_page(then) == ["resolved"]
