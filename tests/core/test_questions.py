"""People are told of the questions a run asks them: who, when, again, and what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.decide import decide, open_questions
from engine.core.events import Actor
from engine.core.questions import ended
from engine.core.words import words
from engine.runner.wording import text_of, title_of
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book, once

BOB, CAROL = Actor("bob", "os-user"), Actor("carol", "os-user")

REMIND = {"every_us": 15 * MINUTE, "times": 2}


def told_by(by: str = "page", **more: Any) -> dict[str, Any]:
    """The `telling` of a run whose questions are told of."""
    return {**telling(level("ana", "page")), "questions": {"by": by.split(), **more}}


APPROVE = """
steps:
  - id: free
    title: Free them
    action: t.strike
    approve: {by: [lead], count: 2, reason_min: 5, within: 2h}
  - {id: look, check: t.look}
"""
CONFIRM = "steps:\n  - {id: sure, check: t.confirm, with: {question: Is it green?}}\n"
DO = "steps:\n  - {id: hand, action: t.do, with: {instructions: Turn the key}}\n"
DOUBT = "who: [on-call]\nsteps:\n  - {id: hit, action: t.act}\n"
ACT = "steps:\n  - {id: act, action: t.act}\n"
LOOK = "steps:\n  - {id: look, check: t.look}\n"
WAIT = "steps:\n  - {id: rest, wait: 1m}\n"
APPROVED_BY_HAND = DO.replace("t.do,", "t.do, approve: {by: [lead], within: 2h},")
PREVIEW = {"preview": {"text": "would act", "affected": 1}}
LOST = {"hit": Oops("no answer", maybe_done=True)}


def phone(text: str, how: Any = None, **more: Any) -> Phone:
    runbook = once(book(text)) if text is DOUBT else book(text)
    return Phone(runbook, how or told_by(), **more).begin()


def say(found: Phone, at_s: float, type_: str, actor: Actor = BOB, **body: Any) -> Phone:
    """Somebody says something of the question at that time: an approval has its present hash."""

    def speak() -> None:
        more = body
        if type_ in ("Approved", "Denied"):
            step = found.state.steps[body["path"]]
            more = {"hash": step.hash, "reason": "looked at it", "roles": ["lead"], **body}
        found.put(type_, more, actor)

    found.words.setdefault(START + round(at_s * SECOND), []).append(speak)
    return found


def approved(found: Phone, at_s: float, *actors: Actor) -> Phone:
    for number, actor in enumerate(actors):
        say(found, at_s + number, "Approved", actor, path="free")
    return found


def sent(found: Phone) -> list[tuple[int, str, str]]:
    """Seconds, kind, to whom."""
    return [(at_s, kind, who) for at_s, kind, who, _ in found.sent]


ASKS = {
    "approve": (APPROVE, {}, "ask:free#1", ["lead"]),
    "confirm": ("who: [ops]\n" + CONFIRM, {}, "ask:sure#1", ["ops"]),
    "do": (DO, {}, "ask:hand#1", []),
    "doubt": (DOUBT, {"script": LOST}, "ask:hit#1", ["on-call"]),
}


@pytest.mark.parametrize("kind", ASKS)
def test_whoever_may_answer_is_told_of_a_question_once_it_is_asked(kind: str):
    text, more, key, who = ASKS[kind]
    found = phone(text, **more).go(until_s=60)
    started = found.last("EscalationStarted")
    assert (started["escalation"], started["question"]["kind"]) == (key, kind)
    assert found.last("LevelDue")["who"] == who
    assert [what for _, what, _ in sent(found)] == ["question"] * len(who)


def test_without_the_key_nobody_is_told_as_before():
    found = phone(APPROVE, telling(level("ana", "page"))).go(until_s=60)
    assert found.types() == ["RunStarted", "ApprovalRequested"]
    assert found.sent == []


def test_a_question_that_calls_people_by_itself_is_no_second_one():
    found = phone("steps:\n  - {escalate: default, id: call, wait: acknowledged}\n").go(until_s=60)
    assert [kind for _, kind, _ in sent(found)] == ["page"]
    assert "EscalationStarted" not in found.types()


def test_a_question_is_told_again_as_often_as_the_contacts_say_and_no_more():
    found = phone(CONFIRM.replace("steps", "who: [ops]\nsteps"), told_by(**REMIND)).go()
    assert sent(found) == [
        (0, "question", "ops"),
        (900, "question", "ops"),
        (1800, "question", "ops"),
    ]
    assert "EscalationExhausted" not in found.types()
    assert [q.kind for q in open_questions(found.state)] == ["confirm"]
    assert decide(found.state).wake_us is None


def test_a_question_may_be_told_later_and_is_not_if_it_was_answered_by_then():
    text = "who: [ops]\n" + CONFIRM
    assert sent(phone(text, told_by(after_us=2 * MINUTE)).go(until_s=600)) == [
        (120, "question", "ops")
    ]
    found = phone(text, told_by(after_us=2 * MINUTE))
    say(found, 60, "Answered", path="sure", answer="yes", note="").go()
    assert found.sent == []
    assert found.state.over


def test_after_an_answer_nobody_is_told_again_and_those_who_were_hear_what_became_of_it():
    found = approved(phone(APPROVE, told_by(**REMIND)), 60, BOB, CAROL).go()
    assert sent(found) == [(0, "question", "lead"), (61, "answered", "lead")]
    assert found.last("QuestionClosed") == {
        "escalation": "ask:free#1",
        "word": "approved",
        "by": "bob, carol",
        "why": "looked at it",
    }
    assert found.state.finished["outcome"] == "resolved"
    assert found.state.over
    closed = found.last("EscalationClosed")
    assert closed["why"] == "Approved by bob, carol: looked at it"


ENDS = {
    "denied": (APPROVE, {}, ("Denied", {"path": "free"}), "Denied by bob: looked at it"),
    "yes": (
        "who: [ops]\n" + CONFIRM,
        {},
        ("Answered", {"path": "sure", "answer": "yes", "note": "all green"}),
        "Answered yes by bob: all green",
    ),
    "not done": (
        "who: [ops]\n" + DO,
        {},
        ("Answered", {"path": "hand", "answer": "not-done", "note": ""}),
        "Not done by bob",
    ),
    "settled": (
        DOUBT,
        {"script": LOST},
        ("DoubtSettled", {"path": "hit", "happened": True, "reason": "the order is there"}),
        "Settled by bob: it happened (the order is there)",
    ),
    "cancelled": (
        APPROVE,
        {},
        ("CancelRequested", {"reason": "wrong one"}),
        "No longer asked: stopped: the run was cancelled",
    ),
    "cancelled in doubt": (
        DOUBT,
        {"script": LOST},
        ("CancelRequested", {"reason": "wrong one"}),
        "No longer asked: no answer",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_way_in_which_a_question_ends_is_told_once(name: str):
    text, more, (type_, body), line = ENDS[name]
    found = say(phone(text, told_by(**REMIND), **more), 60, type_, **body).go()
    assert [kind for _, kind, _ in sent(found)] == ["question", "answered"]
    assert found.last("EscalationClosed")["why"] == line
    assert found.state.over


def test_what_is_asked_in_a_group_whose_time_is_over_is_asked_no_more_though_the_run_goes_on():
    text = """
