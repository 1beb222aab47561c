"""Corners of escalations that a slip of the pen would change: each is seen by somebody."""

from __future__ import annotations

from typing import Any

from engine.core.decide import decide
from engine.core.escalate import conclude_tell
from engine.core.escalation import CONSOLE_ONLY, left
from engine.core.events import Event
from engine.core.judge import BLOCKED_MAX_S, Outcome
from engine.core.state import State
from engine.core.summons import STATUS
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book

TELLS = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
OPEN = f"{TELLS}  - {{wait: 3h, id: rest}}\n"
OWN = "escalation: {policy: default, unresolved_after: 10m}\n"
REST = "steps:\n  - {wait: 1h, id: rest}\n"
ENDS = "steps:\n  - {end: unresolved}\n"
FAILS = "steps:\n  - {check: t.look, id: ask}\non_failure:\n  - {escalate: default, id: call}\n"
CALL = "on_failure/call"
BROKEN = {"ask": Oops()}
ANA = level("ana", "page")
DOWN = Oops("it is down")
KEY = "r:call:1.1.1:ana:page"


def phone(text: str, how: Any, **more: Any) -> Phone:
    return Phone(book(text), how, **more).begin()


def bodies(found: Phone, *types: str) -> list[Any]:
    return [e.body for e in found.events if e.type in types]


# -- who is called at all --------------------------------------------------------------------------


def test_a_rehearsal_calls_nobody_by_itself():
    found = phone(OWN + ENDS, telling(ANA), mode="rehearsal").go()
    assert found.state.finished is not None
    assert found.state.escalations == {}


def test_a_run_that_was_told_nobody_calls_nobody_by_itself():
    found = phone(OWN + ENDS, None).go()
    assert found.state.escalations == {}
    assert found.state.over


def test_a_run_that_is_being_cancelled_is_not_called_for():
    text = f"{OWN}{REST}always:\n  - {{wait: 1h, id: tidy}}\n"
    found = phone(text, telling(ANA)).at(60, "CancelRequested", reason="wrong one").go()
    assert found.state.escalations == {}


def test_a_run_that_is_resolved_in_time_is_not_called_for():
    found = phone(OWN + "steps:\n  - {wait: 1m}\n", telling(ANA)).go()
    assert found.state.escalations == {}


def test_why_a_run_is_called_for_has_a_reason_only_where_there_is_one():
    found = phone(OWN + ENDS, telling(ANA)).go()
    assert bodies(found, "EscalationStarted") == [
        {
            "escalation": "run",
            "policy": "default",
            "message": "main: it ended unresolved",
            "why": "it ended unresolved",
        }
    ]
    found = phone(OWN + ENDS.replace("}", ", because: no luck}"), telling(ANA)).go()
    assert found.last("EscalationStarted")["why"] == "it ended unresolved: no luck"
    assert phone(OWN + REST, telling(ANA)).go(until_s=700).last("EscalationStarted")["why"] == (
        "it is not resolved after 10m"
    )


def test_a_step_that_told_others_does_not_stand_for_the_run_s_own():
    how = telling(ANA)
    how["policies"]["other"] = {"levels": [level("bo", "page")]}
    text = f"{OWN}{TELLS.replace('default', 'other')}  - {{end: unresolved}}\n"
    assert [who for _, who, _ in phone(text, how).go().pages] == ["bo", "ana"]
    text = f"{OWN}{TELLS}  - {{end: unresolved}}\n"
    assert [who for _, who, _ in phone(text, how).go().pages] == ["ana"]


def test_a_question_does_not_stand_for_the_run_s_own():
    asks = "steps:\n  - {id: ok, check: t.confirm, with: {question: Is it green?}}\n"
    text = f"{OWN.replace('default', 'questions')}{asks}"
    how = telling(ANA) | {"questions": {"by": ["chat"], "after_us": 0}}
    how["policies"]["questions"] = {"levels": [level("bo", "page")]}
    found = phone(text, how).at(60, "Answered", path="ok", answer="no", note="").go()
    assert [who for _, who, _ in found.pages] == ["bo"]


