"""What a message says, whole: of a page, of how a run stands, of what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.detail import DETAILS_MAX_CHARS
from engine.core.state import State
from engine.core.words import LINE_MAX_CHARS, LINES_MAX, words
from engine.runner.wording import text_of
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, SECOND, Oops, book, once

ANA, BO = level("ana", "page"), level("bo", "page", 900)
CALL = "  - {escalate: default, id: call, message: Redis is full}\n"
LOOK = "  - {check: t.look, id: look, title: How full is it}\n"
ACT = "  - {action: t.act, id: act, title: Free it}\n"
REST = "  - {wait: 3h, id: rest}\n"


def phone(text: str, *levels: Any, **more: Any) -> Phone:
    how = {**telling(*(levels or (ANA, BO))), **more.pop("how", {})}
    return Phone(once(book(text)), how, **more).begin()


def said(found: Phone, key: str = "call", number: int = 1) -> dict[str, Any]:
    return words(found.state, key, number)


# -- a page ----------------------------------------------------------------------------------------


def test_a_page_says_all_there_is_to_say():
    text = f"severity: SEV1\nsteps:\n{LOOK}{ACT}{CALL}{REST}"
    found = phone(text).go(until_s=1)
    assert said(found) == {
        "title": "main: Redis is full",
        "policy": "default",
        "level": 1,
        "wrong": "Redis is full",
        "found": ["ok How full is it: ok yes"],
        "done": ["ok Free it: ok yes"],
        "asked": "Take it by 00:31 UTC, or somebody else is called: runbook ack r",
        "about": "main",
        "public": "Redis is full",
        "by": "00:31 UTC",
        "runbook": "t/main",
        "environment": "test",
        "severity": "SEV1",
        "by_us": found.state.now_us + 900 * SECOND,
    }


def test_a_run_without_severity_says_none():
    assert said(phone(f"steps:\n{CALL}").go(until_s=1))["severity"] == ""


def asked(found: Phone, number: int = 1, key: str = "call") -> str:
    text = str(said(found, key, number)["asked"])
    assert ": runbook ack r" in text or "ask if" in text
    return text.replace(": runbook ack r", "")


def test_what_is_asked_of_the_reader_is_what_they_can_do():
    found = phone(f"steps:\n{CALL}{REST}").go(until_s=1)
    assert asked(found) == "Take it by 00:31 UTC, or somebody else is called"
    assert asked(found, 2) == "Take it (nobody is called after you)"
    held = phone(f"steps:\n{CALL.replace('message', 'wait: acknowledged, message')}").go(until_s=1)
    assert asked(held) == (
        "Take it by 00:31 UTC, or somebody else is called (the run waits until somebody does)"
    )
    over = phone(f"steps:\n{CALL}  - {{end: unresolved}}\n").go(until_s=1)
    assert asked(over, 2) == "The run ended unresolved. Take it (nobody is called after you)"
    boss = level("boss", "mail", 900, unless="resolved")
    taken = phone(f"steps:\n{CALL}{REST}", ANA, boss).acked(60, "call").go(until_s=100)
    assert asked(taken, 2) == "bo took it, and it is not resolved: ask if you are needed"
    assert said(taken, "call", 2)["by_us"] is None


def test_the_run_s_own_waits_for_nobody():
    text = f"escalation: {{policy: default, unresolved_after: 10m}}\nsteps:\n{REST}"
    found = phone(text).go(until_s=700)
    assert asked(found, 1, "run") == "Take it by 00:41 UTC, or somebody else is called"
    assert said(found, "run")["title"] == "main: it is not resolved after 10m"
    assert said(found, "run")["wrong"] == "main: it is not resolved after 10m"


@pytest.mark.parametrize(
    ("head", "how", "after_s"),
    [
        ("", {}, None),
        ("respond_within: 7m\n", {}, 420),
        ("respond_within: 7m\n", {"respond_within_us": 5 * MINUTE}, 300),
        ("respond_within: 7m\n", {"answer_us": 9 * MINUTE}, 540),
        ("", {"respond_within_us": 5 * MINUTE, "answer_us": 9 * MINUTE}, 300),
    ],
)
def test_the_last_reader_has_the_time_of_the_run(head: str, how: Any, after_s: float | None):
    found = phone(f"{head}steps:\n{CALL}{REST}", how=how).go(until_s=1)
    by_us = said(found, number=2)["by_us"]
    assert (by_us and (by_us - found.state.now_us) / SECOND) == after_s
    assert said(found)["by_us"] == found.state.now_us + 900 * SECOND


# -- what is wrong ---------------------------------------------------------------------------------

FAILS = (
    "steps:\n  - {check: t.look, id: one, title: Is it green, expect: {what: 1}}\n"
    "on_failure:\n  - {escalate: default, id: call}\n"
)
HERE = "on_failure/call"


def test_without_a_message_what_failed_is_wrong():
    found = phone(FAILS, script={"one": {"what": 2}}).go(until_s=1)
    assert said(found, HERE)["wrong"] == "Is it green failed: what: expected 1, was 2"
    assert said(found, HERE)["title"] == "main: Is it green failed: what: expected 1, was 2"
    assert said(found, HERE)["found"] == ["FAILED Is it green: what: expected 1, was 2"]
    found = phone(FAILS, script={"one": Oops("x" * 300, retryable=False)}).go(until_s=1)
    assert len(said(found, HERE)["wrong"]) == LINE_MAX_CHARS
    assert len(said(found, HERE)["title"]) == LINE_MAX_CHARS
    assert len(said(found, HERE)["found"][0]) == LINE_MAX_CHARS


def test_an_action_in_doubt_is_wrong_and_said_to_be_in_doubt():
    text = "steps:\n  - {action: t.act, id: hit, title: Hit it}\n" + CALL
    found = phone(text, script={"hit": Oops("no answer", maybe_done=True)}).go(until_s=5)
    found.state.escalations.clear()
    found.put("EscalationStarted", {"escalation": "run", "policy": "default", "message": None})
    wrong = said(found, "run")["wrong"]
    assert wrong.startswith("Hit it unknown: ")
    assert said(found, "run")["done"] == [f"IN DOUBT {wrong.replace(' unknown', '')}"]


def test_where_nothing_is_wrong_people_are_asked():
    found = phone(f"steps:\n{CALL.replace(', message: Redis is full', '')}").go(until_s=1)
    assert (said(found)["wrong"], said(found)["title"]) == ("", "main: people are asked")


def test_a_title_is_the_first_line_of_what_is_wrong():
    text = CALL.replace("Redis is full", '"main: full\\nand slow"')
    found = phone(f"steps:\n{text}").go(until_s=1)
    assert (said(found)["title"], said(found)["wrong"]) == ("main: full", "main: full\nand slow")


# -- what was found and done -----------------------------------------------------------------------


def test_only_the_last_of_many_are_named_and_how_many_were_before():
    many = "".join(f"  - {{check: t.look, id: c{n}}}\n" for n in range(LINES_MAX))
    found = phone(f"steps:\n{many}{CALL}").go(until_s=2)
    assert said(found)["found"] == [f"ok c{n}: ok yes" for n in range(LINES_MAX)]
    more = f"{many}  - {{check: t.look, id: one}}\n  - {{check: t.look, id: two}}\n"
    found = phone(f"steps:\n{more}{CALL}").go(until_s=2)
    last = [f"ok c{n}: ok yes" for n in range(2, LINES_MAX)]
    assert said(found)["found"] == ["(2 earlier)", *last, "ok one: ok yes", "ok two: ok yes"]


def test_where_not_all_are_named_those_are_that_are_not_well():
    bad = "  - {check: t.look, id: bad, expect: {what: 1}, on_failure: continue}\n"
    many = "".join(f"  - {{check: t.look, id: c{n}}}\n" for n in range(LINES_MAX + 1))
    found = phone(f"steps:\n{bad}{many}{CALL}", script={"bad": {"what": 2}}).go(until_s=2)
    last = [f"ok c{n}: ok yes" for n in range(2, LINES_MAX + 1)]
    assert said(found)["found"] == ["(2 more)", "FAILED bad: what: expected 1, was 2", *last]


def test_why_something_failed_is_told_without_the_code_that_found_it():
    text = FAILS.replace("{what: 1}", "(result.what | length) == 0").replace(
        "id: call", "id: call, message: 'Oh: {{ failure.why }}'"
    )
    found = phone(text, script={"one": {"what": "abc"}}).go(until_s=1)
    assert said(found, HERE)["found"] == ["FAILED Is it green: 3 == 0 does not hold"]
    assert said(found, HERE)["wrong"] == "Oh: 3 == 0 does not hold"


def test_of_what_passed_only_what_is_news_is_told():
    answer = {"exit_code": 0, "json": {"a": {"b": 1}}, "stdout": "v1.6.0\n"}
    found = phone(f"steps:\n{LOOK}{CALL}", script={"look": answer}).go(until_s=1)
    assert said(found)["found"] == ["ok How full is it: v1.6.0"]
    found = phone(f"steps:\n{LOOK}{CALL}", script={"look": {"exit_code": 0}}).go(until_s=1)
    assert said(found)["found"] == ["ok How full is it"]


def test_what_is_cut_is_said_to_be():
    found = phone(f"steps:\n{CALL.replace('Redis is full', 'x' * 300)}").go(until_s=1)
    assert said(found)["title"].endswith("x...")
    assert len(said(found)["title"]) == LINE_MAX_CHARS
    assert said(found)["wrong"] == "x" * 300


def test_what_a_check_found_that_expects_nothing_is_said_and_what_the_runbook_names_comes_first():
    script = {"look": {"total": 120, "share": 0.41, "sample": ["x"]}}
    found = phone(f"steps:\n{LOOK}{CALL}", script=script).go(until_s=1)
    assert said(found)["found"] == ["ok How full is it: total 120, share 0.41"]
    call = CALL.replace("Redis is full", '"{{ look.share }} of them"')
    found = phone(f"steps:\n{LOOK}{call}", script=script).go(until_s=1)
    assert said(found)["found"] == ["ok How full is it: share 0.41"]


def test_what_is_skipped_is_neither_found_nor_done():
    text = "steps:\n  - {check: t.look, id: one, when: 1 > 2}\n" + CALL
    assert said(phone(text).go(until_s=1))["found"] == []


def test_what_goes_on_is_under_way_and_what_waits_for_people_is_not():
    steps = (
        "  - {check: t.look, id: look},\n"
        "  - {check: t.confirm, id: sure, with: {question: Is it green?}},\n"
    )
    inner = ", ".join(line.strip(" -,") for line in steps.splitlines())
    free = "{action: t.strike, id: free, approve: {by: [lead]}}"
    call = "{escalate: default, id: call, message: Oh}"
    found = phone(f"steps:\n  - parallel: [{inner}, {free}, {call}]\n", script={})
    found.script = {"parallel-1/branch-1/look": HANG}
    at_once = phone(f"steps:\n  - parallel: [{inner}, {free}, {call}]\n").go(until_s=0)
    key = next(iter(at_once.state.escalations))
    assert said(at_once, key)["found"] == ["under way look", "people are asked: sure"]
    assert said(at_once, key)["done"] == ["waits for approval: free"]


def test_what_nobody_approved_in_time_does_not_wait_for_approval_any_more():
    free = "  - {action: t.strike, id: free, approve: {by: [lead], within: 5m}}\n"
    late = phone(f"steps:\n{free}").go(until_s=301)
    key = "free/expired/escalate"
    due = next(n for n, event in enumerate(late.events) if event.type == "LevelDue")
    then = State.of("r", late.state.runbook, late.events[: due + 1])
    said_then = words(then, key, 1)
    assert said_then["done"] == ["NOT DONE free: nobody approved it in time (0 of 1 did)"]
    assert said_then["title"].endswith(
        "`free` is not done: nobody approved it in time (0 of 1 did)"
    )


# -- how it stands ---------------------------------------------------------------------------------

STATUS = {"status": {"every_us": 15 * MINUTE, "by": ["room"]}}


def stands(found: Phone) -> str:
    told = said(found, "status")
    assert (told["title"], told["asked"], told["policy"]) == ("main", "", "status")
    return str(told["wrong"])


def test_how_a_run_stands_says_who_has_it_and_what_it_is_at():
    text = f"steps:\n{CALL}{REST}"
    alone = phone(f"steps:\n{REST}", how=STATUS).go(until_s=900)
    assert stands(alone) == "Open for 15m\nUnder way: rest"
    called = phone(text, how={**STATUS, "answer_us": 15 * MINUTE}).go(until_s=1000)
    assert stands(called) == (
        "Open for 15m, people are called and nobody took it yet\nUnder way: rest"
    )
    taken = phone(text, how=STATUS).acked(60, "call").go(until_s=900)
    assert stands(taken) == "Open for 15m, bo took it\nUnder way: rest"


def test_how_a_run_stands_says_when_nobody_is_left_to_be_called():
    found = phone(f"steps:\n{CALL}{REST}", how=STATUS).go(until_s=1800)
    word = "nobody took it, and nobody is left to be called"
    assert stands(found) == f"Open for 30m, {word}\nUnder way: rest"


def test_how_a_run_stands_does_not_count_who_is_asked_something():
    text = "steps:\n  - {check: t.confirm, id: sure, with: {question: Is it green?}}\n"
    how = {**STATUS, "questions": {"by": ["chat"], "after_us": 0}}
    found = phone(text, how=how).go(until_s=900)
    assert stands(found) == "Open for 15m\nUnder way: sure"


def test_how_a_run_stands_names_no_step_that_nobody_named_and_stays_short():
    found = phone("steps:\n  - {wait: 3h}\n", how=STATUS).go(until_s=900)
    assert stands(found) == "Open for 15m"
    titled = phone("steps:\n  - {wait: 3h, title: Sleep}\n", how=STATUS).go(until_s=900)
    assert stands(titled) == "Open for 15m\nUnder way: Sleep"
    steps = ", ".join(f"{{wait: 3h, id: {'x' * 40}{n}}}" for n in range(9))
    found = phone(f"steps:\n  - parallel: [{steps}]\n", how=STATUS).go(until_s=900)
    assert len(stands(found)) == len("Open for 15m") + LINE_MAX_CHARS


# -- what became of it -----------------------------------------------------------------------------


def test_what_became_of_it_is_said_beside_what_was_wrong():
    text = f"steps:\n{LOOK}{CALL}  - {{wait: 10m}}\n{ACT}"
    found = phone(text, how={"until_end": True}).acked(60, "call").go()
    page, taken, over = found.told
    assert page == {"title": "Oh"}
    assert taken == {
        "title": "Oh",
        "taken_by": "bo",
        "note": "on it",
        "taken_us": START + MINUTE,
    }
    assert over == {
        **taken,
        "outcome": "resolved",
        "because": "",
        "after": "10m",
        "found": ["ok How full is it: ok yes"],
        "done": ["ok Free it: ok yes"],
    }


def test_that_it_is_not_resolved_is_not_said_once_it_is():
    text = "escalation: {policy: default, unresolved_after: 10m}\nsteps:\n  - {wait: 20m}\n"
    over = phone(text, how={"until_end": True}).go().told[-1]
    assert (over["title"], over["wrong"], over["outcome"]) == ("main", "", "resolved")


def test_how_it_stood_is_not_said_once_it_is_over():
    found = phone("steps:\n  - {wait: 20m}\n", how=STATUS).go()
    over = found.told[-1]
    assert (over["wrong"], over["outcome"], over["after"]) == ("", "resolved", "20m")


# -- questions -------------------------------------------------------------------------------------


def test_what_is_asked_at_length_is_cut_where_it_is_too_long_and_says_so():
    long = "\\n".join("y" * 150 for _ in range(20))
    text = f'steps:\n  - {{action: t.do, id: hand, with: {{instructions: "{long}"}}}}\n'
    found = phone(text, how={"questions": {"by": ["chat"], "after_us": 0}}).go(until_s=5)
    happens = said(found, "ask:hand#1")["happens"]
    assert happens[-1] == "(it goes on)"
    assert set(happens[:-1]) == {"y" * 150}
    assert len(happens) - 1 == DETAILS_MAX_CHARS // 151


ASKING = {"questions": {"by": ["chat"], "after_us": 0}}


def test_an_argument_list_is_told_as_it_would_be_typed():
    step = "{action: t.typed, id: free, approve: {by: [lead]}, with: WITH}".replace(
        "WITH", "{argv: [a, 'b c', '$d'], at: [1]}"
    )
    found = phone(f"steps:\n  - {step}\n", how=ASKING).go(until_s=5)
    assert said(found, "ask:free#1")["happens"][1:3] == ["argv: a 'b c' '$d'", "at: [1]"]


def happens(with_: str) -> list[str]:
    step = f"{{action: t.typed, id: free, approve: {{by: [lead]}}, with: {with_}}}"
    found = phone(f"steps:\n  - {step}\n", how=ASKING).go(until_s=5)
    return list(said(found, "ask:free#1")["happens"][1:-1])


def test_of_a_change_only_what_is_sent_is_told_and_not_how_it_is_rehearsed_or_read():
    assert happens("{argv: [a], parse: json, dry_run_argv: [b], cwd: ''}") == ["argv: a"]


def test_a_time_in_a_change_has_its_unit():
    assert happens("{argv: [a], idle: 10m}") == ["argv: a", "idle: 10m"]


def test_a_parameter_of_several_lines_is_one_item_of_the_list():
    code = "\"from a import b\\nb('x')\\n\""
    lines = happens(f"{{argv: [python, -c, {code}], cwd: here}}")
    assert lines == ["argv: python -c 'from a import b", "  b('\"'\"'x'\"'\"')'", "cwd: here"]
    told = text_of({"happens": lines}, "question")
    assert told.splitlines()[1:] == [f"- {lines[0]}", lines[1], "- cwd: here"]


def test_what_is_to_be_looked_at_is_told_without_the_marks_of_a_program():
    step = "{check: t.look_at, id: sure, with: {question: Is it?, evidence: EVIDENCE}}"
    evidence = "{up: true, idle: null, queues: [a, b], deep: {left: {x: 3}}}"
    found = phone(f"steps:\n  - {step.replace('EVIDENCE', evidence)}\n", how=ASKING).go(until_s=5)
    (line,) = said(found, "ask:sure#1")["happens"]
    assert line == "Look at: up yes; idle none; queues a, b; deep left x 3"


def test_what_is_to_be_done_by_hand_is_said_to_be_once():
    for title, asked in (("Turn it", "`Turn it` by hand"), ("Turn by hand", "`Turn by hand`")):
        step = f"{{action: t.do, id: hand, title: {title}, with: {{instructions: Go}}}}"
        found = phone(f"steps:\n  - {step}\n", how=ASKING).go(until_s=5)
        assert said(found, "ask:hand#1")["wrong"] == f"Please do {asked}"


def test_what_a_probe_found_is_said_of_its_action_alone():
    probe = "probe: {check: t.look, expect: {what: 1}}"
    text = f"steps:\n  - {{action: t.strike, id: hit, title: Hit it, {probe}}}\n"
    lost, refused = Oops("no answer", maybe_done=True), Oops("refused", retryable=False)
    script = {"hit": lost, "hit/probe-1/t-look": refused}
    found = phone(text, script=script, how=ASKING).go(until_s=30)
    assert said(found, "ask:hit#1")["found"] == []


def test_a_message_that_ends_with_a_line_end_leaves_no_gap():
    told = text_of({"wrong": "It is down:\n- here\n\n", "asked": "Take it"}, "page")
    assert told == "It is down:\n- here\n\nTake it"