steps:
  - group: Free them
    id: g
    timeout: 30m
    steps: [{id: free, action: t.strike, approve: {by: [lead], within: 2h}}]
    on_failure: [{wait: 2h, id: rest}]
"""
    found = phone(text).go(until_s=2000)
    assert found.state.finished is None
    closed = found.last("QuestionClosed")
    assert (closed["word"], closed["by"]) == ("over", None)
    assert sent(found) == [(0, "question", "lead"), (1800, "answered", "lead")]


@pytest.mark.parametrize(
    ("reasons", "line"),
    [
        (["", " "], "Approved by bob, carol"),
        ([" looked ", "looked"], "Approved by bob, carol: looked"),
        (["looked", "so did I"], "Approved by bob, carol: looked; so did I"),
    ],
)
def test_what_was_agreed_to_is_told_with_the_reasons_that_were_given(reasons: Any, line: str):
    found = phone(APPROVE.replace("reason_min: 5, ", ""))
    for actor, reason in zip((BOB, CAROL), reasons, strict=True):
        say(found, 60, "Approved", actor, path="free", reason=reason)
    assert found.go().last("EscalationClosed")["why"] == line


def test_how_many_are_missing_is_said_for_one_and_for_more():
    found = approved(phone(APPROVE.replace("count: 2", "count: 3"), told_by("chat")), 10, BOB)
    approved(found, 60, CAROL).go(until_s=100)
    assert [words["counted"] for words in told_as(found, "counted")] == [
        "1 of 3 approved it (bob): 2 more are needed",
        "2 of 3 approved it (bob, carol): 1 more is needed",
    ]


def test_a_question_that_expired_is_over_and_its_end_calls_people_by_the_policy():
    found = phone(APPROVE).go()
    assert found.last("EscalationClosed")
    assert (7200, "answered", "lead") in sent(found)
    assert (7200, "page", "ana") in sent(found)
    closed = next(e.body for e in found.events if e.type == "QuestionClosed")
    assert (closed["word"], closed["why"]) == ("expired", "0 of 2 approved it in time")


def test_a_doubt_that_comes_again_is_a_question_of_its_own():
    lost = Oops("no answer", maybe_done=True)
    found = phone(DOUBT, script={"hit": lost})
    say(found, 60, "DoubtSettled", path="hit", happened=False, reason="not there")
    found.go(until_s=600)
    keys = [e.body["escalation"] for e in found.events if e.type == "EscalationStarted"]
    assert keys == ["ask:hit#1", "ask:hit#2"]
    assert len(set(found.keys)) == len(found.keys)
    assert sorted(kind for _, kind, _ in sent(found)) == ["answered", "question", "question"]


def test_where_nobody_could_be_told_of_a_question_that_is_said_once_and_it_stays_open():
    down = {"page": [Oops("no such user", retryable=False)]}
    found = phone(APPROVE, channels=down).go(until_s=600)
    assert found.last("EscalationExhausted")["why"] == "nobody could be told of the question"
    assert found.types().count("EscalationExhausted") == 1
    approved(found, 700, BOB, CAROL).go()
    assert found.state.finished["outcome"] == "resolved"


def test_nobody_takes_a_question_by_an_acknowledgement():
    found = phone(APPROVE).acked(60, "ask:free#1").go(until_s=600)
    one = found.state.escalations["ask:free#1"]
    assert (one.acknowledged, one.became, one.closed) == (None, None, None)


def test_what_became_of_it_holds_a_run_that_is_over_up_for_two_tries_only():
    busy = Oops("429", detail={"blocked_for_s": 3000.0})
    found = approved(phone(APPROVE, channels={"page": [True, busy]}), 60, BOB, CAROL).go()
    assert [kind for _, kind, _ in sent(found)] == ["question", "answered"]
    found = approved(phone(APPROVE, channels={"page": [True, Oops("down")]}), 60, BOB, CAROL).go()
    assert [kind for _, kind, _ in sent(found)] == ["question", "answered", "answered"]
    last = found.events[-1].at_us - found.events[found.types().index("RunFinished")].at_us
    assert last < 10 * SECOND


def test_where_a_message_can_be_changed_it_says_how_many_are_missing_and_each_what_became_of_it():
    found = approved(phone(APPROVE, told_by("chat", **REMIND)), 1000, BOB)
    approved(found, 2000, CAROL).go()
    assert sent(found) == [
        (0, "question", "lead"),
        (900, "question", "lead"),
        (1000, "counted", "lead"),
        (1000, "counted", "lead"),
        (1800, "question", "lead"),
        (2000, "answered", "lead"),
        (2000, "answered", "lead"),
        (2000, "answered", "lead"),
    ]
    assert found.last("QuestionCounted")["why"] == "1 of 2 approved it (bob): 1 more is needed"
    assert len(set(found.keys)) == len(found.keys)


def test_quiet_hours_are_kept_and_what_was_answered_by_the_morning_is_not_told():
    later = {"lead": START + 60 * MINUTE}
    assert sent(phone(APPROVE, later=later).go(until_s=4000)) == [(3600, "question", "lead")]
    assert approved(phone(APPROVE, later=later), 60, BOB, CAROL).go().sent == []


def test_a_reminder_that_was_due_while_nobody_drove_the_run_goes_out_at_once_and_once():
    how = told_by(every_us=5 * MINUTE, times=50)
    events = phone(APPROVE, how).go(until_s=60).events
    found = Phone(book(APPROVE), how).take_up(events, START + 60 * MINUTE).go(until_s=3600)
    assert sent(found) == [(3600, "question", "lead")]


def test_a_message_on_its_way_while_the_question_is_answered_hears_of_it_too():
    found = phone("who: [ops]\n" + CONFIRM)
    say(found, 0.05, "Answered", path="sure", answer="yes", note="").go()
    assert [kind for _, kind, _ in sent(found)] == ["question", "answered"]
    assert found.state.over


UNDONE = """
steps:
  - id: hit
    action: t.act
    undo:
      - {id: back, action: t.strike, approve: {by: [lead]}}
