"""What a message says of a question, whole; what it is called; and by when somebody is to act."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.events import Actor
from engine.core.words import following, when, words
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book, once

BOB = Actor("bob", "os-user")
ASKS = {"questions": {"by": ["chat"]}}
POINTED = {"target": "cache", "fingerprint": "redis://cache-1:6379/0", "max_affected": 3}
STRIKE = """
steps:
  - id: free
    action: t.strike
    with: {what: {to: Zürich}}
    approve: {by: [lead, dba], reason_min: 5, within: 2h}
"""
REST = "  - {wait: 3h, id: rest}\n"
CALL = "  - {escalate: default, id: call, message: Redis is full}\n"
ANA = level("ana", "page")
ALICE = "The run was started by alice"


def phone(text: str, *levels: Any, how: Any = None, **more: Any) -> Phone:
    telling_ = {**telling(*(levels or (ANA,))), **(how or ASKS)}
    return Phone(once(book(text)), telling_, **more).begin()


def pointed(found: Phone, path: str) -> Phone:
    """As if its step had a target, which step types of these tests have not."""
    step = found.state.steps[path]
    step.plan = {**step.plan, **POINTED}
    return found


def asked(found: Phone, path: str, nth: int = 1) -> dict[str, Any]:
    said = words(found.state, f"ask:{path}#{nth}", 1)
    return {
        key: said[key] for key in ("happens", "why", "asked", "by", "question", "found", "done")
    }


def test_who_is_to_agree_reads_exactly_what_would_happen_and_where():
    found = pointed(phone(STRIKE).go(until_s=0), "free")
    hash_ = found.state.steps["free"].hash
    assert asked(found, "free") == {
        "happens": [
            "t.strike on cache (redis://cache-1:6379/0)",
            'what: {"to": "Zürich"}',
            "at most 3 affected",
            f"plan hash {hash_[:12]}",
        ],
        "why": [
            "The runbook asks for approval: 1 of lead, dba",
            "A reason of at least 5 characters is needed",
            ALICE,
        ],
        "asked": "Approve or deny it by 02:16 UTC: runbook approve r free --reason '...' (or deny)",
        "by": "02:16 UTC",
        "question": {
            "kind": "approve",
            "hash": hash_,
            "reason_min": 5,
            "expires_us": START + 120 * MINUTE,
        },
        "found": [],
        "done": [],
    }


def test_a_target_that_is_known_by_its_name_alone_is_named():
    found = pointed(phone(STRIKE).go(until_s=0), "free")
    step = found.state.steps["free"]
    step.plan = {**step.plan, "fingerprint": None}
    assert asked(found, "free")["happens"][0] == "t.strike on cache"


def test_why_something_is_asked_takes_a_line_and_no_more():
    roles = ", ".join(f"role-{n}" for n in range(50))
    found = phone(STRIKE.replace("lead, dba", roles)).go(until_s=0)
    assert len(asked(found, "free")["why"][0]) == 200


def test_beside_what_is_asked_stands_what_else_was_found():
    confirm = "{id: sure, check: t.confirm, with: {question: Is it green?}}"
    found = phone(f"steps:\n  - parallel: [{confirm}, {{check: t.look, id: look}}]\n").go(until_s=5)
    key = next(iter(found.state.escalations))
    assert words(found.state, key, 1)["found"] == ["ok look: ok yes"]


def test_what_the_environment_wants_approved_is_asked_of_anybody_but_who_started_it():
    text = "steps:\n  - {id: act, action: t.act, with: {what: now}}\n"
    found = phone(text, more={"autonomy": "propose"}).go(until_s=0)
    said = asked(found, "act")
    why = "In this environment every action is approved first"
    assert said["why"] == [f"{why}: 1 of anybody but who started it", ALICE]
    assert said["happens"][:-1] == ["t.act", "what: now"]
    assert said["asked"].startswith("Approve or deny it: ")


def test_what_is_not_as_it_was_rehearsed_says_so():
    text = "steps:\n  - {id: act, action: t.act}\n"
    found = phone(text, more={"planned": {"act": "0" * 64}}).go(until_s=0)
    assert asked(found, "act")["why"][0].startswith("It is not what was rehearsed: 1 of ")


def test_a_doubt_says_what_was_begun_and_why_nobody_knows():
    text = "steps:\n  - {id: hit, action: t.act, with: {what: now}}\n"
    script = {"hit": Oops("no answer", maybe_done=True)}
    said = asked(pointed(phone(text, script=script).go(until_s=5), "hit"), "hit")
    assert said["happens"][:-1] == [
        "t.act on cache (redis://cache-1:6379/0)",
        "what: now",
        "at most 3 affected",
    ]
    assert said["why"] == ["no answer", ALICE]
    assert said["done"] == []


def test_what_a_person_does_where_the_engine_only_guides_is_what_it_would_have_done():
    text = "steps:\n  - {id: act, action: t.act, with: {what: {to: Zürich}}}\n"
    found = pointed(phone(text, more={"autonomy": "guide"}).go(until_s=0), "act")
    said = asked(found, "act")
    assert said["happens"] == [
        "By hand, for this environment only guides: t.act on cache (redis://cache-1:6379/0)",
        '  what: {"to": "Zürich"}',
    ]
    assert said["why"] == ["This environment only guides: people act", ALICE]
    text = text.replace("{to: Zürich}", "now")
    found = phone(text, more={"autonomy": "guide"}).go(until_s=0)
    head = "By hand, for this environment only guides: t.act"
    assert asked(found, "act")["happens"] == [head, "  what: now"]


@pytest.mark.parametrize(
    ("evidence", "line"), [("the graph", "the graph"), ({"zone": "Zürich"}, "zone Zürich")]
)
def test_what_is_to_be_confirmed_says_what_to_look_at(evidence: Any, line: str):
    text = "steps:\n  - {id: sure, check: t.confirm, with: {question: Is it green?}}\n"
    found = phone(text).go(until_s=0)
    step = found.state.steps["sure"]
    step.plan = {**step.plan, "params": {**step.plan["params"], "evidence": evidence}}
    said = asked(found, "sure")
    assert (said["happens"], said["why"], said["found"]) == ([f"Look at: {line}"], [ALICE], [])


def test_what_is_to_be_done_by_hand_says_how_and_no_more():
    text = 'steps:\n  - {id: hand, action: t.do, with: {instructions: "Turn it\\n\\n  left "}}\n'
    said = asked(phone(text).go(until_s=0), "hand")
    assert (said["happens"], said["why"]) == (["Turn it", "", "  left"], [ALICE])


@pytest.mark.parametrize("actor", [Actor("engine", "engine"), None])
def test_nobody_is_said_to_have_started_what_started_by_itself(actor: Actor | None):
    found = phone(STRIKE).go(until_s=0)
    found.state.actor = {} if actor is None else actor.to_json()
    assert ALICE not in asked(found, "free")["why"]
    assert len(asked(found, "free")["why"]) == 2


def test_a_line_that_is_too_long_ends_in_dots_and_is_whole_up_to_them():
    lines = ["x" * 200, "y" * 201]
    text = 'steps:\n  - {id: hand, action: t.do, with: {instructions: "%s"}}\n'
    said = asked(phone(text % "\\n".join(lines)).go(until_s=0), "hand")
    assert said["happens"] == ["x" * 200, "y" * 197 + "..."]


# -- times -----------------------------------------------------------------------------------------

NOON = 1_795_262_400 * SECOND  # Saturday, 21 November 2026, 12:00 UTC
DAY = 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("after_us", "said"),
    [
        (0, "12:00 UTC"),
        (12 * 60 * MINUTE - 1, "23:59 UTC"),
        (12 * 60 * MINUTE, "Sun 00:00 UTC"),
        (-DAY, "Fri 12:00 UTC"),
        (6 * DAY - 1, "Fri 11:59 UTC"),
        (6 * DAY, "2026-11-27 12:00 UTC"),
        (-6 * DAY, "2026-11-15 12:00 UTC"),
    ],
)
def test_a_time_names_its_day_where_that_is_another_one(after_us: int, said: str):
    assert when(NOON + after_us, NOON) == said


def test_who_reads_that_somebody_has_it_is_to_act_by_no_time():
    boss = level("boss", "mail", 900, unless="resolved")
    found = phone(f"steps:\n{CALL}{REST}", ANA, boss, how={"respond_within_us": MINUTE})
    found.acked(60, "call").go(until_s=100)
    assert words(found.state, "call", 2)["by_us"] is None


@pytest.mark.parametrize(
    ("first", "last", "after_s"),
    [("page", "page", 300), ("console", "page", 300), ("page", "console", None)],
)
def test_the_time_of_the_last_reader_is_named_where_they_are_waited_for(
    first: str, last: str, after_s: int | None
):
    levels = (level("ana", first), level("bo", last, 60))
    found = phone(f"steps:\n{CALL}{REST}", *levels, how={"answer_us": 5 * MINUTE}).go(until_s=1)
    by_us = words(found.state, "call", 2)["by_us"]
    assert (by_us and (by_us - found.state.now_us) // SECOND) == after_s


# -- what it is called -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Redis is full", "main: Redis is full"),
        ("main: full", "main: full"),
        ("main: main is down", "main is down"),
        ("Main is down", "Main is down"),
        ("  main is down", "main is down"),
        ("full:\\n- cache-1\\n- cache-2", "main: full: cache-1"),
        ("full:\\n\\n  * cache-1", "main: full: cache-1"),
        ("full:", "main: full:"),
        ("full\\ncache-1", "main: full"),
    ],
)
def test_a_title_names_the_runbook_once_and_the_first_thing_that_is_wrong(message, title):
    text = CALL.replace("Redis is full", f'"{message}"')
    assert words(phone(f"steps:\n{text}").go(until_s=0).state, "call", 1)["title"] == title


def test_only_what_the_author_wrote_for_a_step_that_calls_is_public():
    own = f"escalation: {{policy: other}}\nsteps:\n{CALL}  - {{check: t.look, id: one}}\n"
    found = phone(own + STRIKE.replace("\nsteps:\n", ""), script={"one": Oops()}).go(until_s=600)
    assert words(found.state, "call", 1)["public"] == "Redis is full"
    assert words(found.state, "run", 1)["public"] == ""
    silent = phone(f"steps:\n{CALL.replace(', message: Redis is full', '')}").go(until_s=0)
    assert words(silent.state, "call", 1)["public"] == ""
    assert words(phone(STRIKE).go(until_s=0).state, "ask:free#1", 1)["public"] == ""


# -- what was found and done -----------------------------------------------------------------------


def test_what_was_asked_of_people_and_is_over_says_how_it_ended():
    sure = "  - {id: sure, check: t.confirm, with: {question: Sure?}, on_failure: continue}\n"
    text = f"{STRIKE}    on_failure: continue\n{sure}"
    found = phone(f"{text}{CALL}{REST}", how={})
    said = {"path": "free", "reason": "not today", "roles": ["lead"]}
    found.go(until_s=0)
    found.put("Denied", {**said, "hash": found.state.steps["free"].hash}, BOB)
    found.go(until_s=0)
    found.put("Answered", {"path": "sure", "answer": "no", "note": ""}, BOB)
    told = words(found.go(until_s=1).state, "call", 1)
    assert told["done"] == ["FAILED free: bob denied it: not today"]
    assert [line.partition(":")[0] for line in told["found"]] == ["FAILED sure"]


def test_what_was_approved_is_under_way_once_it_is_begun():
    found = phone(f"{STRIKE}", how={}, script={"free": HANG}).go(until_s=0)
    hash_ = found.state.steps["free"].hash
    body = {"path": "free", "reason": "looked", "roles": ["lead"], "hash": hash_}
    found.put("Approved", body, BOB)
    found.put("EscalationStarted", {"escalation": "run", "policy": "default", "message": "Oh"})
    found.go(until_s=0)
    assert words(found.state, "run", 1)["done"] == ["under way free"]


STATUS = {"status": {"every_us": 15 * MINUTE, "by": ["room"]}}


def test_how_a_run_stands_names_all_who_took_something_and_else_says_if_somebody_is_left():
    both = CALL + CALL.replace("call", "second")
    found = phone(f"steps:\n{both}{REST}", how=STATUS).go(until_s=1)
    found.put("Acknowledged", {"escalations": ["call"], "note": ""}, Actor("zoe", "os-user"))
    found.put("Acknowledged", {"escalations": ["second"], "note": ""}, Actor("amy", "os-user"))
    found.go(until_s=900)
    assert words(found.state, "status", 1)["wrong"].startswith("Open for 15m, amy and zoe took it")
    one = phone(f"steps:\n{both}{REST}", how=STATUS).acked(60, "call").go(until_s=900)
    assert words(one.state, "status", 1)["wrong"].startswith("Open for 15m, bo took it\n")
    later = CALL.replace("call", "second").replace("default", "late")
    left = {"policies": {"default": {"levels": [ANA]}}}
    left["policies"]["late"] = {"levels": [ANA, level("bo", "page", 7200)]}
    some = phone(f"steps:\n{CALL}{later}{REST}", how={**STATUS, **left}).go(until_s=900)
    said = "people are called and nobody took it yet"
    assert words(some.state, "status", 1)["wrong"].startswith(f"Open for 15m, {said}\n")


def test_before_its_first_level_is_due_nobody_is_said_to_be_called():
    late = level("ana", "page", 1800)
    found = phone(f"steps:\n{CALL}{REST}", late, how=STATUS).go(until_s=900)
    assert words(found.state, "status", 1)["wrong"] == "Open for 15m\nUnder way: call"


def test_what_is_under_way_is_the_step_and_not_what_is_around_it():
    text = "steps:\n  - group: All\n    id: g\n    steps: [{wait: 3h, id: rest}]\n"
    found = phone(text, how=STATUS).go(until_s=900)
    assert words(found.state, "status", 1)["wrong"] == "Open for 15m\nUnder way: rest"


def test_what_is_wrong_is_the_check_that_failed_and_neither_what_held_nor_what_is_around_it():
    text = """
