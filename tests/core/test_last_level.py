"""When it is recorded that nobody took it: once whoever was called last had their time."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.escalation import left
from engine.core.state import State
from engine.core.words import words
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book

TELLS = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
WAITS = TELLS.replace("message", "wait: acknowledged, message")
OPEN = f"{TELLS}  - {{wait: 3h, id: rest}}\n"
FAILS = "steps:\n  - {check: t.look, id: ask}\non_failure:\n  - {escalate: default, id: call}\n"
CALL = "on_failure/call"
BROKEN = {"ask": Oops()}
QUARTER = 15 * MINUTE
DOWN = [Oops("it is down")]
REFUSES = [Oops("no such number", retryable=False)]
LOST = [Oops("no answer", maybe_done=True, retryable=False)]
TWO = (level("ana", "page"), level("bo", "page", 900))


def told(*levels: Any, **more: Any) -> dict[str, Any]:
    return {**telling(*levels), "answer_us": QUARTER, "hands_over": True, **more}


def phone(text: str, how: Any, **more: Any) -> Phone:
    return Phone(book(text), how, **more).begin()


def exhausted(found: Phone) -> list[tuple[float, str]]:
    """Seconds, and why."""
    return [
        ((e.at_us - START) / SECOND, e.body["why"])
        for e in found.events
        if e.type == "EscalationExhausted"
    ]


def test_whoever_is_called_last_has_their_time_before_it_is_said_that_nobody_took_it():
    found = phone(WAITS, told(*TWO)).go()
    assert exhausted(found) == [(1800, "nobody took it within 15m, and no level is left")]


def test_the_time_of_a_policy_counts_before_that_of_all():
    how = told(*TWO)
    how["policies"]["default"]["answer_us"] = 5 * MINUTE
    assert exhausted(phone(WAITS, how).go()) == [
        (1200, "nobody took it within 5m, and no level is left")
    ]


def test_a_run_of_an_older_engine_says_it_at_once():
    found = phone(WAITS, telling(*TWO)).go()
    assert exhausted(found) == [(900.1, "nobody has taken it so far, and no level is left")]


def test_who_takes_it_in_that_time_is_why_it_is_closed_and_nothing_is_exhausted():
    found = phone(FAILS, told(*TWO), script=BROKEN).acked(1799, CALL).go()
    assert exhausted(found) == []
    assert found.last("EscalationClosed")["why"] == "bo took it"
    assert [kind for _, kind, _, _ in found.sent][-2:] == ["acknowledged", "acknowledged"]


def test_who_takes_it_behind_that_time_takes_it_still():
    found = phone(FAILS, told(*TWO), script=BROKEN).acked(1801, CALL).go()
    assert [at for at, _ in exhausted(found)] == [1800.1]
    assert found.state.escalations[CALL].acknowledged["by"] == "bo"


def test_a_run_that_is_over_goes_on_until_that_time_is_over():
    found = phone(FAILS, told(*TWO), script=BROKEN).go(until_s=1799)
    assert found.state.finished is not None
    assert not found.state.over
    found.go()
    assert found.state.over
    assert found.last("EscalationClosed")["why"] == "no level is left"
    assert left(found.state) == [CALL]


def test_a_run_that_is_resolved_in_that_time_closes_it():
    found = phone(f"{TELLS}  - {{wait: 20m, id: rest}}\n", told(*TWO)).go()
    assert exhausted(found) == []
    assert found.last("EscalationClosed")["why"] == "the run is resolved"


def test_where_nobody_could_be_told_it_is_said_at_once():
    how = told(level("ana", "sms"), level("nobody", "page", 900))
    found = phone(TELLS, how, channels={"sms": REFUSES}).go()
    assert exhausted(found) == [(0.1, "nobody could be told, and no level is left")]
    assert found.last("EscalationExhausted")["told"] == 0


def test_where_the_last_cannot_be_told_those_who_were_told_before_have_their_time():
    how = told(level("ana", "page"), level("bo", "sms", 300))
    found = phone(WAITS, how, channels={"sms": REFUSES}).go()
    assert [at for at, _ in exhausted(found)] == [900]
    soon = told(level("ana", "page"), level("bo", "sms", 1200))
    found = phone(WAITS, soon, channels={"sms": REFUSES}).go()
    assert [at for at, _ in exhausted(found)] == [1200.1]


def test_who_was_told_perhaps_has_their_time_and_it_is_said_that_this_is_not_known():
    found = phone(WAITS, told(level("ana", "sms")), channels={"sms": LOST}).go()
    why = (
        "it is not known whether anybody was told; nobody took it within 15m, and no level is left"
    )
    assert exhausted(found) == [(900, why)]
    assert (
        found.last("EscalationExhausted")["told"],
        found.last("EscalationExhausted")["doubts"],
    ) == (0, 1)


def test_the_time_begins_when_they_were_told_at_last():
    how = told(level("ana", "page"))
    found = phone(WAITS, how, channels={"page": [*DOWN * 5, True]}).go()
    (last_s, _, _) = found.pages[-1]
    assert last_s > 60
    assert 0 <= exhausted(found)[0][0] - last_s - 900 < 1


def test_in_quiet_hours_the_time_begins_when_they_are_over():
    found = phone(WAITS, told(level("ana", "page")), later={"ana": START + 60 * MINUTE}).go()
    assert [at for at, _ in exhausted(found)] == [3600 + 900]


def test_whoever_is_told_again_has_their_time_each_time():
    again = level("ana", "page", every_us=5 * MINUTE, times=2)
    found = phone(WAITS, told(again)).go()
    assert [at for at, _, _ in found.pages] == [0, 300, 600]
    assert [at for at, _ in exhausted(found)] == [1500]


def test_who_is_told_at_the_console_is_not_waited_for():
    found = phone(WAITS, told(level("ana", "console"))).go()
    assert exhausted(found) == [(0.1, "nobody has taken it so far, and no level is left")]
    both = told(level("ana", "page"), level("bo", "console", 300))
    assert [at for at, _ in exhausted(phone(WAITS, both).go())] == [900]


def test_what_begins_anew_has_its_time_anew():
    how = told(level("ana", "page"), level("bo", "page", 300))
    how["policies"]["default"]["reopen_us"] = 60 * MINUTE
    found = phone(OPEN, how).acked(60, "call").go()
    assert [at for at, _ in exhausted(found)] == [60 + 3600 + 300 + 900]


def test_what_was_told_before_it_began_anew_gives_nobody_time():
    how = told(level("ana", "page"))
    how["policies"]["default"]["reopen_us"] = 5 * MINUTE
    found = phone(OPEN, how, channels={"page": [True, True, *REFUSES]}).acked(60, "call").go()
    assert exhausted(found) == [(360.1, "nobody has taken it so far, and no level is left")]


@pytest.mark.parametrize("late_s", [1000, 1799, 2000])
def test_time_in_which_nobody_drove_the_run_counts(late_s: int):
    died = phone(FAILS, told(*TWO), script=BROKEN).go(until_s=1000)
    taken_up = Phone(died.runbook, died.telling, script=BROKEN)
    taken_up.take_up(died.events, START + late_s * SECOND).go()
    assert [at for at, _ in exhausted(taken_up)] == [max(1800.1, late_s)]
    assert taken_up.state.over


def test_a_level_that_is_told_late_gives_its_reader_the_time_from_then():
    died = phone(FAILS, told(*TWO), script=BROKEN).go(until_s=100)
    taken_up = Phone(died.runbook, died.telling, script=BROKEN)
    taken_up.take_up(died.events, START + 7200 * SECOND).go()
    assert taken_up.pages == [(7200, "bo", "page")]
    assert [at for at, _ in exhausted(taken_up)] == [7200 + 900]


def test_what_was_cut_short_is_told_again_and_the_time_is_from_then():
    died = phone(FAILS, told(level("ana", "page")), script=BROKEN, channels={"page": [HANG]}).go(
        until_s=100
    )
    taken_up = Phone(died.runbook, died.telling, script=BROKEN)
    taken_up.take_up(died.events, START + 200 * SECOND).go()
    assert [at for at, _ in exhausted(taken_up)] == [200 + 900]


def test_a_death_at_any_event_says_it_once_and_never_too_early():
    whole = phone(FAILS, told(*TWO), script=BROKEN).go()
    for cut in range(1, len(whole.events)):
        before = State.of("r", whole.runbook, whole.events[:cut])
        again = Phone(whole.runbook, whole.telling, script=BROKEN)
        again.take_up(whole.events[:cut], before.now_us).go()
        assert len(exhausted(again)) == 1
        assert 1800 <= exhausted(again)[0][0] <= 1801


def test_the_last_reader_is_told_by_when():
    found = phone(WAITS, told(*TWO)).go(until_s=1000)
    assert words(found.state, "call", 1)["by_us"] == found.state.now_us + QUARTER
    assert words(found.state, "call", 2)["by_us"] == found.state.now_us + QUARTER
    how = told(*TWO, respond_within_us=5 * MINUTE, answer_us=5 * MINUTE)
    found = phone(WAITS, how).go(until_s=1000)
    assert words(found.state, "call", 2)["by_us"] == found.state.now_us + 5 * MINUTE


def test_at_the_console_no_time_is_named_that_nobody_keeps():
    found = phone(WAITS, told(level("ana", "console"))).go()
    assert words(found.state, "call", 1)["by_us"] is None
