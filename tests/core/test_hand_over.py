"""A step that tells people and does not wait for them: when it ends, and what it says then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, Oops, book

ALONE = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n"
THEN = f"{ALONE}  - {{check: t.look, id: next}}\n"
DOWN = [Oops("it is down")]
REFUSES = [Oops("no such number", retryable=False)]
LOST = [Oops("no answer", maybe_done=True, retryable=False)]
BOTH = {"page": DOWN, "sms": DOWN}
ANA = level("ana", "page sms")
BO = level("bo", "mail", 900)
CATCH = "on_failure:\n  - {check: t.look, id: instead}\n"


def how(*levels: Any) -> dict[str, Any]:
    return {**telling(*levels), "answer_us": 15 * MINUTE, "hands_over": True}


def phone(text: str, *levels: Any, **more: Any) -> Phone:
    return Phone(book(text), how(*levels), **more).begin()


def ends(found: Phone, path: str = "call") -> tuple[float, str, list[str], list[str]]:
    """Seconds, status, why and warnings of the end of a step."""
    (event,) = [e for e in found.events if e.type == "StepFinished" and e.body["path"] == path]
    at_s = round((event.at_us - START) / 1e6, 1)
    return at_s, event.body["status"], event.body["why"], event.body["warnings"]


def test_a_run_goes_on_once_every_channel_of_the_first_level_was_tried():
    found = phone(THEN, ANA, BO, channels=BOTH).go()
    yet = ["nobody is reached yet: Ana is tried again by sms"]
    assert ends(found) == (2.8, "passed", [], yet)
    step = next(e.body for e in found.events if e.type == "StepFinished")
    assert step["outcome"]["result"] == {"policy": "default", "told": []}
    assert ends(found, "next")[0] == 2.9
    assert found.state.finished["outcome"] == "resolved"


def test_what_comes_of_it_later_is_in_the_trail():
    text = f"{ALONE}  - {{wait: 3h, id: rest}}\n"
    found = phone(text, ANA, channels={"page": DOWN, "sms": [*DOWN * 5, True]}).go()
    assert ends(found)[:2] == (2.8, "passed")
    assert found.types().count("Told") == 1
    found = phone(text, ANA, channels=BOTH).go()
    assert found.last("EscalationExhausted")["why"] == "nobody could be told, and no level is left"


def test_a_channel_that_is_tried_a_second_time_is_waited_for_where_there_is_another():
    found = phone(THEN, ANA, channels={"page": [*DOWN, True]}).go()
    assert ends(found)[1:] == ("passed", [], [])
    assert [by for _, _, by in found.pages] == ["page", "page"]


def test_a_run_of_an_older_engine_is_held_until_somebody_is_told():
    held = Phone(book(THEN), telling(ANA, BO), channels=BOTH).begin().go()
    assert ends(held) == (900.1, "passed", [], [])


def test_where_one_is_told_the_others_are_not_waited_for():
    found = phone(THEN, level("ana bo", "sms"), channels={"sms": [True, *DOWN]}).go()
    assert ends(found) == (0.1, "passed", [], [])


def test_whoever_is_told_later_and_whoever_is_tried_again_are_named():
    both = level("ana bo", "sms")
    found = phone(THEN, both, channels={"sms": DOWN}, later={"bo": START + 60 * MINUTE}).go()
    yet = "nobody is reached yet: Ana is tried again by sms, Bo is told later by sms"
    assert ends(found) == (0.1, "passed", [], [yet])


def test_where_nobody_can_be_told_for_good_the_step_says_so_at_once():
    found = phone(THEN, level("ana", "sms"), channels={"sms": REFUSES}).go()
    assert ends(found) == (0.1, "errored", ["nobody could be told"], [])
    assert "next" not in found.state.steps


def test_where_the_first_level_cannot_be_told_for_good_the_next_is_tried_before_it_goes_on():
    found = phone(THEN, level("ana", "sms"), BO, channels={"sms": REFUSES}).go()
    assert ends(found) == (0.2, "passed", [], [])
    assert found.pages[-1] == (0, "bo", "mail")


def test_where_everything_is_in_doubt_the_step_is_errored_at_once_and_says_that_it_is():
    found = phone(THEN, level("ana", "sms"), channels={"sms": LOST}).go()
    why = "nobody was told for certain: what was sent may or may not have gone out"
    assert ends(found) == (0.1, "errored", [why], [])


def test_where_the_first_level_is_in_doubt_it_is_the_next_that_decides():
    found = phone(THEN, level("ana", "sms"), BO, channels={"sms": LOST}).go()
    assert ends(found)[1:] == ("passed", [], [])
    assert found.pages[-1][1:] == ("bo", "mail")


def test_where_they_are_told_again_later_the_run_goes_on():
    again = level("ana", "sms", every_us=5 * MINUTE, times=2)
    found = phone(THEN, again, channels={"sms": LOST}).go()
    yet = ["nobody is reached yet: they are told again later"]
    assert ends(found) == (0.1, "passed", [], yet)


def test_a_step_that_waits_is_not_over_because_nobody_is_reached_yet():
    text = THEN.replace("message", "wait: acknowledged, message")
    found = phone(text, ANA, BO, channels=BOTH).acked(1000, "call").go()
    assert ends(found)[:2] == (1000, "passed")


# -- where it decides what comes next --------------------------------------------------------------

OWN = THEN.replace("message", "on_failure: [{check: t.look, id: instead}], message")
UNDO = THEN.replace("message", "on_failure: undo, message")
PASSED_OVER = ALONE.replace("message", "on_failure: continue, message") + CATCH
IN_GROUP = """
steps:
  - group: all
    id: g
    steps:
      - {escalate: default, id: call}
    on_failure:
      - {check: t.look, id: instead}
