"""Whoever no channel has told, and the last one refuses for good: those that failed for a while are
tried again. In virtual time.
"""

from __future__ import annotations

from typing import Any

from engine.core.state import State
from tests.core.telling import Phone, level, telling
from tests.core.test_escalation import TELLS, WAITS, phone
from tests.core.world import Oops, book

DOWN = Oops("it is down")
REFUSES = Oops("Attempt to send to unsubscribed recipient (21610)", retryable=False)
LOST = Oops("no answer", maybe_done=True)


def busy(seconds: float) -> Oops:
    return Oops("it takes no more for now", detail={"blocked_for_s": seconds})


def ways(found: Phone) -> list[tuple[int, str]]:
    return [(at_s, by) for at_s, _, by in found.pages]


def called(by: str, *more: Any, **channels: list[Any]) -> Phone:
    return phone(WAITS, telling(level("ana", by), *more), channels=channels).go(7200)


def test_a_channel_that_said_when_to_come_again_is_asked_then_where_the_next_refuses_for_good():
    found = called("chat sms", chat=[busy(20), True], sms=[REFUSES])
    assert ways(found) == [(0, "chat"), (0, "sms"), (20, "chat")]
    assert "EscalationExhausted" not in found.types()[: found.types().index("Told")]


def test_a_channel_that_was_down_for_a_moment_is_tried_on_where_the_last_refuses_for_good():
    found = called("chat sms", chat=[DOWN, DOWN, DOWN, True], sms=[REFUSES])
    assert [by for _, by in ways(found)] == ["chat", "chat", "sms", "chat", "chat"]
    assert found.state.escalations["call"].told


def test_where_the_last_is_in_doubt_those_that_certainly_told_nobody_are_tried_on():
    found = called("chat mail", chat=[busy(60), True], mail=[LOST])
    assert ways(found) == [(0, "chat"), (0, "mail"), (60, "chat")]


def test_what_refused_or_is_in_doubt_itself_is_not_tried_again():
    found = called("mail sms chat", mail=[LOST], sms=[REFUSES], chat=[REFUSES])
    assert ways(found) == [(0, "mail"), (0, "sms"), (0, "chat")]
    assert found.last("EscalationExhausted")["doubts"] == 1


def test_of_two_the_one_is_tried_first_that_is_ready_first_and_they_take_turns():
    found = called("chat mail sms", chat=[busy(90), True], mail=[busy(30), busy(90)], sms=[REFUSES])
    assert ways(found) == [(0, "chat"), (0, "mail"), (0, "sms"), (30, "mail"), (90, "chat")]


def test_it_ends_when_each_was_tried_as_often_as_a_last_one_is():
    found = called("chat mail sms", chat=[DOWN], mail=[DOWN], sms=[REFUSES])
    tried = [by for _, by in ways(found)]
    assert (tried.count("chat"), tried.count("mail"), tried.count("sms")) == (8, 8, 1)
    assert found.types().count("EscalationExhausted") == 1


def test_where_the_last_was_tried_for_a_quarter_of_an_hour_nobody_is_tried_on():
    found = called("chat sms", chat=[DOWN], sms=[DOWN])
    assert [by for _, by in ways(found)] == ["chat"] * 2 + ["sms"] * 8


def test_the_next_level_does_not_wait_for_it():
    found = called("chat sms", level("bo", "page", 900), chat=[busy(60), True], sms=[REFUSES])
    assert found.pages == [
        *((0, "ana", "chat"), (0, "ana", "sms")),
        *((0, "bo", "page"), (60, "ana", "chat")),
    ]


def test_somebody_takes_it_meanwhile_and_nobody_is_tried_again():
    channels = {"chat": [busy(60), True], "sms": [REFUSES]}
    found = phone(WAITS, telling(level("ana", "chat sms")), channels=channels).acked(30, "call")
    assert ways(found.go(7200)) == [(0, "chat"), (0, "sms")]
    assert not any(s.open for s in found.state.escalations["call"].summons.values())


def test_a_step_does_not_hold_its_run_up_for_it():
    channels = {"chat": [busy(60), True], "sms": [REFUSES]}
    how = telling(level("ana", "chat sms")) | {"until_end": True, "hands_over": True}
    found = phone(f"{TELLS}  - {{wait: 1h, id: rest}}\n", how, channels=channels).go(10)
    end = found.last("StepFinished")
    warnings = ["nobody is reached yet: Ana is tried again by chat"]
    assert (end["path"], end["status"], end["warnings"]) == ("call", "passed", warnings)


def test_tried_again_it_has_the_key_it_had_and_the_next_number():
    found = called("chat sms", chat=[busy(20), True], sms=[REFUSES])
    chat = [tell.body for tell in found.tells if tell.body["channel"] == "chat"]
    assert [body["attempt"] for body in chat] == [1, 2]
    assert len({body["key"] for body in chat}) == 1


def test_a_journal_of_an_older_engine_ends_where_it_ended():
    found = called("chat sms", chat=[busy(20), True], sms=[REFUSES])
    state = State("r", book(WAITS))
    for event in found.events[: found.types().index("TellFailed") + 3]:
        body = {k: v for k, v in event.body.items() if k not in ("back", "later_us")}
        state.apply(type(event)(event.type, body, event.at_us, event.actor))
    (summons,) = state.escalations["call"].summons.values()
    assert (summons.status, summons.channel) == ("failed", 1)