steps:
  - {check: t.look, id: fine}
  - group: All
    id: g
    steps: [{check: t.look, id: bad, expect: 1 > 2}]
on_failure:
  - {escalate: default, id: call}
"""
    wrong = words(phone(text).go(until_s=1).state, "on_failure/call", 1)["wrong"]
    assert wrong.startswith("bad failed: ")


def test_who_is_called_although_somebody_took_it_reads_the_words_of_their_level():
    boss = level("boss", "page", 900, unless="resolved")
    found = phone(f"steps:\n{CALL}{REST}", ANA, boss, how={"until_end": True})
    found.acked(60, "call").go(until_s=1000)
    pages = [w for w, (_, kind, _, _) in zip(found.told, found.sent, strict=True) if kind == "page"]
    assert pages == [{"title": "Oh"}, {"title": "Oh"}]


def test_that_somebody_took_it_says_nothing_of_the_end_though_it_goes_out_behind_it():
    found = phone(f"steps:\n{CALL}").acked(0, "call").go()
    assert found.state.finished is not None
    one = found.state.escalations["call"]
    taken = {"title": "Oh", "taken_by": "bo", "note": "on it", "taken_us": START}
    assert following(found.state, one, "acknowledged", {"title": "Oh"}) == taken
    assert following(found.state, one, "page", {"title": "Oh"}) == {"title": "Oh"}
    assert following(found.state, one, "resolved", {"title": "Oh"})["outcome"] == "resolved"
