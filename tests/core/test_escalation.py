"""Who is told when: levels, channels that fail, acknowledgements, crashes, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.decide import decide, open_questions
from engine.core.words import words
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import ALICE, HANG, SECOND, Oops, book

TELLS = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
WAITS = TELLS.replace("message", "wait: acknowledged, message")
FAILS = "steps:\n  - {check: t.look, id: ask}\non_failure:\n  - {escalate: default, id: call}\n"
OWN = "escalation: {policy: default, unresolved_after: 10m}\nsteps:\n  - {wait: 1h, id: rest}\n"
CALL = "on_failure/call"
BROKEN = {"ask": Oops()}

THREE = telling(
    level("ana", "page"), level("bo", "page sms", 900), level("chris dora", "page", 1800)
)
DOWN = [Oops("it is down")]
LOST = [Oops("no answer", maybe_done=True)]


def phone(text: str, how: Any = THREE, **more: Any) -> Phone:
    return Phone(book(text), how, **more).begin()


def paged(found: Phone) -> set[str]:
    """The keys of pages."""
    kinds = [kind for _, kind, _, _ in found.sent]
    return {key for key, kind in zip(found.keys, kinds, strict=True) if kind == "page"}


def test_nobody_acts_and_every_level_is_told_in_its_time():
    found = phone(WAITS).go()
    assert found.pages == [
        (0, "ana", "page"),
        (900, "bo", "page"),
        (2700, "chris", "page"),
        (2700, "dora", "page"),
    ]
    assert (
        found.last("EscalationExhausted")["why"]
        == "nobody has taken it so far, and no level is left"
    )
    assert [q.kind for q in open_questions(found.state)] == ["acknowledge"]
    assert found.state.finished is None


@pytest.mark.parametrize(("at_s", "told"), [(60, 1), (1000, 2), (2800, 4)])
def test_once_somebody_acts_no_further_level_is_told(at_s: int, told: int):
    found = phone(WAITS).acked(at_s, "call").go()
    assert len(found.pages) == told
    assert found.state.finished["outcome"] == "resolved"
    step = found.state.steps["call"]
    assert step.answer["by"] == "bo"
    assert found.last("EscalationClosed")["why"] == "bo took it"


def test_an_acknowledgement_in_the_same_second_as_the_next_level_counts_if_it_came_first():
    found = phone(WAITS).acked(900, "call").go()
    assert found.pages == [(0, "ana", "page")]
    late = phone(WAITS).go(until_s=900)
    late.acked(900, "call").go()
    assert late.pages == [(0, "ana", "page"), (900, "bo", "page")]


def test_an_answer_to_the_question_of_the_step_is_an_acknowledgement():
    found = phone(WAITS).at(60, "Answered", path="call", answer="acknowledged", note="").go()
    assert found.pages == [(0, "ana", "page")]
    assert found.state.escalations["call"].acknowledged["by"] == "bo"


def test_a_channel_that_is_down_is_tried_twice_and_then_the_next_is_taken():
    found = phone(TELLS, telling(level("ana", "page sms mail")), channels={"page": DOWN}).go()
    assert [by for _, _, by in found.pages] == ["page", "page", "sms"]


def test_with_two_channels_down_the_third_is_taken():
    down = {"page": DOWN, "sms": DOWN}
    found = phone(TELLS, telling(level("ana", "page sms mail")), channels=down).go()
    assert [by for _, _, by in found.pages] == ["page", "page", "sms", "sms", "mail"]
    assert found.state.steps["call"].status == "passed"


def test_the_last_channel_is_tried_for_a_quarter_of_an_hour():
    found = phone(TELLS, telling(level("ana", "page")), channels={"page": [*DOWN * 7, True]}).go()
    assert len(found.pages) == 8
    assert 600 < found.pages[-1][0] < 1200
    assert len(paged(found)) == 1
    assert found.state.steps["call"].status == "passed"


def test_a_channel_that_refuses_for_good_is_not_tried_again():
    refuses = {"page": [Oops("no such key", retryable=False)]}
    found = phone(TELLS, telling(level("ana", "page sms")), channels=refuses).go()
    assert [by for _, _, by in found.pages] == ["page", "sms"]


def test_a_channel_that_says_when_is_waited_for_if_that_is_soon_or_there_is_no_other():
    def busy(seconds: float) -> dict[str, Any]:
        return {"page": [Oops("429", detail={"blocked_for_s": seconds}), True]}

    both, one = telling(level("ana", "page sms")), telling(level("ana", "page"))
    assert [p[::2] for p in phone(TELLS, both, channels=busy(10)).go().pages] == [
        (0, "page"),
        (10, "page"),
    ]
    assert [p[::2] for p in phone(TELLS, both, channels=busy(90)).go().pages] == [
        (0, "page"),
        (0, "sms"),
    ]
    assert [p[::2] for p in phone(TELLS, one, channels=busy(90)).go().pages] == [
        (0, "page"),
        (90, "page"),
    ]


def test_where_nobody_of_a_level_can_be_told_the_next_is_told_at_once():
    refuses = [Oops("no such number", retryable=False)]
    how = telling(level("ana", "sms"), level("bo", "page", 900))
    found = phone(TELLS, how, channels={"sms": refuses}).go()
    assert found.pages == [(0, "ana", "sms"), (0, "bo", "page")]
    assert found.state.steps["call"].status == "passed"


def test_where_nobody_at_all_can_be_told_the_step_is_errored_and_the_record_says_so_loudly():
    refuses = [Oops("no such number", retryable=False)]
    how = telling(level("ana", "sms"), level("nobody", "page", 900))
    found = phone(TELLS, how, channels={"sms": refuses}).go()
    assert found.state.steps["call"].status == "errored"
    assert found.last("EscalationExhausted") == {
        "escalation": "call",
        "told": 0,
        "failed": 1,
        "doubts": 0,
        "why": "nobody could be told, and no level is left",
    }


def test_a_message_in_doubt_is_not_repeated_by_that_channel_and_the_next_is_taken():
    found = phone(TELLS, telling(level("ana", "sms mail")), channels={"sms": LOST}).go()
    assert [by for _, _, by in found.pages] == ["sms", "mail"]
    assert found.last("TellFailed")["doubt"] is True


def test_a_message_in_doubt_is_repeated_with_its_key_where_the_channel_knows_it():
    found = phone(TELLS, telling(level("ana", "page sms")), channels={"page": [*LOST, True]}).go()
    assert [by for _, _, by in found.pages] == ["page", "page"]
    assert len(paged(found)) == 1


def test_a_message_whose_fate_stays_unknown_is_in_doubt_when_its_channel_is_given_up():
    lost = [*LOST, *LOST]
    found = phone(TELLS, telling(level("ana", "page mail")), channels={"page": lost}).go()
    assert [by for _, _, by in found.pages] == ["page", "page", "mail"]
    failed = [e.body for e in found.events if e.type == "TellFailed"]
    assert [(body["attempt"], body["doubt"]) for body in failed] == [(1, False), (2, True)]


def test_levels_go_on_behind_the_end_of_a_run_that_was_not_resolved():
    found = phone(FAILS, script=BROKEN).acked(1000, CALL).go()
    assert [who for _, who, _ in found.pages] == ["ana", "bo"]
    assert found.state.finished["outcome"] == "failed"
    assert found.state.over
    assert "RunFinished" in found.types()[: found.types().index("Acknowledged")]


def test_a_run_that_is_resolved_calls_nobody_any_more_and_says_so_where_it_had_called():
    text = TELLS + "  - {wait: 5m, id: rest}\n"
    found = phone(text).go()
    assert found.state.finished["outcome"] == "resolved"
    assert found.pages == [(0, "ana", "page")]
    assert [(kind, who) for _, kind, who, _ in found.sent] == [("page", "ana"), ("resolved", "ana")]
    assert found.state.over


def test_who_was_called_last_takes_it_as_long_as_the_run_is_open():
    found = phone(f"{TELLS}  - {{wait: 2h, id: rest}}\n").acked(3000, "call").go()
    assert found.state.escalations["call"].acknowledged["by"] == "bo"
    assert found.last("EscalationClosed")["why"] == "bo took it"


def test_who_was_called_last_takes_it_although_the_run_is_over():
    found = phone(FAILS, script=BROKEN).acked(3000, CALL).acked(3100, CALL).go()
    one = found.state.escalations[CALL]
    assert (one.closed, one.exhausted) == ("no level is left", True)
    assert one.acknowledged == {"by": "bo", "note": "on it", "at_us": START + 3000 * 1_000_000}
    assert found.state.over
    assert "acknowledged" not in [kind for _, kind, _, _ in found.sent]


def test_what_is_closed_because_it_was_resolved_or_taken_is_taken_by_nobody_else():
    found = phone(WAITS).acked(60, "call").acked(7200, "call").go()
    assert found.state.escalations["call"].acknowledged["at_us"] == START + MINUTE
    found = phone(f"{TELLS}  - {{wait: 5m, id: rest}}\n").acked(7200, "call").go()
    assert found.state.escalations["call"].acknowledged is None


def test_where_nobody_took_it_all_who_were_called_hear_that_it_is_resolved():
    found = phone(f"{TELLS}  - {{wait: 2h, id: rest}}\n").go()
    assert "EscalationExhausted" in found.types()
    assert [(kind, who) for at, kind, who, _ in found.sent if at == 7200] == [
        ("resolved", "dora"),
        ("resolved", "chris"),
        ("resolved", "bo"),
        ("resolved", "ana"),
    ]
    assert found.state.over


def test_a_policy_of_one_level_can_be_taken_as_long_as_the_run_is_open_and_hears_of_its_end():
    text = f"{TELLS}  - {{wait: 2h, id: rest}}\n"
    how = {**telling(level("ana", "page")), "until_end": True}
    found = phone(text, how).acked(60, "call").go()
    assert [kind for _, kind, _, _ in found.sent] == ["page", "acknowledged", "resolved"]
    assert found.last("EscalationClosed")["why"] == "bo took it"


def test_a_cancelled_run_calls_nobody_any_more():
    found = phone(WAITS).at(60, "CancelRequested", reason="wrong one").go()
    assert found.pages == [(0, "ana", "page")]
    assert found.state.over


def test_where_it_was_paged_the_acknowledgement_is_told():
    found = phone(WAITS).acked(1000, "call").go()
    kinds = [(kind, who) for _, kind, who, _ in found.sent]
    assert kinds[:2] == [("page", "ana"), ("page", "bo")]
    assert {kind for kind, _ in kinds[2:]} <= {"acknowledged", "resolved"}
    assert kinds[-1][0] == "resolved"
    assert {who for _, who in kinds[2:]} == {"ana", "bo"}


UNTIL_END = {**THREE, "until_end": True}


def test_where_it_was_paged_the_end_of_the_run_is_told_though_somebody_took_it_long_ago():
    text = WAITS + "  - {wait: 1h, id: rest}\n"
    found = phone(text, UNTIL_END).acked(60, "call").go()
    assert [(at_s, kind) for at_s, kind, _, _ in found.sent] == [
        (0, "page"),
        (60, "acknowledged"),
        (3660, "resolved"),
    ]
    assert found.last("EscalationClosed")["why"] == "bo took it"
    assert found.state.over


def test_a_run_that_fails_after_somebody_took_it_tells_nobody_that_it_is_over():
    text = TELLS + "  - {check: t.look, id: ask}\n"
    found = phone(text, UNTIL_END, script=BROKEN).acked(0.05, "call").go()
    assert [kind for _, kind, _, _ in found.sent] == ["page", "acknowledged"]
    assert found.state.over


def test_a_page_that_was_on_its_way_when_the_run_ended_is_told_the_end_too():
    text = "steps:\n  - {escalate: default, id: call}\n"
    found = phone(text, UNTIL_END, again=frozenset())
    found.go(until_s=0)
    found.put("CancelRequested", {"reason": "wrong one"}, ALICE)
    assert [kind for _, kind, _, _ in found.go().sent] == ["page", "resolved"]
    assert found.state.over


def test_what_follows_says_who_took_it_and_how_the_run_ended():
    text = "steps:\n  - {escalate: default, id: call, message: full, wait: acknowledged}\n"
    text += "  - {wait: 1h, id: rest}\n  - {end: resolved, because: there is room}\n"
    found = phone(text, UNTIL_END).acked(60, "call").go()
    page, taken, over = found.told
    assert (page.get("taken_by"), page.get("outcome")) == (None, None)
    assert (taken["taken_by"], taken["note"], taken["taken_us"]) == ("bo", "on it", START + MINUTE)
    assert (over["taken_by"], over["outcome"]) == ("bo", "resolved")
    assert (over["because"], over["after"]) == ("there is room", "1h1m")


def test_a_level_unless_resolved_is_told_although_somebody_took_it():
    how = telling(level("ana", "page"), level("boss", "mail", 900, unless="resolved"))
    text = TELLS + "  - {wait: 1h, id: rest}\n"
    found = phone(text, how).acked(60, "call").go()
    assert found.pages == [(0, "ana", "page"), (900, "boss", "mail")]


def test_a_level_behind_one_that_nobody_needs_any_more_keeps_its_time():
    last = level("boss", "mail", 600, unless="resolved")
    how = telling(level("ana", "page"), level("bo", "page", 600), last)
    text = TELLS + "  - {wait: 1h, id: rest}\n"
    found = phone(text, how).acked(60, "call").go()
    assert found.pages == [(0, "ana", "page"), (1200, "boss", "mail")]


def test_a_level_is_told_again_as_often_as_it_says_until_somebody_takes_it():
    again = {"every_us": 5 * MINUTE, "times": 3}
    how = telling(level("ana", "page", **again))
    assert [at for at, _, _ in phone(WAITS, how).go().pages] == [0, 300, 600, 900]
    found = phone(WAITS, how).acked(450, "call").go()
    assert [at for at, _, _ in found.pages] == [0, 300]
    assert len(set(found.keys)) == len(found.keys)


def test_what_was_due_while_nobody_drove_the_run_is_told_at_once_and_once():
    again = {"every_us": 5 * MINUTE, "times": 50}
    how = telling(level("ana", "page", **again), level("bo", "page", 900))
    events = phone(WAITS, how).go(until_s=60).events
    found = Phone(book(WAITS), how).take_up(events, START + 120 * MINUTE).go(until_s=7200)
    assert found.pages == [(7200, "bo", "page"), (7200, "ana", "page")]


def test_what_is_not_critical_waits_for_the_morning_and_the_run_does_not():
    later = {"ana": START + 480 * MINUTE}
    found = phone(FAILS, telling(level("ana", "mail")), script=BROKEN, later=later).go()
    assert found.pages == [(480 * 60, "ana", "mail")]
    assert found.state.finished["outcome"] == "failed"
    finished = next(e for e in found.events if e.type == "RunFinished")
    assert finished.at_us < START + MINUTE


def test_an_acknowledged_escalation_begins_anew_if_nothing_is_resolved():
    how = telling(level("ana", "page"), level("bo", "page", 900), reopen_us=60 * MINUTE)
    text = TELLS + "  - {wait: 3h, id: rest}\n"
    found = phone(text, how).acked(60, "call").go(until_s=2.5 * 3600)
    assert found.pages == [(0, "ana", "page"), (3660, "ana", "page"), (4560, "bo", "page")]
    assert len(set(found.keys)) == len(found.keys)
    assert found.last("EscalationReopened")["why"] == "bo took it 1h ago, and it is not resolved"


def test_an_escalation_is_reopened_by_whoever_says_so():
    text = TELLS + "  - {wait: 3h, id: rest}\n"
    found = phone(text).acked(60, "call")
    found.at(30, "EscalationReopened", escalation="call", why="it is back")
    assert found.go(until_s=600).pages[-1] == (30, "ana", "page")


def test_a_run_that_is_not_resolved_in_time_calls_people_by_itself():
    found = phone(OWN).acked(700, "run").go()
    assert found.pages == [(600, "ana", "page")]
    assert found.last("EscalationStarted")["message"] == "main: it is not resolved after 10m"


def test_a_run_that_fails_calls_people_by_its_own_escalation():
    text = "escalation: default\nsteps:\n  - {check: t.look, id: ask}\n"
    found = phone(text, script={"ask": Oops("no route")}).acked(60, "run").go()
    assert [who for _, who, _ in found.pages] == ["ana"]
    assert found.last("EscalationStarted")["why"] == "it ended failed: ask: no route"


def test_a_run_that_told_the_same_people_by_a_step_does_not_call_them_again():
    text = f"escalation: default\n{FAILS}"
    found = phone(text, script=BROKEN).acked(60, CALL).go()
    assert [who for _, who, _ in found.pages] == ["ana"]
    assert "EscalationStarted" not in found.types()


def test_a_run_that_is_resolved_in_time_calls_nobody():
    text = OWN.replace("1h", "5m")
    assert phone(text).go().pages == []


def test_how_an_open_run_stands_is_told_every_so_often_and_how_it_ended():
    how = {**THREE, "status": {"every_us": 15 * MINUTE, "by": ["room"]}}
    found = phone("steps:\n  - {wait: 40m, id: rest}\n", how).go()
    assert found.sent == [
        (900, "status", "room", "room"),
        (1800, "status", "room", "room"),
        (2400, "resolved", "room", "room"),
    ]
    assert found.state.over


def test_how_a_run_stands_that_was_on_its_way_when_the_run_ended_is_followed_by_its_end():
    how = {**UNTIL_END, "status": {"every_us": 15 * MINUTE, "by": ["page"]}}
    found = phone("steps:\n  - {wait: 20m, id: rest}\n", how).go(until_s=900)
    found.put("CancelRequested", {"reason": "wrong one"}, ALICE)
    assert [kind for _, kind, _, _ in found.go().sent] == ["status", "resolved"]


def test_what_follows_and_is_tried_again_is_not_lost_by_a_page_that_arrives_late():
    how = {**telling(level("bo", "page"), level("ana", "page", 60)), "until_end": True}
    broken = {"page": [True, True, Oops("it is down"), True]}
    text = WAITS + "  - {wait: 1h, id: rest}\n"
    found = phone(text, how, channels=broken).acked(60.05, "call").go(until_s=60)
    ((land_us, land),) = found.flying
    found.flying = [(land_us + SECOND, land)]
    taken = [who for _, kind, who, _ in found.go(until_s=600).sent if kind == "acknowledged"]
    assert taken == ["bo", "ana", "bo"]


def test_an_incident_of_each_level_is_taken_and_resolved_though_the_same_people_were_called():
    how = {**telling(level("ana", "page"), level("ana", "page", 60)), "until_end": True}
    found = phone(WAITS + "  - {wait: 1h, id: rest}\n", how).acked(90, "call").go()
    assert [key.split(":", 2)[2] for key in found.keys[2:]] == [
        "1.2.1:ana:acknowledged:page",
        "1.1.1:ana:acknowledged:page",
        "1.2.1:ana:resolved:page",
        "1.1.1:ana:resolved:page",
    ]


def test_how_a_run_stands_says_how_long_it_is_open_who_has_it_and_what_it_is_at():
    how = {**UNTIL_END, "status": {"every_us": 15 * MINUTE, "by": ["room"]}}
    text = "steps:\n  - {escalate: default, id: call, wait: acknowledged}\n"
    found = phone(text + "  - {wait: 1h, id: rest}\n", how).acked(1000, "call").go(until_s=900)
    assert words(found.state, "status", 1)["wrong"] == (
        "Open for 15m, people are called and nobody took it yet\nUnder way: call"
    )
    found.go(until_s=1800)
    said = words(found.state, "status", 1)
    assert (said["title"], said["wrong"]) == ("main", "Open for 30m, bo took it\nUnder way: rest")


def test_how_a_run_stood_is_not_told_any_more_once_it_is_told_how_it_stands_now():
    how = {**UNTIL_END, "status": {"every_us": 2 * SECOND, "by": ["page"]}}
    down = [Oops("it is down", detail={"blocked_for_s": 2.5}), True]
    text = "steps:\n  - {wait: 5s, id: rest}\n"
    assert phone(text, how, channels={"page": down}).go().sent == [
        (2, "status", "page", "page"),
        (4, "status", "page", "page"),
        (5, "resolved", "page", "page"),
    ]


def test_a_run_that_was_over_before_its_first_status_tells_none():
    how = {**THREE, "status": {"every_us": 15 * MINUTE, "by": ["room"]}}
    assert phone("steps:\n  - {wait: 4m, id: rest}\n", how).go().sent == []


def test_a_rehearsal_tells_nobody_and_says_who_would_be_told_when():
    found = phone(WAITS, mode="rehearsal").go()
    assert found.sent == []
    result = found.last("StepFinished")["outcome"]["result"]
    assert [(one["at_s"], one["who"]) for one in result["levels"]] == [
        (0, ["ana"]),
        (900, ["bo"]),
        (2700, ["chris", "dora"]),
    ]


def test_a_policy_that_nobody_knows_is_told_at_the_console():
    found = phone("steps:\n  - {escalate: other, id: call}\n").go()
    assert found.pages == [(0, "console", "console")]


STORIES: dict[str, tuple[str, dict[str, Any], list[float]]] = {
    "nobody acts": (WAITS, {}, []),
    "somebody acts": (WAITS, {}, [1000]),
    "a channel is down": (WAITS, {"channels": {"page": [True, *DOWN]}}, [2000]),
    "a channel is in doubt": (TELLS, {"channels": {"page": LOST}}, []),
    "after the end": (FAILS, {"script": BROKEN}, [1000]),
    "its own": (OWN, {}, [1700]),
}


@pytest.mark.parametrize("name", STORIES)
def test_at_every_crash_point_every_level_is_told_and_none_twice_and_none_that_was_taken(name: str):
    text, more, acks = STORIES[name]
    key = "run" if text is OWN else CALL if text is FAILS else "call"
    whole = phone(text, **more)
    for at_s in acks:
        whole.acked(at_s, key)
    whole.go()
    calls = {e.body["level"] for e in whole.events if e.type == "LevelDue"}
    for length in range(1, len(whole.events)):
        prefix = whole.events[:length]
        found = Phone(book(text), THREE, **more).take_up(prefix, 0)
        if "Acknowledged" not in [e.type for e in prefix]:
            for at_s in acks:
                found.acked(at_s, key)
        found.go()
        assert found.state.over or name == "nobody acts", (length, found.types()[-5:])
        dues = [(e.body["level"], e.body["round"]) for e in found.events if e.type == "LevelDue"]
        assert len(dues) == len(set(dues)), length
        doubts = any(e.type == "TellFailed" and e.body["doubt"] for e in found.events)
        assert {n for n, _ in dues} == calls or (doubts and {n for n, _ in dues} > calls), length
        told = [e.body["key"] for e in found.events if e.type == "Told"]
        assert len(told) == len(set(told)), length
        assert not sent_after_ack(found.events), length


def sent_after_ack(events: list[Any]) -> list[str]:
    """Keys of pages whose sending was announced behind an acknowledgement."""
    types = [e.type for e in events]
    if "Acknowledged" not in types:
        return []
    behind = events[types.index("Acknowledged") :]
    starts = [e.body for e in behind if e.type == "TellStarted"]
    return [body["key"] for body in starts if body["kind"] == "page"]


def test_what_was_being_sent_when_its_driver_died_is_sent_again_only_where_the_key_is_known():
    how = telling(level("ana", "page"), level("bo", "sms mail", 60))
    hangs = {"page": [HANG]}
    events = phone(WAITS, how, channels=hangs).go(until_s=30).events
    found = Phone(book(WAITS), how).take_up(events, 0).go(until_s=30)
    assert found.pages == [(0, "ana", "page")]

    hangs = {"sms": [HANG]}
    events = phone(WAITS, how, channels=hangs).go(until_s=90).events
    found = Phone(book(WAITS), how).take_up(events, 0).go(until_s=90)
    assert [by for _, _, by in found.pages] == ["mail"]
    assert found.last("TellFailed")["doubt"] is True


def test_what_was_cut_short_and_taken_meanwhile_is_not_sent_again():
    found = phone(WAITS, channels={"page": [HANG]}).go(until_s=30)
    events = found.events
    found = Phone(book(WAITS), THREE)
    found.take_up(events, 0)
    found.events.pop()
    again = Phone(book(WAITS), THREE)
    for event in events:
        again.state.apply(event)
    again.now_us = START + MINUTE
    again.put("Acknowledged", {"escalations": ["call"], "note": ""})
    again.put("RunTakenUp", {"driver": "h:1:1", "interrupted": []})
    assert again.go().pages == []
    assert again.last("TellFailed")["dropped"] is True


def test_every_event_of_an_escalation_is_what_would_be_decided_after_the_events_before_it():
    whole = phone(WAITS, channels={"page": [True, *DOWN]}).acked(2000, "call").go()
    state = Phone(book(WAITS), THREE).state
    for event in whole.events:
        if event.type in ("LevelDue", "TellStarted", "EscalationExhausted", "EscalationClosed"):
            decided = [(r.type, r.body) for r in decide(state).record]
            body = {k: v for k, v in event.body.items() if k not in ("recipients", "words")}
            assert (event.type, body) in decided
        state.apply(event)


def test_the_title_of_a_run_is_said_once_where_it_calls_people_by_itself():
    found = phone(OWN).go(until_s=600)
    said = words(found.state, "run", 1)
    assert said["title"] == "main: it is not resolved after 10m"
    assert said["wrong"] == "main: it is not resolved after 10m"


def test_what_is_due_in_the_moment_in_which_a_run_ends_well_is_not_told():
    found = phone(OWN.replace("1h", "10m")).go()
    assert found.sent == []
    behind = found.types()[found.types().index("RunFinished") :]
    assert behind == ["RunFinished", "EscalationClosed"]


def test_how_a_run_stands_is_not_told_behind_its_end():
    how = telling(level("ana", "page")) | {"status": {"every_us": 10 * MINUTE, "by": ["chat"]}}
    found = phone("steps:\n  - {wait: 20m, id: rest}\n", how).go()
    assert [one[:2] for one in found.sent] == [(600, "status"), (1200, "resolved")]
