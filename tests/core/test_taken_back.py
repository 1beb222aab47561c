"""What somebody took in PagerDuty and has no longer is called for anew."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from engine.core.events import Actor
from engine.core.state import State
from engine.core.words import words
from engine.runner.wording import text_of
from tests.core.telling import START, Phone, level, telling
from tests.core.world import SECOND, book

TEXT = "steps: [{id: call, escalate: default, message: it burns}, {id: w, wait: 5h}]"
LEVELS = (level("ana", "page"), level("bo", "mail", 600))
ANA, BO = Actor("ana", "webhook", "d1"), Actor("bo", "os-user")
KEY = "r:call:1.1"


def phone(*levels: Any, text: str = TEXT, **more: Any) -> Phone:
    told = {**telling(*(levels or LEVELS), **more), "until_end": True}
    return Phone(book(text), told).begin()


def say(found: Phone, at_s: float, type_: str, actor: Actor = ANA, **body: Any) -> Phone:
    """Somebody says something at a time, as whom they are."""
    put = lambda: found.put(type_, body, actor)  # noqa: E731
    found.words.setdefault(START + round(at_s * SECOND), []).append(put)
    return found


def ack(found: Phone, at_s: float, at: int | None, *, key: str = KEY, **more: Any) -> Phone:
    body = {"escalations": ["call"], "note": "", "via": "PagerDuty", "incident": key}
    return say(found, at_s, "Acknowledged", **body, occurred_us=at, **more)


def unack(
    found: Phone, at_s: float, at: int | None, *, key: str = KEY, how: str = "ran-out", **more: Any
) -> Phone:
    body = {"escalations": ["call"], "via": "PagerDuty", "incident": key, "how": how}
    return say(found, at_s, "Unacknowledged", **body, occurred_us=at, **more)


def reopened(found: Phone) -> list[str]:
    return [e.body["why"] for e in found.events if e.type == "EscalationReopened"]


def test_an_acknowledgement_that_ran_out_begins_its_escalation_anew():
    found = unack(ack(phone(), 60, 1), 1860, 2).go(3600)
    assert reopened(found) == ["PagerDuty: the acknowledgement of ana ran out"]
    assert found.pages == [(0, "ana", "page"), (1860, "ana", "page"), (2460, "bo", "mail")]
    assert found.state.escalations["call"].acknowledged is None


def test_a_message_of_a_level_that_begins_anew_says_why():
    found = unack(ack(phone(), 60, 1), 1860, 2).go(1900)
    text = text_of(words(found.state, "call", 1), "page")
    assert "It begins anew. PagerDuty: the acknowledgement of ana ran out" in text
    first = phone().go(30)
    assert "anew" not in words(first.state, "call", 1)


def test_a_level_that_begins_anew_tells_by_the_incident_that_is_open_and_by_no_second_one():
    found = unack(ack(phone(), 60, 1), 1860, 2).go(1900)
    starts = [e.body for e in found.events if e.type == "TellStarted" and e.body["kind"] == "page"]
    assert [(one["summons"], one.get("group")) for one in starts] == [
        ("1.1.1:ana", None),
        ("2.1.1:ana", "1.1"),
    ]
    ack(found, 2000, 3)
    unack(found, 3000, 4)
    found.go(3100)
    assert found.last("TellStarted")["group"] == "1.1"


@pytest.mark.parametrize(
    ("how", "by", "why"),
    [
        ("taken-back", BO, "PagerDuty: bo took back the acknowledgement of ana"),
        ("taken-back", ANA, "PagerDuty: the acknowledgement of ana ran out, or was taken back"),
        ("reopened", BO, "PagerDuty: bo opened its incident again, which ana had taken"),
        (
            "handed-on",
            ANA,
            "PagerDuty: ana handed on what ana had taken, and nobody took it so far",
        ),
    ],
)
def test_the_trail_says_why_it_begins_anew(how, by, why):
    assert reopened(unack(ack(phone(), 60, 1), 90, 2, how=how, actor=by).go(100)) == [why]


def test_an_acknowledgement_that_ran_out_twice_begins_its_escalation_anew_once():
    found = unack(unack(ack(phone(), 60, 1), 90, 2), 91, 2).go(100)
    assert len(reopened(found)) == 1


def test_what_ran_out_before_it_was_acknowledged_again_stays_taken():
    found = unack(ack(ack(phone(), 60, 10), 100, 30), 110, 20).go(7200)
    assert reopened(found) == []
    assert found.pages == [(0, "ana", "page")]


def test_an_acknowledgement_that_arrives_behind_the_word_that_it_is_over_takes_nothing():
    found = ack(unack(phone(), 60, 20), 61, 10).go(1000)
    assert reopened(found) == []
    assert found.state.escalations["call"].acknowledged is None
    assert found.pages == [(0, "ana", "page"), (600, "bo", "mail")]


def test_the_word_about_another_incident_takes_nothing_back():
    found = unack(ack(phone(), 60, 1), 90, 2, key="r:call:1.2").go(7200)
    assert reopened(found) == []


def test_what_a_person_took_in_another_way_is_not_taken_back():
    found = say(phone(), 60, "Acknowledged", BO, escalations=["call"], note="", via="Slack")
    assert reopened(unack(found, 90, 2).go(7200)) == []


def test_what_a_person_took_besides_is_not_taken_back():
    found = ack(phone(), 60, 1)
    say(found, 70, "Acknowledged", BO, escalations=["call"], note="", via="command line")
    assert reopened(unack(found, 90, 2).go(7200)) == []
    assert found.state.escalations["call"].acknowledged["by"] == "ana"


def test_what_is_taken_by_two_incidents_begins_anew_once_both_ran_out():
    found = ack(ack(phone(), 60, 1), 61, 2, key="r:call:1.2")
    assert reopened(unack(found, 90, 3).go(95)) == []
    assert len(reopened(unack(found, 100, 4, key="r:call:1.2").go(200))) == 1


def test_somebody_who_takes_it_before_it_began_anew_has_it():
    found = ack(phone(), 60, 1).go(80)
    found.now_us += SECOND
    body = {"escalations": ["call"], "via": "PagerDuty", "incident": KEY, "how": "ran-out"}
    found.put("Unacknowledged", {**body, "occurred_us": 2}, ANA)
    found.put("Acknowledged", {"escalations": ["call"], "note": "", "via": "Slack"}, BO)
    found.go(7200)
    assert reopened(found) == []
    assert found.state.escalations["call"].acknowledged["by"] == "bo"


def test_an_exhausted_escalation_that_was_taken_and_ran_out_goes_through_its_levels_anew():
    found = phone(answer_us=60 * SECOND).go(700)
    assert "EscalationExhausted" in found.types()
    ack(found, 800, 1)
    found = unack(found, 900, 2).go(4000)
    assert found.types().count("EscalationExhausted") == 2
    assert found.pages[2:] == [(900, "ana", "page"), (1500, "bo", "mail")]


def test_an_exhausted_escalation_that_nobody_took_does_not_begin_anew():
    found = unack(phone(answer_us=60 * SECOND).go(700), 800, 2).go(4000)
    assert reopened(found) == []


@pytest.mark.parametrize("outcome", ["resolved", "unresolved"])
def test_what_runs_out_once_the_run_is_over_calls_nobody(outcome):
    text = f"steps: [{{id: call, escalate: default}}, {{wait: 2m}}, {{end: {outcome}}}]"
    found = unack(ack(phone(text=text), 60, 1), 300, 2).go(7200)
    assert reopened(found) == []
    assert found.pages == [(0, "ana", "page")]


def test_a_step_that_waited_for_somebody_is_over_and_its_levels_are_called_for_anew():
    text = "steps: [{id: call, escalate: default, wait: acknowledged}, {id: w, wait: 5h}]"
    found = unack(ack(phone(text=text), 60, 1), 300, 2).go(1000)
    assert found.state.steps["call"].status == "passed"
    assert found.pages[1:] == [(300, "ana", "page"), (900, "bo", "mail")]


def test_an_acknowledgement_of_an_older_engine_runs_out_by_any_incident_of_its_escalation():
    found = say(phone(), 60, "Acknowledged", escalations=["call"], note="", via="PagerDuty")
    assert len(reopened(unack(found, 300, 2).go(400))) == 1


def test_any_order_of_arrival_leads_to_what_happened_last():
    """Two acknowledgements and two ends of them, as PagerDuty said them, in every order."""
    said = [(ack, 10), (unack, 20), (ack, 30), (unack, 40)]
    for count in (3, 4):
        for order in itertools.permutations(said[:count]):
            found = phone(level("ana", "page"))
            for number, (what, at) in enumerate(order):
                what(found, 60 + number, at)
            found.go(120)
            taken = found.state.escalations["call"].acknowledged is not None
            assert taken == (count == 3), order


def test_a_run_that_is_taken_up_between_the_word_and_what_follows_begins_anew_once():
    found = unack(ack(phone(), 60, 1), 300, 2).go(1000)
    at = found.types().index("Unacknowledged") + 1
    later = Phone(found.runbook, found.telling).take_up(found.events[:at], found.events[at].at_us)
    assert len(reopened(later.go(1000))) == 1
    folded = State.of("r", found.runbook, later.events)
    assert folded.escalations["call"].anew == later.state.escalations["call"].anew