"""
GROUP_THEN = f"{IN_GROUP}  - {{check: t.look, id: next}}\n"
GROUP_PASSED_OVER = f"{IN_GROUP}{CATCH}".replace(
    "    on_failure:\n      - {check: t.look, id: instead}\n", "    on_failure: continue\n"
)
ENDS = f"{ALONE}  - {{end: unresolved, because: no}}\n"
MAY_END = ENDS.replace("{end", "{when: 1 > 2, end")
IN_WAY = """
steps:
  - choose:
      - when: 1 < 2
        steps:
          - {escalate: default, id: call}
          - {end: unresolved, because: no}
  - {check: t.look, id: next}
"""
BESIDE = """
steps:
  - parallel: [{escalate: default, id: call}, {wait: 1h, id: next}]
"""
ITEMS = """
steps:
  - each: "[1, 2]"
    as: one
    steps:
      - {when: one == 1, escalate: default, id: call}
"""
IN_ALWAYS = """
steps:
  - group: all
    id: g
    steps: [{check: t.look, id: first}]
    always: [{escalate: default, id: call}]
"""
HANDLES = """
steps:
  - {check: t.look, id: ask, on_failure: [{escalate: default, id: call}]}
"""
CALLS = "steps:\n  - {runbook: t/sub, id: sub}\n"
CALLS_UNDOES = CALLS.replace("sub}", "sub, on_failure: undo}")
CALLS_INSTEAD = CALLS.replace("sub}", "sub, on_failure: [{check: t.look, id: instead}]}")
CALLS_PASSES_OVER = CALLS.replace("sub}", "sub, on_failure: continue}")
ALWAYS = f"{ALONE}always:\n  - {{check: t.look, id: last}}\n"

GOES_ON = {
    "nothing catches it": ALONE,
    "something is left to do": f"{THEN}{CATCH}",
    "something is left to do behind the group": GROUP_THEN,
    "another item waits for it": f"{ITEMS}{CATCH}",
    "what is done always is left": f"{ALWAYS}{CATCH}",
    "it is passed over": PASSED_OVER,
    "an end may not come and something is left behind it": f"{IN_WAY}{CATCH}".replace(
        "{end", "{when: 1 > 2, end"
    ),
    "the group around it is passed over": GROUP_PASSED_OVER,
    "nothing catches the runbook that it is in": CALLS,
    "the runbook that it is in is passed over": f"{CALLS_PASSES_OVER}{CATCH}",
    "it is what catches a step": HANDLES,
    "what catches things runs already": "steps:\n  - {check: t.look, id: ask}\n"
    "on_failure:\n  - {escalate: default, id: call}\n",
}
WAITS = {
    "it has an on_failure": OWN,
    "it is undone": UNDO,
    "the runbook has one": f"{ALONE}{CATCH}",
    "the group has one": IN_GROUP,
    "only the end is left": f"{ENDS}{CATCH}",
    "only an end is left that may not come": f"{MAY_END}{CATCH}",
    "only the end of all is left": f"{IN_WAY}{CATCH}",
    "what is left is never come to": f"{ENDS}  - {{check: t.look, id: next}}\n{CATCH}",
    "something is done beside it": f"{BESIDE}{CATCH}",
    "something beside it failed": f"{BESIDE}{CATCH}".replace(
        "wait: 1h", "check: t.look, expect: 1 > 2"
    ),
    "it is always done and its end is caught": f"{IN_ALWAYS}{CATCH}",
    "the runbook that it is in is caught": CALLS_INSTEAD,
    "the runbook that it is in is undone": CALLS_UNDOES,
    "the runbook that called its own is caught": f"{CALLS}{CATCH}",
}


def calling(text: str, *levels: Any, **more: Any) -> Phone:
    """A run that calls another runbook, which only tells people."""
    return Phone(book(text, sub=ALONE), how(*levels), **more).begin()


def path_of(found: Phone) -> str:
    return next(p for p in found.state.steps if p.endswith("call"))


@pytest.mark.parametrize("text", GOES_ON.values(), ids=GOES_ON)
def test_the_run_goes_on_where(text: str):
    found = calling(text, ANA, channels=BOTH, script={"ask": Oops()}).go()
    at_s, status, _, warnings = ends(found, path_of(found))
    assert (status, len(warnings)) == ("passed", 1)
    assert at_s < 4


@pytest.mark.parametrize("text", WAITS.values(), ids=WAITS)
def test_it_waits_until_it_is_known_where(text: str):
    found = calling(text, ANA, channels=BOTH).go()
    at_s, status, why, _ = ends(found, path_of(found))
    assert (status, why) == ("errored", ["nobody could be told"])
    assert at_s > 600
    reached = calling(text, ANA, channels={"page": DOWN, "sms": [*DOWN * 4, True]}).go()
    assert ends(reached, path_of(reached))[1:] == ("passed", [], [])


@pytest.mark.parametrize("text", [f"{ALONE}{CATCH}", OWN])
def test_what_is_told_again_later_is_waited_for_too_where_that_decides(text: str):
    again = level("ana", "sms", every_us=5 * MINUTE, times=1)
    found = phone(text, again, channels={"sms": [*LOST, True]}).go()
    assert ends(found)[:2] == (300.1, "passed")


def test_in_quiet_hours_nothing_is_waited_for():
    found = phone(f"{ALONE}{CATCH}", ANA, later={"ana": START + 60 * MINUTE}).go()
    yet = ["nobody is reached yet: Ana is told later by page"]
    assert ends(found) == (0, "passed", [], yet)


def test_whoever_is_told_in_the_morning_is_not_waited_for_though_nobody_else_can_be_told():
    found = phone(
        f"{ALONE}{CATCH}",
        level("ana bo", "sms"),
        channels={"sms": REFUSES},
        later={"bo": START + 60 * MINUTE},
    ).go(until_s=60)
    yet = ["nobody is reached yet: Bo is told later by sms"]
    assert ends(found) == (0.1, "passed", [], yet)


def test_what_was_cut_short_is_waited_for_when_the_run_is_taken_up():
    first = phone(THEN, ANA, channels={"page": [HANG]}).go(until_s=0)
    assert first.types()[-1] == "TellStarted"
    second = Phone(book(THEN), how(ANA), channels={"page": [True]})
    second.take_up(first.events, first.now_us).go()
    assert ends(second)[1:] == ("passed", [], [])


def test_who_is_told_later_does_not_keep_others_from_being_tried_by_all_their_channels():
    later = {"bo": START + 60 * MINUTE}
    found = phone(THEN, level("ana bo", "page sms"), channels=BOTH, later=later).go()
    yet = ["nobody is reached yet: Ana is tried again by sms, Bo is told later by page"]
    assert ends(found) == (2.8, "passed", [], yet)


def test_of_two_the_one_who_cannot_be_told_does_not_hold_the_run_up():
    how = level("ana bo", "sms")
    found = phone(THEN, how, channels={"sms": [*REFUSES, *DOWN]}).go()
    yet = ["nobody is reached yet: Bo is tried again by sms"]
    assert ends(found) == (0.1, "passed", [], yet)


def test_somebody_takes_it_though_nobody_was_reached_and_the_run_goes_on():
    found = phone(f"{ALONE}{CATCH}", ANA, channels=BOTH).acked(30, "call").go()
    assert ends(found) == (30, "passed", [], [])


@pytest.mark.parametrize("more", [{}, {"until_end": True}])
def test_somebody_takes_it_before_anybody_is_called_and_the_run_goes_on(more: Any):
    late = level("ana", "page", 600)
    found = Phone(book(THEN), how(late) | more).begin().acked(60, "call").go()
    assert ends(found) == (60, "passed", [], [])
    assert found.pages == []
    older = Phone(book(THEN), telling(late) | more).begin().acked(60, "call").go()
    assert older.state.steps["call"].status == "running"


def test_in_an_older_run_who_has_no_channel_is_nobody_who_is_told_later():
    found = Phone(book(ALONE), telling(level("ana", ""))).begin().go()
    assert ends(found)[1:] == ("errored", ["nobody could be told"], [])
