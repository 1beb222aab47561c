"""A word is told to count exactly where the fold lets it: held against each other at random."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.core.events import Actor, Event
from engine.core.state import State
from engine.core.too_late import taken, why_nothing
from tests.core.telling import START, Phone, level, telling
from tests.core.world import SECOND, Oops, book, once

TEXT = """
steps:
  - parallel:
      - {id: a, action: t.act, approve: {by: [lead], count: 2, within: 9m}}
      - {id: q, check: t.confirm, with: {question: is it green?}}
      - {id: call, escalate: default, wait: acknowledged}
      - {id: d, action: t.act}
      - id: late
        group: A block
        timeout: 5m
        steps: [{id: r, check: t.confirm, with: {question: red?}}]
  - {wait: 20m, id: rest}
"""
WHO = ("bo", "cy", "di")
RUNS = 400
WORDS = 25


def phone() -> Phone:
    told = {**telling(level("ana", "page"), level("bo", "mail", 600)), "until_end": True}
    script = {"parallel-1/branch-4/d": Oops(maybe_done=True)}
    return Phone(once(book(TEXT)), told, script=script).begin()


def approval(state: State, pick: random.Random) -> tuple[str, dict[str, Any]] | None:
    path, step = next((i for i in state.steps.items() if i[1].entry.id == "a"), (None, None))
    if step is None:
        return None
    body = {"path": path, "hash": pick.choice([step.hash] * 9 + ["0"]), "reason": "looked"}
    return pick.choice(["Approved"] * 4 + ["Denied"]), {**body, "roles": ["lead"]}


def word(state: State, pick: random.Random) -> tuple[str, dict[str, Any]] | None:
    """What somebody says next, whether or not it is asked."""
    paths = {step.entry.id: path for path, step in state.steps.items()}
    kind = pick.choice(["approve", "answer", "answer late", "take", "pd", "unpd", "settle", "stop"])
    call = paths.get("call", "call")
    known = {"incident": f"r:{call}:1.{pick.randint(1, 2)}", "occurred_us": pick.randint(1, 30)}
    if kind == "approve":
        return approval(state, pick)
    if kind.startswith("answer"):
        path = paths.get("r" if kind == "answer late" else "q", "gone")
        return "Answered", {"path": path, "answer": pick.choice(["yes", "no"]), "note": ""}
    if kind == "settle":
        return "DoubtSettled", {"path": paths.get("d"), "happened": True, "reason": "seen"}
    if kind == "take":
        return "Acknowledged", {"escalations": [call], "note": "", "via": "Slack"}
    if kind == "pd":
        return "Acknowledged", {"escalations": [call], "note": "", "via": "PagerDuty", **known}
    if kind == "unpd":
        how = {"how": "ran-out", "via": "PagerDuty"}
        return "Unacknowledged", {"escalations": [call], **how, **known}
    return ("CancelRequested", {"reason": "no"}) if pick.random() < 0.1 else None


def facets(state: State, type_: str) -> Any:
    """What a word of this type may change."""
    if type_ in ("Approved", "Denied"):
        asked = [s.approval for s in state.steps.values() if s.approval is not None]
        return [(len(one.given), one.denied) for one in asked]
    if type_ == "Answered":
        return {path: step.answer for path, step in state.steps.items()}
    if type_ == "DoubtSettled":
        return {path: (step.status, step.settled_us) for path, step in state.steps.items()}
    calls = [one for key, one in state.escalations.items() if key != "status"]
    if type_ == "Unacknowledged":
        return [one.taken for one in calls]
    return [(one.taken, one.backed, dict(one.holds)) for one in calls]


@pytest.mark.parametrize("seed", range(4))
def test_whoever_is_told_that_it_counts_changed_something_and_nobody_else_did(seed):
    counted: dict[tuple[str, bool], int] = {}
    for number in range(RUNS // 4):
        pick, found = random.Random(seed * 1000 + number), phone()
        at_s = 0.0
        for _ in range(WORDS):
            at_s += pick.choice([0, 0, 0, 1, 30, 200])
            if pick.random() < 0.6:  # else whoever drives it has not heard so far
                found.go(at_s)
            found.now_us = max(found.now_us, START + round(at_s * SECOND))
            said = word(found.state, pick)
            if said is None:
                continue
            who = Actor(pick.choice(WHO), "token", "t").to_json()
            event = Event("r", 0, found.now_us, said[0], 1, who, said[1], "")
            key = judged(found, event)
            counted[key] = counted.get(key, 0) + 1
    words = ("Approved", "Denied", "Answered", "Acknowledged", "Unacknowledged", "DoubtSettled")
    assert {(type_, held) for type_ in words for held in (True, False)} <= set(counted)


def judged(found: Phone, event: Event) -> tuple[str, bool]:
    """Puts it in the run; what is told of it is what it does."""
    state = found.state
    before, why = facets(state, event.type), why_nothing(state, event)
    takes = taken(state, event) if event.type == "Acknowledged" else []
    stopped, left = state.cancelled is not None, set(state.escalations)
    found.put(event.type, event.body, Actor(**event.actor))
    if event.type == "CancelRequested":
        return event.type, why is None
    changed = facets(state, event.type) != before
    if stopped and why is not None:
        return event.type, False  # what is being stopped takes it in, and does nothing by it
    assert changed == (why is None), (event.type, event.body, why, left)
    if takes:
        assert [state.escalations[key].acknowledged["by"] for key in takes] == [event.actor["name"]]
    return event.type, why is None