# -- levels and their end --------------------------------------------------------------------------

UNTIL_END = {"until_end": True}


def test_levels_nobody_needs_leave_no_trace_though_it_stays_open_until_the_end():
    two = telling(ANA, level("bo", "page", 900)) | UNTIL_END
    found = phone(OPEN, two).acked(60, "call").go()
    assert found.types().count("LevelDue") == 1
    again = telling(level("ana", "page", every_us=5 * MINUTE, times=9)) | UNTIL_END
    found = phone(OPEN, again).acked(60, "call").go()
    assert found.types().count("LevelDue") == 1
    assert found.last("EscalationClosed")["why"] == "bo took it"


def test_a_level_that_is_due_although_it_was_taken_is_due_while_it_waits_to_begin_anew():
    boss = level("boss", "mail", 3600, unless="resolved")
    found = phone(OPEN, telling(ANA, boss, reopen_us=120 * MINUTE)).acked(60, "call")
    assert found.go(until_s=7000).pages == [(0, "ana", "page"), (3600, "boss", "mail")]


def test_what_begins_anew_begins_with_its_first_level():
    boss = level("boss", "mail", 3600, unless="resolved")
    found = phone(OPEN, telling(ANA, boss, reopen_us=60 * MINUTE)).acked(0, "call")
    found.go(until_s=3700)
    assert [who for at, who, _ in found.pages if at == 3600] == ["ana"]


def test_how_a_run_stands_is_not_told_behind_its_end_and_is_never_exhausted():
    how = telling(ANA, level("bo", "page", 3600))
    how["status"] = {"every_us": 15 * MINUTE, "by": ["room"]}
    found = phone(FAILS, how, script=BROKEN).go()
    assert "status" not in [kind for _, kind, _, _ in found.sent]
    closed = {b["escalation"]: b["why"] for b in bodies(found, "EscalationClosed")}
    assert closed == {STATUS: "the run is over", CALL: "no level is left"}
    assert [b["escalation"] for b in bodies(found, "EscalationExhausted")] == [CALL]


# -- what is written down of a message -------------------------------------------------------------


