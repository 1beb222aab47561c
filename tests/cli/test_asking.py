"""People are told of what a run asks: what the command line says of it."""

from __future__ import annotations

from typing import Any

import pytest
from stories import calling, taken, taken_for_now

from engine.cli.called import call_lines, why_open
from engine.cli.calls import aloud, saying, would_ask
from engine.cli.rows import Rows
from engine.cli.text import Style
from engine.cli.trail import entry_lines
from engine.core.events import Event
from engine.journal.calls import Calls

KEY = "ask:free#1"
ASKED = {"escalation": KEY, "policy": "questions", "message": "May `Free` be done?", "why": "w"}


def event(type_: str, body: dict[str, Any], **actor: str) -> Event:
    return Event("r", 1, 0, type_, 1, actor or {"name": "engine", "means": "engine"}, body, "")


ROOM = {"channel": "room"}


@pytest.mark.parametrize(
    ("type_", "body", "lines"),
    [
        (
            "EscalationStarted",
            {**ASKED, "question": {"path": "free", "kind": "approve"}},
            ["people are asked (ask:free#1): May `Free` be done?"],
        ),
        (
            "LevelDue",
            {
                "escalation": KEY,
                "level": 1,
                "round": 2,
                "recipients": [{"name": "Bea", "by": [{"channel": "slack"}, {"channel": "mail"}]}],
                "nobody": ["Cy (no address)"],
            },
            ["free is put to Bea by slack, else mail, again (2)", "not told: Cy (no address)"],
        ),
        (
            "QuestionCounted",
            {"escalation": KEY, "given": 1, "why": "1 of 2 approved it (bea): 1 more is needed"},
            ["ask:free#1: 1 of 2 approved it (bea): 1 more is needed"],
        ),
        (
            "QuestionClosed",
            {"escalation": KEY, "word": "denied", "by": "bea", "why": "not today"},
            ["ask:free#1 is over: Denied by bea: not today"],
        ),
        (
            "EscalationClosed",
            {"escalation": KEY, "why": "Denied by bea: not today"},
            ["ask:free#1 is closed: Denied by bea: not today"],
        ),
    ],
)
def test_what_becomes_of_a_question_is_said_in_words(type_, body, lines):
    assert saying(event(type_, body)) == lines


@pytest.mark.parametrize(
    ("type_", "body", "line"),
    [
        (
            "LevelDue",
            {"escalation": "status", "round": 3, "recipients": [{"name": "room", "by": [ROOM]}]},
            "how it stands is told, again (3) to room by room",
        ),
        ("Told", {"summons": "1.2.1:ana", "key": "k"}, "the message to ana is out"),
        ("Told", {"summons": "1.2.1:ana:resolved", "key": "k"}, "the message to ana is out"),
        (
            "TellFailed",
            {"summons": "1.2.1:ana", "doubt": True, "key": "k"},
            "the message to ana may or may not be out",
        ),
    ],
)
def test_who_is_told_is_said_without_the_keys_of_the_trail(type_, body, line):
    assert saying(event(type_, body))[0] == line


def test_whoever_follows_a_run_hears_whom_it_asks_but_not_twice_what():
    assert not aloud(event("EscalationStarted", {**ASKED, "question": {"kind": "approve"}}))
    assert aloud(event("EscalationStarted", ASKED))
    assert aloud(event("LevelDue", {"escalation": KEY}))


def test_whoever_follows_hears_of_messages_that_do_not_arrive_and_not_of_every_try():
    failed = {"escalation": KEY, "summons": "1.1.1:ana", "why": "it is down", "doubt": False}
    failed |= {"dropped": False, "next_us": None, "key": "k"}
    assert aloud(event("TellFailed", failed)) == ["the message to ana is not out: it is down"]
    doubt = "the message to ana may or may not be out: it is down"
    assert aloud(event("TellFailed", {**failed, "doubt": True})) == [doubt]
    again = ["the message to ana is not out: it is down (it is tried again)"]
    assert aloud(event("TellFailed", {**failed, "next_us": 5, "attempt": 1})) == again
    assert aloud(event("TellFailed", {**failed, "next_us": 5, "attempt": 2})) == []
    assert aloud(event("TellFailed", {**failed, "dropped": True})) == []
    assert aloud(event("Told", {**failed, "receipt": {}})) == []


def test_the_view_does_not_say_that_a_question_could_be_taken():
    calls = Calls()
    asked = {**ASKED, "question": {"path": "free", "kind": "approve"}, "why": "it waits"}
    calls.apply(event("EscalationStarted", asked))
    bea = {"id": "bea", "name": "Bea", "by": [{"channel": "slack"}, {"channel": "mail"}]}
    due = {"escalation": KEY, "level": 1, "round": 1, "recipients": [bea]}
    calls.apply(event("LevelDue", due))
    lines = list(call_lines(calls, "r1", (0, 80), Style()))
    assert lines[0].split(maxsplit=2)[1:] == ["asking", "May `Free` be done?"]
    assert lines[1:] == ["    Bea by slack, else mail"]


