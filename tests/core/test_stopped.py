"""A run that somebody asked to stop: nobody else is called while it comes to its end, since whoever
asked acts.
"""

from __future__ import annotations

import pytest

from tests.core.telling import START, Phone, level, telling
from tests.core.world import SECOND, Oops, book

TIDIES = "always:\n  - {wait: 1h, id: tidy}\n"
CALLS = "steps:\n  - {escalate: default, id: call, message: Oh}\n  - {wait: 4h, id: rest}\n"
TWO = {**telling(level("ana", "page"), level("bo", "page", 900)), "until_end": True}
FAILS = [level("ana", "sms page"), level("bo", "page", 900)]
DUE_S = 900

SITUATIONS = {
    "a level is due while it tidies up": (CALLS + TIDIES, TWO),
    "one is due again": (
        CALLS + TIDIES,
        telling(level("ana", "page", every_us=DUE_S * SECOND, times=9)),
    ),
    "one is due whatever was acknowledged": (
        CALLS + TIDIES,
        telling(level("ana", "page"), level("bo", "page", DUE_S, unless="resolved")),
    ),
    "nobody is left to be called": (
        CALLS + TIDIES,
        telling(level("ana", "page"), answer_us=DUE_S * SECOND),
    ),
}


def cancelled(text, how, *, at_s: float = 60.0) -> Phone:
    return Phone(book(text), how).begin().at(at_s, "CancelRequested", reason="wrong one")


@pytest.mark.parametrize("which", SITUATIONS)
def test_nobody_else_is_called_where(which):
    found = cancelled(*SITUATIONS[which]).go()
    assert found.pages == [(0, "ana", "page")]
    assert "EscalationExhausted" not in found.types()
    assert found.last("EscalationClosed")["why"] == "the run is cancelled"
    assert found.state.over


@pytest.mark.parametrize("which", SITUATIONS)
def test_nobody_else_is_called_where_nobody_drove_it_and(which):
    text, how = SITUATIONS[which]
    left = Phone(book(text), how).begin().go(until_s=60)
    cut = [*left.events]
    found = Phone(book(text), how).take_up(cut, START + 60 * SECOND)
    found.put("CancelRequested", {"reason": "wrong one"})
    found.now_us = START + 2 * DUE_S * SECOND
    found.put("RunTakenUp", {"driver": "h:1:1", "interrupted": []})
    found.go()
    assert found.sent == [] or {kind for _, kind, _, _ in found.sent} == {"resolved"}
    assert found.state.finished["outcome"] == "cancelled"
    assert found.state.over


def test_those_who_were_called_hear_once_that_it_was_cancelled_when_it_is():
    found = cancelled(CALLS + TIDIES, TWO).go()
    assert [(kind, who) for _, kind, who, _ in found.sent] == [("page", "ana"), ("resolved", "ana")]
    assert found.sent[-1][0] == 3660


def test_what_is_told_of_what_it_does_at_last_is_told_level_by_level():
    text = (
        f"{CALLS}always:\n  - {{escalate: default, id: last, message: Look, wait: acknowledged}}\n"
    )
    found = cancelled(text, TWO).acked(3000, "last").go()
    assert [(at_s, who) for at_s, who, _ in found.pages] == [(0, "ana"), (60, "ana"), (960, "bo")]


def test_a_channel_that_failed_is_not_tried_again():
    how = telling(level("ana", "sms"))
    found = Phone(book(CALLS + TIDIES), how, {"sms": [Oops()]}).begin()
    found.at(1.0, "CancelRequested", reason="wrong one").go()
    assert len(found.pages) == 1
    assert found.state.over


def test_whoever_took_it_and_has_it_no_longer_is_not_followed_by_another():
    how = telling(level("ana", "page"), reopen_us=600 * SECOND)
    found = Phone(book(CALLS + TIDIES), how).begin().acked(30, "call")
    found.at(60, "CancelRequested", reason="wrong one").go()
    assert "EscalationReopened" not in found.types()


def test_one_that_comes_to_an_end_of_its_own_all_the_same_goes_on_calling():
    text = (
        "steps:\n  - {escalate: default, id: call, message: Oh}\n  - {end: unresolved}\n"
        "always:\n  - {wait: 1h, id: tidy}\n"
    )
    found = cancelled(text, TWO).go()
    assert found.state.finished["outcome"] == "unresolved"  # it was behind that, and tidied up
    assert [(at_s, who) for at_s, who, _ in found.pages] == [(0, "ana"), (3600, "bo")]