def test_what_is_written_down_of_a_message_that_fails_is_tried_again_and_arrives():
    found = phone(TELLS, telling(ANA), channels={"page": [DOWN, True]}).go()
    known = {"escalation": "call", "summons": "1.1.1:ana", "key": KEY}
    begins = known | {"kind": "page", "who": "ana", "name": "Ana", "channel": "page"}
    fails = known | {"attempt": 1, "why": "it is down", "doubt": False, "dropped": False}
    assert bodies(found, "TellStarted")[:2] == [begins | {"attempt": 1}, begins | {"attempt": 2}]
    assert bodies(found, "TellFailed") == [
        fails
        | {"next_us": START + SECOND // 10 + 2 * SECOND + SECOND // 2}
        | {"random": 0.5, "elapsed_ms": 1.0}
    ]
    receipt = {"follows": True, "edits": False}
    arrives = known | {"attempt": 2, "elapsed_ms": 1.0, "receipt": receipt}
    assert bodies(found, "Told")[0] == arrives


def test_what_is_written_down_of_a_message_that_was_cut_short():
    text, how = TELLS, telling(level("ana", "mail"))
    died = phone(text, how, channels={"mail": [HANG]}).go(until_s=5)
    assert decide(died.state).in_flight == 1
    found = Phone(book(text), how).take_up(died.events, START + 9 * SECOND).go()
    assert bodies(found, "TellFailed") == [
        {
            "escalation": "call",
            "summons": "1.1.1:ana",
            "key": "r:call:1.1.1:ana:mail",
            "attempt": 1,
            "why": "the engine was cut short while this was sent: it may or may not have gone out",
            "doubt": True,
            "dropped": False,
            "next_us": None,
            "random": 0.0,
            "elapsed_ms": 0.0,
        }
    ]


def test_two_messages_under_way_are_two_things_to_wait_for():
    found = phone(TELLS, telling(level("ana bo", "page")), channels={"page": [HANG]}).go(until_s=5)
    assert decide(found.state).in_flight == 2


def test_a_level_says_exactly_whom_it_calls():
    found = phone(TELLS, telling(level("ana bo", "page sms"))).go()
    due = dict(found.last("LevelDue"))
    assert (due.pop("recipients"), due.pop("words")) != ((), {})
    assert due == {
        "escalation": "call",
        "level": 1,
        "round": 1,
        "due_us": START,
        "who": ["ana", "bo"],
        "by": ["page", "sms"],
        "skipped": False,
    }


def test_a_channel_that_gives_no_receipt_is_told_all_the_same():
    found = phone(TELLS, telling(ANA), channels={"page": [HANG]}).go(until_s=0)
    record = conclude_tell(found.state, "call", "1.1.1:ana", Outcome(None, None, 2.0), START)
    assert (record.type, record.body["receipt"], record.body["elapsed_ms"]) == ("Told", {}, 2.0)


def test_what_follows_is_not_held_up_by_what_is_on_its_way_to_others():
    how = telling(level("ana", "chat"), level("bo", "page", 60))
    found = phone(OPEN, how, channels={"page": [HANG]}).acked(90, "call").go()
    assert ("acknowledged", "ana") in [(kind, who) for _, kind, who, _ in found.sent]


def test_a_page_is_not_held_up_by_another_one_to_the_same_place():
    how = telling(ANA, level("ana", "page", 60))
    found = phone(OPEN, how, channels={"page": [HANG]}).go()
    assert [at for at, _, _ in found.pages] == [0, 60]


def wait_of(detail: Any, attempt: int = 1) -> float:
    """Seconds until the same and only channel is tried again."""
    found = phone(TELLS, telling(ANA), channels={"page": [HANG]}).go(until_s=0)
    found.state.escalations["call"].summons["1.1.1:ana"].attempt = attempt
    error = {**Oops("it is down").outcome().error, "detail": detail}
    record = conclude_tell(found.state, "call", "1.1.1:ana", Outcome(None, error, 1.0), START)
    return (record.body["next_us"] - START) / SECOND


def test_a_channel_that_says_nothing_it_means_is_tried_after_the_usual_time():
    assert [wait_of(one) for one in ({}, None, {"blocked_for_s": "soon"})] == [2, 2, 2]
    assert [wait_of({"blocked_for_s": s}) for s in (0, -5, 0.5, 1, 3)] == [2, 2, 2, 2, 3]
    assert wait_of({"blocked_for_s": 1e9}) == BLOCKED_MAX_S


def test_a_time_to_try_again_is_a_whole_number_of_microseconds():
    found = phone(TELLS, telling(ANA), channels={"page": [DOWN, True]}).go()
    assert isinstance(found.last("TellFailed")["next_us"], int)


def test_a_preview_says_whom_a_run_would_tell():
    found = phone(TELLS, telling(ANA, level("bo", "sms", 90)), mode="rehearsal").go()
    (body,) = bodies(found, "StepFinished")
    first = {"at_s": 0.0, "who": ["ana"], "by": ["page"], "unless": "acknowledged"}
    second = {"at_s": 90.0, "who": ["bo"], "by": ["sms"], "unless": "acknowledged"}
    assert body["outcome"]["result"] == {
        "policy": "default",
        "message": "Redis is full",
        "levels": [first, second],
    }


def test_a_policy_nobody_knows_is_told_at_the_console_at_once_until_somebody_takes_it():
    found = phone(TELLS.replace("default", "nightly"), telling(ANA)).go()
    assert found.pages == [(0, "console", "console")]
    assert found.state.escalations["call"].levels[0] == CONSOLE_ONLY["levels"][0]
    assert CONSOLE_ONLY["levels"] == [level("console", "console")]


def test_a_run_that_called_for_itself_behind_its_end_is_over_once_nobody_is_left():
    assert phone(OWN + ENDS, telling(ANA)).go().state.over


# -- how a run stands ------------------------------------------------------------------------------

ROOM = {"status": {"every_us": 15 * MINUTE, "by": ["room"]}}


def test_how_a_run_stands_is_told_every_so_often_and_how_it_ended_once():
    found = phone("steps:\n  - {wait: 50m}\n", telling(ANA) | ROOM).go()
    assert [(at, kind, who, by) for at, kind, who, by in found.sent] == [
        (900, "status", "room", "room"),
        (1800, "status", "room", "room"),
        (2700, "status", "room", "room"),
        (3000, "resolved", "room", "room"),
    ]
    assert found.last("EscalationClosed") == {"escalation": STATUS, "why": "the run is over"}


def test_a_rehearsal_does_not_tell_how_it_stands():
    found = phone("steps:\n  - {wait: 50m}\n", telling(ANA) | ROOM, mode="rehearsal").go()
    assert found.state.escalations == {}


def test_how_it_stood_is_not_told_once_it_is_told_how_it_stands():
    text, slow = "steps:\n  - {wait: 210s}\n", {"room": [*[DOWN] * 5, True]}
    often = telling(ANA) | {"status": {"every_us": MINUTE, "by": ["room"]}}

    def told(how: Any) -> list[int]:
        found = phone(text, how, channels=slow).go()
        return [at for at, kind, _, _ in found.sent if kind == "status"]

    assert told(often | UNTIL_END) == [60, 62, 70, 92, 120, 122, 180]
    assert told(often) == [60, 62, 70, 92, 120, 122, 160, 180]  # of an older engine


# -- whom it comes to ------------------------------------------------------------------------------


def test_whoever_was_not_reached_yet_is_tried_on_when_the_next_level_is_due():
    how = telling(level("ana", "sms"), level("bo", "page", 60)) | UNTIL_END
    found = phone(OPEN, how, channels={"sms": [*[DOWN] * 5, True]}).go()
    assert [at for at, who, _ in found.pages if who == "ana"][-1] > 60
    assert {s.status for s in found.state.escalations["call"].calls} == {"told"}


def test_whoever_has_no_channel_at_all_cannot_be_told():
    found = phone(TELLS, telling(level("ana", ""), level("bo", "page", 900))).go()
    assert found.pages == [(0, "bo", "page")]


def test_two_channels_in_doubt_are_two_doubts():
    lost = [Oops("no answer", maybe_done=True, retryable=False)]
    found = phone(
        TELLS, telling(level("ana", "sms mail")), channels={"sms": lost, "mail": lost}
    ).go()
    exhausted = found.last("EscalationExhausted")
    assert (exhausted["told"], exhausted["failed"], exhausted["doubts"]) == (0, 1, 2)


def test_a_page_that_fails_once_it_was_taken_is_dropped_and_nothing_is_left_open():
    found = phone(OPEN, telling(level("ana", "sms mail")), channels={"sms": [DOWN]})
    found.acked(0.05, "call").go()
    failed = found.last("TellFailed")
    assert (failed["dropped"], failed["next_us"], failed["why"]) == (True, None, "it is down")
    assert found.last("EscalationClosed")["why"] == "bo took it"
    assert [by for _, _, by in found.pages] == ["sms"]


def test_a_page_of_an_older_run_that_was_on_its_way_when_it_ended_is_the_last():
    text = "steps:\n  - {escalate: default, id: call}\n"
    found = phone(text, telling(ANA), again=frozenset())
    found.go(until_s=0)
    found.put("CancelRequested", {"reason": "wrong one"})
    assert [kind for _, kind, _, _ in found.go().sent] == ["page"]


UNDO = """
steps:
  - id: hit
    action: t.act
    undo: [{escalate: default, id: back}]
"""


def test_who_is_called_by_an_undo_does_not_hear_how_the_run_ended_before():
    found = phone(UNDO, telling(ANA) | UNTIL_END).at(60, "UndoRequested", reason="bad").go()
    assert [(kind, who) for _, kind, who, _ in found.sent] == [("page", "ana")]
    assert found.last("EscalationExhausted")["told"] == 1


def test_who_takes_what_an_undo_called_for_is_told_so():
    found = phone(UNDO, telling(ANA, level("bo", "page", 900)) | UNTIL_END)
    found.at(60, "UndoRequested", reason="bad").go(until_s=61)
    key = next(iter(found.state.escalations))
    found.acked(70, key).go()
    assert [kind for _, kind, _, _ in found.sent] == ["page", "acknowledged"]
    assert found.last("EscalationClosed")["why"] == "bo took it"


# -- who takes it ----------------------------------------------------------------------------------


def test_whoever_took_it_first_has_it():
    found = phone(OPEN, telling(ANA) | UNTIL_END).acked(60, "call").acked(120, "call").go()
    said = found.state.escalations["call"].acknowledged
    assert said == {"by": "bo", "note": "on it", "at_us": START + MINUTE}
    assert [kind for _, kind, _, _ in found.sent] == ["page", "acknowledged", "resolved"]


def test_a_step_that_waits_finds_who_took_it_and_what_they_said():
    text = TELLS.replace("message", "wait: acknowledged, message")
    found = phone(text, telling(ANA)).acked(60, "call").go()
    result = found.last("StepFinished")["outcome"]["result"]
    assert result == {"answer": "acknowledged", "by": "bo", "note": "on it"}


def test_whoever_takes_it_need_not_say_anything():
    late = telling(ANA, answer_us=MINUTE)
    for at_s in (30, 300):
        found = phone(FAILS, late, script=BROKEN)
        found.at(at_s, "Acknowledged", escalations=[CALL], note=None).go()
        assert found.state.escalations[CALL].acknowledged["note"] == ""


def test_what_nobody_was_told_of_can_be_taken_by_nobody():
    refuses = [Oops("no such number", retryable=False)]
    found = phone(FAILS, telling(ANA), script=BROKEN, channels={"page": refuses}).go()
    assert found.state.over
    assert left(found.state) == []


def test_what_begins_anew_has_keys_of_its_own():
    found = phone(OPEN, telling(ANA, reopen_us=60 * MINUTE)).acked(60, "call").go(until_s=4000)
    pages = [
        key for key, (_, kind, _, _) in zip(found.keys, found.sent, strict=True) if kind == "page"
    ]
    assert pages == [KEY, KEY.replace("1.1.1", "2.1.1")]


def test_a_place_that_heard_how_a_run_stood_hears_how_it_failed():
    text = "steps:\n  - {wait: 20m}\n  - {check: t.look, id: ask}\n"
    found = phone(text, telling(ANA) | ROOM, script=BROKEN).go()
    assert [(kind, who) for _, kind, who, _ in found.sent] == [
        ("status", "room"),
        ("resolved", "room"),
    ]
    assert found.told[-1]["outcome"] == "failed"


def test_an_event_of_the_journal_says_what_its_draft_said():
    """Also of people who took it, in time and late."""
    how = telling(ANA, answer_us=MINUTE)
    for at_s in (30, 300):
        found = phone(FAILS, how, script=BROKEN).acked(at_s, CALL).go()
        recorded = [
            Event("r", seq, e.at_us, e.type, 1, e.actor.to_json(), e.body, "")
            for seq, e in enumerate(found.events, 1)
        ]
        again = State.of("r", found.runbook, recorded)
        assert again.escalations == found.state.escalations
        assert again.escalations[CALL].acknowledged["by"] == "bo"


# -- what follows ----------------------------------------------------------------------------------


def test_what_follows_goes_to_each_place_once_and_by_the_channel_that_reached_it():
    """One of two is reached by their second channel; a third place takes nothing in."""
    how = telling(level("ana bo", "chat page"), level("eve", "mail", 60)) | UNTIL_END
    found = phone(OPEN, how, channels={"chat": [True, Oops("gone", retryable=False), True]})
    found.acked(90, "call").go()
    follows = [(kind, who, by) for _, kind, who, by in found.sent if kind != "page"]
    assert follows == [
        ("acknowledged", "bo", "page"),
        ("acknowledged", "ana", "chat"),
        ("resolved", "bo", "page"),
        ("resolved", "ana", "chat"),
    ]


def test_who_was_told_by_two_levels_hears_it_of_each_as_of_two_incidents():
    two = telling(ANA, level("ana", "page", 60))
    told = [kind for _, kind, _, _ in phone(OPEN, two | UNTIL_END).acked(90, "call").go().sent]
    assert told == ["page", "page", *["acknowledged"] * 2, *["resolved"] * 2]
    older = [kind for _, kind, _, _ in phone(OPEN, two).acked(90, "call").go().sent]
    assert older == ["page", "page", "acknowledged"]


def test_who_was_told_in_the_morning_hears_at_once_that_it_was_taken():
    later = {"ana": START + 60 * MINUTE}
    found = phone(OPEN, telling(ANA) | UNTIL_END, later=later).acked(3700, "call").go()
    assert [(at, kind) for at, kind, _, _ in found.sent][:2] == [
        (3600, "page"),
        (3700, "acknowledged"),
    ]
    follow = found.state.escalations["call"].summons["1.1.1:ana:acknowledged"]
    assert (follow.recipient, follow.level, follow.round) == (
        {"id": "ana", "name": "Ana", "by": [{"channel": "page", "again": True}]},
        1,
        1,
    )


def test_what_is_not_out_yet_of_that_it_was_taken_gives_way_to_that_it_is_over():
    """Its channel is down from then on: in the end it hears what counts."""
    channels = {"page": [True, *[DOWN] * 4, True]}
    how = telling(ANA) | UNTIL_END
    text = f"{TELLS}  - {{wait: 80s}}\n"
    found = phone(text, how, channels=channels).acked(60, "call").go()
    told = [b["summons"] for b in bodies(found, "Told")]
    assert told == ["1.1.1:ana", "1.1.1:ana:resolved"]
    assert found.state.over


# -- what was cut short ----------------------------------------------------------------------------


def cut_short(text: str, how: Any, channels: Any, acked_s: float, died_s: float) -> Phone:
    """A run whose driver dies, and what the next one does."""
    died = phone(text, how, channels=channels).acked(acked_s, "call").go(until_s=died_s)
    found = Phone(book(text), how).take_up(died.events, START + 900 * SECOND)
    return found.go(until_s=1000)


def test_that_somebody_took_it_is_told_again_where_it_was_cut_short():
    found = cut_short(OPEN, telling(ANA) | UNTIL_END, {"page": [True, HANG]}, 60, 70)
    assert [(at, kind) for at, kind, _, _ in found.sent] == [(900, "acknowledged")]


def test_a_page_that_was_cut_short_is_wanted_as_its_own_level_says():
    boss = level("boss", "page", 60, unless="resolved")
    found = cut_short(OPEN, telling(ANA, boss), {"page": [True, HANG]}, 70, 80)
    assert ("page", "boss") in [(kind, who) for _, kind, who, _ in found.sent]
    other = telling(level("ana", "page", unless="resolved"), level("bo", "page", 60))
    found = cut_short(OPEN, other, {"page": [True, HANG]}, 70, 80)
    assert ("page", "bo") not in [(kind, who) for _, kind, who, _ in found.sent]