def test_the_view_says_of_a_run_that_was_asked_to_stop_that_nobody_else_is_called():
    calls = Calls()
    levels = [{"who": [who], "by": ["mail"], "after_us": 60_000_000} for who in ("bea", "cy")]
    levels = [{**level, "unless": "acknowledged"} for level in levels]
    telling = {"policies": {"default": {"levels": levels}}}
    calls.apply(event("RunStarted", {"telling": telling}))
    begun = {"escalation": "run", "policy": "default", "message": "Oh", "why": "it is late"}
    calls.apply(event("EscalationStarted", begun))
    bea = {"id": "bea", "name": "Bea", "by": [{"channel": "mail"}]}
    due = {"escalation": "run", "level": 1, "round": 1, "due_us": 0, "recipients": [bea]}
    calls.apply(event("LevelDue", due))
    assert "    then cy by mail (level 2 of 2)" in "\n".join(
        call_lines(calls, "r1", (0, 80), Style())
    )
    calls.apply(event("CancelRequested", {"reason": "wrong one"}))
    assert list(call_lines(calls, "r1", (0, 80), Style()))[2:] == [
        "    it was asked to stop: nobody else is called until it has",
        "    take it: runbook ack r1",
    ]
    calls.apply(event("RunFinished", {"outcome": "unresolved"}))
    assert "then cy by mail" in "\n".join(call_lines(calls, "r1", (0, 80), Style()))


LATE = "up to 2 times; not done where nobody does within 15m"
TIMES = {"after_us": 60_000_000, "every_us": 300_000_000, "times": 2, "within_s": 900}


@pytest.mark.parametrize(
    ("asks", "lines"),
    [
        (None, []),
        (
            {"kind": "approve", "who": ["lead"], "by": ["slack", "mail"]},
            ["would ask lead for approval by slack, else mail"],
        ),
        ({"kind": "confirm", "who": [], "by": ["slack"]}, ["would ask anybody by slack"]),
        ({"kind": "do", "who": ["a", "b"], "by": ["s"]}, ["would ask a, b to do it, by s"]),
        (
            {"kind": "approve", "who": ["lead"], "by": ["s"], **TIMES},
            [f"would ask lead for approval by s after 1m, again every 5m {LATE}"],
        ),
        (
            {"kind": "do", "who": ["a"], "by": ["s"], "every_us": 60_000_000, "times": 1},
            ["would ask a to do it, by s, again after 1m"],
        ),
    ],
)
def test_a_rehearsal_says_whom_a_run_would_ask(asks, lines):
    assert would_ask({"asks": asks} if asks else {}) == lines


@pytest.mark.parametrize(
    ("actor", "who"),
    [
        ({"name": "bea", "means": "slack", "via": "U777"}, "bea (in Slack, U777)"),
        ({"name": "bea", "means": "link", "via": "r:ask:free#1:1.1.1:bea:mail"}, "bea (by a link)"),
        ({"name": "bea", "means": "as", "via": "root"}, "bea (by root)"),
        ({"name": "bea", "means": "os-user"}, "bea "),
    ],
)
def test_the_trail_says_how_somebody_answered(actor, who):
    body = {"path": "free", "hash": "h", "reason": "seen", "roles": ["lead"]}
    first = next(iter(entry_lines(event("Approved", body, **actor), Rows(), 100)))
    assert f"  {who}" in first


CONTACTS = """\
people: {me: {os_user: OTHER, roles: [lead]}}
questions: {by: [console], remind: {every: 15m, times: 2}}
"""
BOOK = """\
title: Asks
steps:
  - {id: sure, check: human.confirm, with: {question: Is the shop open?}}
"""


@pytest.fixture
def asks(shop):
    (shop / "runbooks/shop/asks.yaml").write_text(BOOK)
    (shop / "runbooks/shop/contacts.yaml").write_text(CONTACTS)


@pytest.mark.usefixtures("asks")
def test_questions_are_in_the_preview_of_messages_and_in_a_rehearsal(runbook):
    done = runbook("notify", "preview", "shop/asks", "--env", "staging")
    assert done.out.splitlines()[:5] == [
        "when `sure` waits for an answer  console  by console",
        "    Asked: Asks: Is the shop open?",
        "    Is the shop open?",
        "",
        "    Answer it: runbook answer RUN sure yes (or no)",
    ]
    assert "    ! again every 15m, up to 2 times" in done.out.splitlines()
    rehearsed = runbook("rehearse", "shop/asks", "--env", "staging")
    assert "would ask anybody by console" in rehearsed.out


@pytest.mark.parametrize(
    ("story", "why"),
    [
        (calling, "people are called until somebody takes it, or nobody did in time: `ack`"),
        (
            taken_for_now,
            (
                "it is taken, and as it is not resolved "
                "level 3 calls room by slack at 02:16:00 all the same"
            ),
        ),
        (taken, "those who were called are told what became of it"),
    ],
)
def test_a_run_whose_steps_are_over_says_why_it_goes_on(story, why):
    calls = Calls()
    for event_ in story().events:
        calls.apply(event_)
    assert why_open(calls, "ack") == why


def test_a_level_that_nobody_needs_any_more_is_not_called():
    due = {"escalation": "call", "level": 2, "round": 1, "recipients": [], "skipped": True}
    said = ["level 2 of call is not called: nobody needs it any more"]
    assert saying(event("LevelDue", due)) == said


def test_whoever_follows_a_run_hears_once_that_somebody_is_tried_again_by_all_channels():
    failed = {"escalation": "call", "summons": "1.1.1:ana", "key": "r:call:1.1.1:ana:sms"}
    failed |= {"attempt": 1, "why": "no such number", "doubt": False, "dropped": False}
    back = {"next_us": None, "back": {"channel": 0, "at_us": 1}}
    assert aloud(event("TellFailed", {**failed, **back})) == [
        "the message to ana is not out: no such number (it is tried again)"
    ]
    assert aloud(event("TellFailed", {**failed, **back, "attempt": 3})) == []
    assert aloud(event("TellFailed", {**failed, "next_us": None})) == [
        "the message to ana is not out: no such number"
    ]
