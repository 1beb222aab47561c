"""A policy that informs: people are told, nobody is asked to take it, and nothing follows."""

from __future__ import annotations

import pytest

from engine.core.words import words
from tests.core.telling import START, Phone, level, telling
from tests.core.world import SECOND, Oops, book

TELLS = "steps:\n  - {escalate: default, id: call, message: The API is slow}\n"
INFORMS = {**telling(level("ana", "page"), informs=True), "until_end": True, "hands_over": True}
INFORMS |= {"answer_us": 900 * SECOND}
WAITS = TELLS.replace("slow}", "slow, wait: acknowledged}")


def phone(text=TELLS, how=INFORMS, **channels) -> Phone:
    return Phone(book(text), how, channels).begin()


@pytest.mark.parametrize("end", ["resolved", "unresolved", "aborted"])
def test_nothing_follows_however_the_run_ends(end):
    found = phone(f"{TELLS}  - {{end: {end}}}\n").go()
    assert [(kind, who) for _, kind, who, _ in found.sent] == [("page", "ana")]
    assert found.last("EscalationClosed")["why"] == "whom it informs was told"
    assert "EscalationExhausted" not in found.types()
    assert found.now_us < START + 2 * SECOND  # nobody has time to take it
    assert found.state.over


def test_nobody_is_asked_for_anything():
    found = phone(f"{TELLS}  - {{wait: 1h}}\n", page=[Oops()]).go(until_s=0)
    said = words(found.state, "call", 1)
    assert (said["wrong"], said["asked"], said["by"]) == ("The API is slow", "", "")
    assert said["informs"] is True


def test_who_is_not_reached_at_once_is_told_though_the_run_is_resolved():
    found = phone(page=[Oops(), True]).go()
    assert found.state.finished["outcome"] == "resolved"
    assert [kind for _, kind, _, _ in found.sent] == ["page", "page"]
    assert found.types().count("Told") == 1
    assert found.state.over


def test_where_nobody_can_be_told_that_is_recorded():
    found = phone(page=[Oops(retryable=False)]).go()
    assert found.last("EscalationExhausted")["why"] == "nobody could be told, and no level is left"
    assert found.state.over


def test_a_run_that_is_cancelled_informs_nobody_any_more():
    found = phone(f"{TELLS}  - {{wait: 1h}}\n", page=[Oops()])
    found.at(1, "CancelRequested", reason="wrong one").go()
    assert len(found.sent) == 1
    assert found.state.over


def test_later_levels_are_informed_at_their_time_though_it_is_resolved():
    how = {**INFORMS, **telling(level("ana", "page"), level("bo", "page", 60), informs=True)}
    assert [(at_s, who) for at_s, who, _ in phone(how=how).go().pages] == [(0, "ana"), (60, "bo")]


def test_a_step_that_waits_until_somebody_takes_it_asks_them_to():
    found = phone(WAITS).go(until_s=60)
    assert words(found.state, "call", 1)["asked"].startswith("Take it by ")
    assert found.acked(70, "call").go().state.finished["outcome"] == "resolved"
    assert [kind for _, kind, _, _ in found.sent] == ["page", "acknowledged", "resolved"]
