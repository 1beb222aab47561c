"""The rules of admission, as tables: what is asked, what is known, what is answered."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.core.guards import (
    ADMITTED,
    QUEUE_MAX,
    Admission,
    Closed,
    Ended,
    Lock,
    Rules,
    Seen,
    Switch,
    autonomy_of,
    judge,
    moment,
    unresolved_in_a_row,
)

S = 1_000_000
NOW = 1_800_000_000 * S


def asked(**rules):
    return Admission("shop/repair", "staging", Rules(**rules))


def said(admission, seen, at_us=NOW):
    verdict = judge(admission, seen, at_us)
    return verdict.answer, verdict.guard


def ended(*outcomes, ago_s=60):
    return tuple(
        Ended(f"r{n}", one, NOW - (ago_s + n) * S) for n, one in enumerate(outcomes, start=1)
    )


def test_a_run_without_guards_begins():
    assert judge(asked(), Seen(), NOW) == ADMITTED


def test_a_frozen_switch_refuses_what_would_change_something_and_says_why_and_since_when():
    seen = Seen(frozen=Switch(NOW - S, "release 4.2", "ann"))
    verdict = judge(asked(), seen, NOW)
    assert (verdict.answer, verdict.guard, verdict.since_us) == ("refused", "freeze", NOW - S)
    since = moment(NOW - S)
    assert verdict.reason == f"everything is frozen since {since} by ann: release 4.2"
    assert judge(replace(asked(), acts=False), seen, NOW) == ADMITTED


@pytest.mark.parametrize(
    ("at_us", "answer"),
    [(NOW - 1, "admitted"), (NOW, "refused"), (NOW + S - 1, "refused"), (NOW + S, "admitted")],
)
def test_a_freeze_window_holds_from_its_first_moment_to_before_its_last(at_us, answer):
    admission = asked(closed=(Closed(NOW, NOW + S, "weekend"),))
    assert judge(admission, Seen(), at_us).answer == answer
    assert judge(replace(admission, acts=False), Seen(), at_us) == ADMITTED


@pytest.mark.parametrize(
    ("ago_s", "answer"), [(0, "refused"), (599, "refused"), (600, "admitted"), (601, "admitted")]
)
def test_it_cools_down_for_exactly_its_time(ago_s, answer):
    seen = Seen(last=Ended("r1", "resolved", NOW - ago_s * S))
    verdict = judge(asked(cooldown_us=600 * S), seen, NOW)
    assert verdict.answer == answer
    if answer == "refused":
        assert verdict.until_us == NOW + (600 - ago_s) * S


def test_so_many_runs_in_so_long_and_the_next_when_the_oldest_of_them_is_old_enough():
    begun_us = (NOW - 10 * S, NOW - 20 * S, NOW - 30 * S)
    rules = {"max_runs": 3, "per_us": 60 * S}
    verdict = judge(asked(**rules), Seen(begun_us=begun_us), NOW)
    assert (verdict.guard, verdict.until_us) == ("max_runs", NOW + 30 * S)
    assert judge(asked(**rules), Seen(begun_us=begun_us), NOW + 30 * S) == ADMITTED
    assert judge(asked(**rules), Seen(begun_us=begun_us[:2]), NOW) == ADMITTED


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ((), 0),
        (("resolved", "failed"), 0),
        (("failed", "resolved", "failed"), 1),
        (("unresolved", "aborted", "failed"), 3),
    ],
)
def test_unresolved_runs_are_counted_from_the_latest_back_to_one_that_resolved(outcomes, count):
    assert unresolved_in_a_row(ended(*outcomes)) == count


def test_the_breaker_opens_after_so_many_in_a_row_and_one_approved_run_may_try():
    open_ = Seen(ended=ended("failed", "unresolved"))
    admission = asked(breaker_after=2)
    assert said(admission, Seen(ended=ended("failed"))) == ("admitted", "")
    assert said(admission, open_) == ("refused", "breaker")
    approved = replace(admission, through="the cause is mended")
    assert said(approved, open_) == ("admitted", "")
    assert said(approved, replace(open_, trying="r9")) == ("refused", "breaker")


def test_before_its_reset_not_even_an_approved_run_gets_through_the_breaker():
    open_ = Seen(ended=ended("failed", ago_s=59))
    approved = replace(asked(breaker_after=1, breaker_reset_us=120 * S), through="mended")
    verdict = judge(approved, open_, NOW)
    assert (verdict.answer, verdict.until_us) == ("refused", NOW + 60 * S)
    assert judge(approved, open_, NOW + 60 * S) == ADMITTED


HELD = Seen(holder="r7", holder_runbook="shop/repair")


@pytest.mark.parametrize(
    ("when_taken", "runbook", "answer"),
    [
        ("queue", "shop/repair", "queued"),
        ("reject", "shop/repair", "refused"),
        ("join", "shop/repair", "joined"),
        ("join", "shop/other", "refused"),
    ],
)
def test_what_becomes_of_a_run_whose_lock_is_held(when_taken, runbook, answer):
    seen = replace(HELD, holder_runbook=runbook)
    verdict = judge(asked(lock=Lock("cache", when_taken)), seen, NOW)
    assert (verdict.answer, verdict.run) == (answer, "r7")
    assert judge(asked(lock=Lock("cache", when_taken)), Seen(), NOW) == ADMITTED


def test_who_asks_for_what_is_being_done_joins_it_whatever_the_other_guards_say():
    seen = replace(HELD, frozen=Switch(1, "x", "ann"), ended=ended("failed"))
    admission = asked(lock=Lock("cache", "join"), breaker_after=1)
    assert said(admission, seen) == ("joined", "lock")


def test_a_line_has_an_end():
    seen = replace(HELD, waiting=QUEUE_MAX)
    assert said(asked(lock=Lock("cache")), seen) == ("refused", "lock")


@pytest.mark.parametrize(
    ("environment", "runbook", "found"),
    [
        ("auto", None, "auto"),
        ("auto", "guide", "guide"),
        ("guide", "auto", "guide"),
        ("propose", "guide", "guide"),
        ("propose", None, "propose"),
    ],
)
def test_a_runbook_goes_as_far_as_its_environment_lets_it_or_less(environment, runbook, found):
    assert autonomy_of(environment, runbook) == found


def test_rules_come_back_from_the_store_as_they_went_in():
    rules = Rules(
        lock=Lock("a", "join"),
        cooldown_us=1,
        max_runs=2,
        per_us=3,
        breaker_after=4,
        breaker_reset_us=5,
        closed=(Closed(6, 7, "x"),),
    )
    assert Rules.of_json(rules.to_json()) == rules
    assert Rules.of_json(Rules().to_json()) == Rules()