"""


def test_what_the_undo_of_a_run_that_is_over_asks_is_told_too():
    found = phone(UNDONE).at(60, "UndoRequested", reason="it was not that")
    found.go(until_s=120)
    path = found.last("EscalationStarted")["question"]["path"]
    assert path.endswith("back")
    say(found, 200, "Approved", path=path).go()
    assert [kind for _, kind, _ in sent(found)] == ["question", "answered"]
    assert found.state.over
    assert found.last("EscalationClosed")["why"] == "Approved by bob: looked at it"


def test_a_rehearsal_tells_nobody_of_questions():
    found = phone("who: [ops]\n" + CONFIRM, mode="rehearsal").go()
    assert found.sent == []
    assert "EscalationStarted" not in found.types()


STORIES: dict[str, tuple[str, dict[str, Any], list[tuple[float, str, Actor, dict[str, Any]]]]] = {
    "nobody answers": ("who: [ops]\n" + CONFIRM, {}, []),
    "approved": (
        APPROVE,
        {},
        [
            (1000, "Approved", BOB, {"path": "free"}),
            (1500, "Approved", CAROL, {"path": "free"}),
            # only where it was cut short just then
            (3000, "DoubtSettled", BOB, {"path": "free", "happened": True, "reason": "there"}),
        ],
    ),
    "denied": (APPROVE, {}, [(1000, "Denied", BOB, {"path": "free"})]),
    "approved and denied at once": (
        APPROVE,
        {"again": frozenset({"chat"})},
        [(1000, "Approved", BOB, {"path": "free"}), (1000.05, "Denied", CAROL, {"path": "free"})],
    ),
    "expired": (APPROVE, {}, []),
    "settled": (
        DOUBT,
        {"script": LOST},
        [(1000, "DoubtSettled", BOB, {"path": "hit", "happened": True, "reason": "there"})],
    ),
    "cancelled": (DO, {}, [(1000, "CancelRequested", BOB, {"reason": "no"})]),
    "a channel is down": (
        APPROVE,
        {"channels": {"page": [True, Oops("down"), Oops("down")]}},
        [(2000, "Denied", BOB, {"path": "free"})],
    ),
    "in doubt": (
        "who: [ops]\n" + DO,
        {"channels": {"page": [Oops("no answer", maybe_done=True)]}, "again": frozenset()},
        [(1000, "Answered", BOB, {"path": "hand", "answer": "done", "note": ""})],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_at_every_crash_point_nobody_is_told_twice_and_none_after_it_was_answered(name: str):
    text, more, said = STORIES[name]
    how = told_by("chat mail" if "approved" in name else "page mail", **REMIND)
    whole = phone(text, how, **more)
    for at_s, type_, actor, body in said:
        say(whole, at_s, type_, actor, **body)
    whole.go()
    open_end = name == "nobody answers"
    assert whole.state.over or open_end
    for length in range(1, len(whole.events)):
        prefix = whole.events[:length]
        runbook = once(book(text)) if text is DOUBT else book(text)
        found = Phone(runbook, how, **more).take_up(prefix, 0)
        spoken = [(e.type, dict(e.actor.to_json())["name"]) for e in prefix]
        for at_s, type_, actor, body in said:
            if (type_, actor.name) not in spoken:
                say(found, at_s, type_, actor, **body)
        found.go()
        assert found.state.over or open_end, (length, found.types()[-5:])
        judged(found.events, length)


def judged(events: list[Any], length: int) -> None:
    dues = [(e.body["escalation"], e.body["round"]) for e in events if e.type == "LevelDue"]
    assert len(dues) == len(set(dues)), length
    keys = [e.body["key"] for e in events if e.type == "Told"]
    assert len(keys) == len(set(keys)), length
    closed = [e.body["escalation"] for e in events if e.type == "QuestionClosed"]
    assert len(closed) == len(set(closed)), length
    under_way: set[str] = set()
    for number, event in enumerate(events):
        if event.type == "TellStarted":
            if event.body["kind"] == "answered":  # nothing may come behind it that has buttons
                assert not [key for key in under_way if ":counted" in key], length
            under_way.add(event.body["key"])
        elif event.type in ("Told", "TellFailed"):
            under_way.discard(event.body["key"])
        if event.type == "TellStarted" and event.body["kind"] == "question":
            before = [e.body["escalation"] for e in events[:number] if e.type == "QuestionClosed"]
            assert event.body["escalation"] not in before, length


def test_every_event_of_a_question_is_what_would_be_decided_after_the_events_before_it():
    whole = approved(phone(APPROVE, told_by(**REMIND)), 1000, BOB, CAROL).go()
    state = Phone(book(APPROVE), told_by()).state
    for event in whole.events:
        if event.type in ("EscalationStarted", "LevelDue", "QuestionClosed", "EscalationClosed"):
            made = [(r.type, r.body) for r in decide(state).record]
            body = {k: v for k, v in event.body.items() if k not in ("recipients", "words")}
            assert (event.type, body) in made
        state.apply(event)


# -- words -----------------------------------------------------------------------------------------


def said_of(found: Phone, key: str) -> tuple[str, str]:
    said = words(found.state, key, 1)
    return title_of(said, "question"), text_of(said, "question")


def test_an_approval_says_what_would_happen_why_by_when_and_how_to_answer():
    title, text = said_of(approved(phone(APPROVE), 5, BOB).go(until_s=60), "ask:free#1")
    assert title == "Asked: main: May `Free them` be done?"
    lines = text.splitlines()
    assert lines[0] == "May `Free them` be done?"
    assert "runbook approve r free --reason '...' (or deny)" in lines[2]
    assert lines[2].startswith("Approve or deny it by 02:16 UTC: ")
    assert "- t.strike" in lines
    assert any(line.startswith("- plan hash ") for line in lines)
    assert "- The runbook asks for approval: 2 of lead" in lines
    assert "- 1 of 2 approved it (bob): 1 more is needed" in lines
    assert "- A reason of at least 5 characters is needed" in lines
    assert "- The run was started by alice" in lines


@pytest.mark.parametrize(
    ("kind", "head", "how"),
    [
        ("confirm", "Is it green?", "runbook answer r sure yes (or no)"),
        ("do", "Please do `hand` by hand", "runbook answer r hand done (or not-done)"),
        ("doubt", "Did `hit` happen?", "runbook settle r hit --happened (or --did-not)"),
    ],
)
def test_other_questions_say_it_in_their_own_words(kind: str, head: str, how: str):
    text, more, key, _ = ASKS[kind]
    _, said = said_of(phone(text, **more).go(until_s=60), key)
    assert said.splitlines()[0] == head
    assert how in said
    assert kind != "do" or "\nTurn the key" in said  # written by somebody, with lists of its own


def test_what_is_asked_is_cut_where_it_would_leave_no_room_for_the_rest():
    long = "\\n".join(f"Step {n}: {'x' * 300}" for n in range(40))
    text = f'steps:\n  - {{id: hand, action: t.do, with: {{instructions: "{long}"}}}}\n'
    _, said = said_of(phone(text).go(until_s=60), "ask:hand#1")
    assert len(said) < 2900
    assert "(it goes on)" in said
    assert "runbook answer r hand done" in said


def test_what_was_being_sent_when_its_driver_died_is_sent_again_only_while_it_is_asked():
    found = phone(APPROVE, channels={"page": [HANG]}).go(until_s=30)
    events = found.events
    again = Phone(book(APPROVE), told_by()).take_up(events, 0).go(until_s=30)
    assert [kind for _, kind, _ in sent(again)] == ["question"]
    late = Phone(book(APPROVE), told_by())
    for event in events:
        late.state.apply(event)
    late.now_us = START + MINUTE
    step = late.state.steps["free"]
    body = {"path": "free", "hash": step.hash, "reason": "not today", "roles": ["lead"]}
    late.put("Denied", body, BOB)
    late.put("RunTakenUp", {"driver": "h:1:1", "interrupted": []})
    assert late.go().sent == []
    assert late.last("TellFailed")["dropped"] is True


def test_a_question_whose_time_is_over_when_quiet_hours_end_is_not_told():
    found = phone(APPROVE, later={"lead": START + 120 * MINUTE}).go()
    assert found.last("QuestionClosed")["word"] == "expired"
    assert [kind for _, kind, who in sent(found) if who == "lead"] == []


def test_a_question_says_all_of_what_it_asks():
    found = phone(APPROVE, told_by())
    found.go(until_s=0)
    assert found.last("EscalationStarted") == {
        "escalation": "ask:free#1",
        "policy": "questions",
        "message": "May `Free them` be done?",
        "why": "it waits for approval",
        "question": {
            "path": "free",
            "kind": "approve",
            "attempt": 0,
            "who": ["lead"],
            "hash": found.state.steps["free"].hash,
            "count": 2,
            "reason_min": 5,
            "expires_us": START + 120 * MINUTE,
        },
    }
    found = phone(CONFIRM, told_by()).go(until_s=0)
    assert found.last("EscalationStarted") == {
        "escalation": "ask:sure#1",
        "policy": "questions",
        "message": "Is it green?",
        "why": "it waits for an answer",
        "question": {"path": "sure", "kind": "confirm", "attempt": 1, "who": []},
    }


def test_the_doubt_of_what_was_approved_is_a_question_without_a_hash_that_counts_nobody():
    script = {"free": Oops("no answer", maybe_done=True, retryable=False)}
    found = approved(phone(APPROVE, told_by(), script=script), 10, BOB, CAROL).go(until_s=60)
    doubt = found.last("EscalationStarted")["question"]
    assert set(doubt) == {"path", "kind", "attempt", "who"}
    assert (doubt["kind"], doubt["attempt"]) == ("doubt", 1)
    assert doubt["who"] == []  # whoever may agree to it is nobody who knows whether it happened
    counted = [e.body["escalation"] for e in found.events if e.type == "QuestionCounted"]
    assert set(counted) == {"ask:free#1"}


def told_as(found: Phone, kind: str) -> list[Any]:
    """The words of messages of a kind."""
    kinds = [sent for _, sent, _, _ in found.sent]
    return [words for words, sent in zip(found.told, kinds, strict=True) if sent == kind]


def test_who_was_asked_hears_how_many_agreed_and_what_became_of_it():
    found = approved(phone(APPROVE, told_by("chat")), 10, BOB)
    approved(found, 60, CAROL).go()
    missing = "1 of 2 approved it (bob): 1 more is needed"
    assert told_as(found, "counted") == [{"title": "Oh", "counted": missing}]
    end = "Approved by bob, carol: looked at it"
    known = {"title": "Oh", "became": end, "at_us": START + 60 * SECOND}
    assert told_as(found, "answered") == [known]


def test_that_somebody_agreed_is_tried_twice_and_no_more():
    found = phone(APPROVE, told_by("chat"), channels={"chat": [True, Oops("it is down")]})
    approved(found, 10, BOB).go(until_s=3600)
    assert [kind for _, kind, _ in sent(found)] == ["question", "counted", "counted"]


@pytest.mark.parametrize(
    ("head", "how", "who"),
    [
        ("", {}, []),
        ("", {"who": ["all"]}, ["all"]),
        ("who: [ops]\n", {"who": ["all"]}, ["ops"]),
    ],
)
def test_where_no_role_is_named_the_runbook_says_who_may_answer_and_else_the_contacts(
    head: str, how: Any, who: list[str]
):
    found = phone(head + CONFIRM, told_by(**how)).go(until_s=0)
    assert found.last("EscalationStarted")["question"]["who"] == who
    found = phone(head + APPROVE, told_by(**how)).go(until_s=0)
    assert found.last("EscalationStarted")["question"]["who"] == ["lead"]


def test_what_the_environment_wants_approved_is_asked_of_the_roles_of_the_runbook():
    found = phone("who: [ops]\n" + ACT, more={"autonomy": "propose"}).go(until_s=0)
    asked = found.last("EscalationStarted")["question"]
    assert (asked["kind"], asked["who"]) == ("approve", ["ops"])


@pytest.mark.parametrize(
    ("caller", "called", "who"),
    [("who: [ops]\n", "who: [dba]\n", ["dba"]), ("who: [ops]\n", "", ["ops"]), ("", "", ["all"])],
)
def test_a_runbook_that_is_called_says_itself_who_may_answer_and_else_its_caller(
    caller: str, called: str, who: list[str]
):
    text = f"{caller}steps:\n  - {{runbook: t/sub, id: sub}}\n"
    found = Phone(book(text, sub=called + CONFIRM), told_by(who=["all"])).begin().go(until_s=0)
    assert found.last("EscalationStarted")["question"]["who"] == who


@pytest.mark.parametrize("text", [APPROVE, APPROVED_BY_HAND, CONFIRM, DO, ACT, LOOK, WAIT])
@pytest.mark.parametrize("autonomy", ["auto", "propose", "guide"])
def test_a_rehearsal_says_whom_a_run_asks_first_and_what(text: str, autonomy: str):
    how: dict[str, Any] = {"telling": told_by(), "more": {"autonomy": autonomy}}
    runbook = book("who: [ops]\n" + text)
    real = Phone(runbook, **how).begin().go(until_s=60)
    asked = [e.body["question"] for e in real.events if e.type == "EscalationStarted"]
    how |= {"mode": "rehearsal", "script": {"free": PREVIEW, "act": PREVIEW}}
    rehearsed = Phone(runbook, **how).begin().go()
    said = [e.body["asks"] for e in rehearsed.events if "asks" in e.body]
    known = [{key: one[key] for key in ("kind", "who", "by")} for one in said]
    assert known[:1] == [{"kind": q["kind"], "who": q["who"], "by": ["page"]} for q in asked[:1]]


def test_a_rehearsal_says_nothing_of_whom_it_asks_where_a_run_tells_nobody_of_questions():
    for how in (None, telling(level("ana", "page"))):
        rehearsed = Phone(book(CONFIRM), how, mode="rehearsal").begin().go()
        assert rehearsed.state.finished is not None
        assert not any("asks" in e.body for e in rehearsed.events)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ('" "', "sure: yes or no?"),
        ('"{{ 42 }}"', "sure: yes or no?"),
        ('" Is it green? "', "Is it green?"),
    ],
)
def test_a_question_without_words_is_asked_by_its_title(question: str, said: str):
    found = phone(CONFIRM.replace("Is it green?", question), told_by()).go(until_s=0)
    assert found.last("EscalationStarted")["message"] == said


@pytest.mark.parametrize(
    ("text", "more", "why"),
    [
        (DO, {}, "it waits for somebody to do it"),
        (DOUBT, {"script": LOST}, "nobody knows whether it happened"),
    ],
)
def test_why_people_are_asked(text: str, more: Any, why: str):
    assert phone(text, told_by(), **more).go(until_s=5).last("EscalationStarted")["why"] == why


# -- what people are called ------------------------------------------------------------------------

BEA, ANA = Actor("bea", "os-user", called="Bea Ono"), Actor("ana", "os-user", called="Ana Lim")


def test_people_are_called_by_their_name_and_the_facts_say_who_they_are():
    found = approved(phone(APPROVE), 60, BEA, CAROL).go()
    closed = next(e.body for e in found.events if e.type == "QuestionClosed")
    assert closed["by"] == "bea, carol"
    counted = next(e.body for e in found.events if e.type == "QuestionCounted")
    assert counted["why"] == "1 of 2 approved it (Bea Ono): 1 more is needed"
    assert ended(found.state, closed) == "Approved by Bea Ono, carol: looked at it"


def test_two_who_go_by_one_name_are_not_called_by_each_other_s():
    found = approved(phone(APPROVE), 60, BEA, Actor("bea", "token", called="Beate Ott")).go()
    assert found.state.called("bea") == "bea"


def test_whoever_denies_or_settles_is_called_by_their_name():
    found = say(phone(APPROVE), 60, "Denied", BEA, path="free").go()
    assert found.state.steps["free"].why == ("Bea Ono denied it: looked at it",)
    lost = phone(DOUBT, script=LOST)
    lost = say(lost, 60, "DoubtSettled", ANA, path="hit", happened=True, reason="seen: it is there")
    lost.go()
    assert lost.state.steps["hit"].why[-1] == "settled by Ana Lim: it happened (seen: it is there)"
    one = next(one for one in lost.state.escalations.values() if one.question)
    assert one.became is not None
    assert (one.became["by"], one.became["why"]) == ("ana", "it happened (seen: it is there)")
