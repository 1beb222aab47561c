"""Small rules of escalations, one by one: what each boundary, order and reason is."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.escalate import conclude_tell, wanted
from engine.core.judge import Outcome
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import SECOND, Oops, book

TELLS = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
WAITS = TELLS.replace("message", "wait: acknowledged, message")
OPEN = TELLS + "  - {wait: 3h, id: rest}\n"
HOUR = 3600
DOWN = [Oops("it is down")]
REFUSES = [Oops("no such number", retryable=False)]
TWICE = {"every_us": 5 * MINUTE, "times": 2}


def phone(text: str, *levels: Any, **more: Any) -> Phone:
    return Phone(book(text), telling(*levels), **more).begin()


def kinds(found: Phone) -> list[str]:
    return [kind for _, kind, _, _ in found.sent]


# -- levels ----------------------------------------------------------------------------------------


def test_the_first_level_may_be_told_later_too():
    found = phone(WAITS, level("ana", "page", 600)).go()
    assert found.pages == [(600, "ana", "page")]


def test_a_level_that_is_told_again_does_not_put_the_next_one_off():
    first = level("ana", "page", every_us=5 * MINUTE, times=5)
    found = phone(WAITS, first, level("bo", "page", 900)).go(until_s=900)
    assert [at for at, who, _ in found.pages if who == "bo"] == [900]


def test_a_level_taken_is_not_told_again_though_a_later_one_waits_for_the_end():
    first = level("ana", "page", **TWICE)
    found = phone(OPEN, first, level("boss", "mail", HOUR, unless="resolved"))
    assert found.acked(60, "call").go().pages == [(0, "ana", "page"), (HOUR, "boss", "mail")]


def test_a_level_unless_resolved_is_told_again_though_somebody_took_it():
    first = level("ana", "page", unless="resolved", **TWICE)
    found = phone(OPEN, first, level("bo", "page", 900)).acked(60, "call").go()
    assert found.pages == [(0, "ana", "page"), (300, "ana", "page"), (600, "ana", "page")]


def test_levels_nobody_needs_any_more_leave_no_trace():
    found = phone(OPEN, level("ana", "page"), level("bo", "page", 900), level("eve", "page", 900))
    found.acked(60, "call").go()
    assert found.types().count("LevelDue") == 1


def test_begun_anew_a_level_that_cannot_be_told_is_passed_over_though_it_was_told_before():
    how = telling(level("ana", "page"), level("bo", "sms", 900), reopen_us=60 * MINUTE)
    found = Phone(book(OPEN), how, channels={"page": [True, True, *REFUSES]}).begin()
    found.acked(60, "call").go(until_s=2 * HOUR)
    assert found.pages == [(0, "ana", "page"), (3660, "ana", "page"), (3660, "bo", "sms")]


# -- channels --------------------------------------------------------------------------------------


def test_a_channel_that_stays_down_is_tried_twice_and_the_last_eight_times():
    channels = {"page": DOWN, "sms": DOWN}
    found = phone(TELLS, level("ana", "page sms"), channels=channels).go()
    assert [by for _, _, by in found.pages] == ["page"] * 2 + ["sms"] * 8


def test_between_two_tries_there_are_seconds_and_then_minutes():
    found = phone(TELLS, level("ana", "page"), channels={"page": DOWN}).go()
    waits = [
        round((e.body["next_us"] - e.at_us) / SECOND, 3)
        for e in found.events
        if e.type == "TellFailed" and e.body["next_us"] is not None
    ]
    assert waits == [2.5, 7.5, 22.5, 67.5, 202.5, 375, 375]  # a quarter more each: random is 0.5


@pytest.mark.parametrize(("seconds", "by"), [(15, "page"), (15.1, "sms")])
def test_a_channel_that_says_when_is_waited_for_fifteen_seconds(seconds: float, by: str):
    busy = {"page": [Oops("429", detail={"blocked_for_s": seconds}), True]}
    found = phone(TELLS, level("ana", "page sms"), channels=busy).go()
    assert found.pages[-1] == (round(seconds) if by == "page" else 0, "ana", by)


def test_what_a_channel_says_of_its_pause_counts_only_if_it_is_a_time():
    odd = {"page": [Oops("429", detail={"blocked_for_s": "soon"}), True]}
    assert [at for at, _, _ in phone(TELLS, level("ana", "page"), channels=odd).go().pages] == [
        0,
        2,
    ]


def test_further_messages_of_a_run_at_a_place_belong_to_the_first():
    found = phone(OPEN, level("room", "page"), level("room ana", "page", 60)).go(until_s=90)
    first = found.state.escalations["call"].told[0].receipt
    threads = [(effect.body["who"], effect.thread) for effect in found.tells]
    assert threads == [("room", None), ("room", first), ("ana", None)]


# -- people who act --------------------------------------------------------------------------------


def test_what_fails_while_somebody_takes_it_is_not_tried_again():
    levels = level("ana", "page sms"), level("boss", "mail", HOUR, unless="resolved")
    found = phone(OPEN, *levels, channels={"page": DOWN}).acked(0.05, "call").go(until_s=60)
    assert found.pages == [(0, "ana", "page")]
    assert found.last("TellFailed")["dropped"] is True
    assert found.state.escalations["call"].told == []


def test_what_is_waiting_for_the_morning_is_not_told_once_somebody_took_it_but_the_rest_is():
    later = dict.fromkeys(("ana", "boss"), START + HOUR * SECOND)
    levels = level("ana", "page"), level("boss", "mail", unless="resolved")
    found = phone(OPEN, *levels, later=later).acked(60, "call").go()
    assert found.pages == [(HOUR, "boss", "mail")]


def test_what_is_waiting_for_the_morning_is_not_told_once_the_run_is_resolved():
    later = {"ana": START + HOUR * SECOND}
    found = phone(TELLS, level("ana", "page"), later=later).go()
    assert found.pages == []
    assert found.last("EscalationClosed")["why"] == "the run is resolved"


def test_quiet_hours_that_are_over_hold_nothing_up():
    found = phone(WAITS, level("ana", "page"), later={"ana": START - SECOND}).go()
    assert found.pages == [(0, "ana", "page")]


def test_who_took_it_first_took_it():
    found = phone(OPEN, level("ana", "page"), level("bo", "page", 900)).acked(60, "call")
    found.at(90, "Acknowledged", escalations=["call"], note="me too").go(until_s=120)
    taken = found.state.escalations["call"].acknowledged
    assert taken == {"by": "bo", "note": "on it", "at_us": START + 60 * SECOND}
    assert kinds(found) == ["page", "acknowledged"]


def test_nobody_takes_how_a_run_stands():
    how = {**telling(level("ana", "page")), "status": {"every_us": 15 * MINUTE, "by": ["room"]}}
    found = Phone(book(OPEN), how).begin().acked(60, "status").go(until_s=900)
    assert found.state.escalations["status"].acknowledged is None
    assert (900, "status", "room", "room") in found.sent


def test_what_became_of_it_is_told_once_at_a_place_and_behind_what_is_on_its_way_there():
    found = phone(OPEN, level("ana", "page", **TWICE)).acked(300.05, "call").go(until_s=320)
    assert kinds(found) == ["page", "page", "acknowledged"]
    types = found.types()
    last = len(types) - 1 - types[::-1].index("TellStarted")
    assert found.events[last].body["kind"] == "acknowledged"
    assert types[:last].count("Told") == 2


def test_what_could_not_be_told_of_an_acknowledgement_gives_way_to_what_is_newer():
    text = TELLS + "  - {wait: 62s, id: rest}\n"
    levels = level("ana", "page"), level("bo", "page", 900)
    found = phone(text, *levels, channels={"page": [True, *DOWN, True]})
    found.acked(60, "call").go()
    assert kinds(found) == ["page", "acknowledged", "resolved"]


def test_whether_somebody_is_wanted_still_is_asked_of_their_own_level():
    levels = level("ana", "page"), level("boss", "mail", unless="resolved")
    later = dict.fromkeys(("ana", "boss"), START + HOUR * SECOND)
    found = phone(OPEN, *levels, later=later).go(until_s=30)
    ana, boss = found.state.escalations["call"].summons
    assert [wanted(found.state, "call", one) for one in (ana, boss)] == [True, True]
    found.acked(40, "call").go(until_s=50)
    assert [wanted(found.state, "call", one) for one in (ana, boss)] == [False, True]


def test_a_message_that_was_stopped_is_not_tried_again():
    found = phone(OPEN, level("ana", "page sms"))
    found.go(until_s=0)
    known = {"message": "taken", "help": None, "detail": {}}
    error = {**known, "maybe_done": False, "retryable": True, "kind": "stopped"}
    (summons,) = found.state.escalations["call"].summons
    came = Outcome(None, error, 1.0, 0.5)
    record = conclude_tell(found.state, "call", summons, came, START)
    assert (record.type, record.body["dropped"], record.body["next_us"]) == (
        "TellFailed",
        True,
        None,
    )


# -- its end ---------------------------------------------------------------------------------------


def test_a_step_that_tells_ends_with_whom_it_told():
    found = phone(OPEN, level("ana bo", "page")).go(until_s=1)
    told = found.last("StepFinished")["outcome"]["result"]["told"]
    assert told == [{"contact": who, "channel": "page", "level": 1} for who in ("ana", "bo")]


def test_of_what_is_closed_nothing_is_kept_that_was_never_told():
    later = {"ana": START + HOUR * SECOND}
    found = phone(OPEN, level("ana bo", "page"), later=later).acked(60, "call").go(until_s=120)
    one = found.state.escalations["call"]
    assert one.closed == "bo took it"
    assert {s.recipient["id"] for s in one.summons.values()} == {"bo"}


def test_an_undo_calls_people_though_the_run_had_ended_well():
    text = (
        "steps:\n  - action: t.act\n    id: act\n"
        "    undo: [{escalate: default, id: back, message: taken back}]\n"
    )
    found = phone(text, level("ana", "page"), level("bo", "page", 60)).go()
    assert (found.pages, found.state.finished["outcome"]) == ([], "resolved")
    found.at(10, "UndoRequested", reason="it was not that").go(until_s=100)
    assert [who for _, who, _ in found.pages] == ["ana", "bo"]
