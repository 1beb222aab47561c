"""Replay of runs in which people were called: levels, channels that fail, deaths, what begins anew,
and calls that go on behind the end of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.core.events import Draft, Event
from engine.scenario.replay import Replayed, replay
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import HANG, REGISTRY, Oops, book, once

CALL = "  - {escalate: default, id: call, message: Redis is full}\n"
REST = "  - {wait: 3h, id: rest}\n"
TELLS = f"steps:\n{CALL}{REST}"
CALL_WAITS = CALL.replace("message", "wait: acknowledged, message")
WAITS = f"steps:\n{CALL_WAITS}  - {{wait: 1h, id: rest}}\n"
FAILS = "steps:\n  - {check: t.look, id: ask}\non_failure:\n  - {escalate: default, id: call}\n"
OWN = "escalation: {policy: default, unresolved_after: 10m}\nsteps:\n  - {wait: 2h, id: rest}\n"
ENDS = "escalation: default\nsteps:\n  - {check: t.look, id: ask}\n"
TWO = f"steps:\n{CALL}  - {{wait: 5m, id: pause}}\n{CALL.replace('call', 'other')}{REST}"
BROKEN = {"ask": Oops()}
DOWN = [Oops("it is down")]
LOST = [Oops("no answer", maybe_done=True)]
BUSY = [Oops("429", detail={"blocked_for_s": 10.0}), True]
BUSY_LONG = [Oops("429", detail={"blocked_for_s": 100.0}), True]
REFUSES = [Oops("no such number", retryable=False)]

THREE = telling(
    level("ana", "page sms"), level("bo", "page sms", 900), level("chris dora", "page", 1800)
)
AGAIN = telling(
    level("ana", "page", every_us=5 * MINUTE, times=3),
    level("boss", "mail", 900, unless="resolved"),
)
ANEW = telling(level("ana", "page"), level("bo", "page", 900), reopen_us=60 * MINUTE)
UNTIL_END = {**THREE, "until_end": True}
STATUS = {**THREE, "status": {"every_us": 15 * MINUTE, "by": ["room"]}}


@dataclass(frozen=True)
class Story:
    """A runbook, whom it calls, what channels do, and who takes what, when."""

    text: str
    how: dict[str, Any] = field(default_factory=lambda: THREE)
    acks: tuple[tuple[float, str], ...] = ()
    channels: dict[str, list[Any]] = field(default_factory=dict)
    script: dict[str, Any] = field(default_factory=dict)
    reopened: tuple[tuple[float, str], ...] = ()
    later: dict[str, int] = field(default_factory=dict)
    said: tuple[tuple[float, str, str], ...] = ()
    """What PagerDuty says of the incident of a step: when, in which event, of which step."""

    def phone(self, **more: Any) -> Phone:
        given = {"channels": self.channels, "script": self.script, "later": self.later, **more}
        found = Phone(once(book(self.text)), self.how, **given)
        for at_s, key in self.acks:
            found.acked(at_s, key)
        for at_s, key in self.reopened:
            found.at(at_s, "EscalationReopened", escalation=key, why="it is back")
        for at_s, type_, key in self.said:
            body: dict[str, Any] = {"escalations": [key], "via": "PagerDuty", "how": "ran-out"}
            body |= {"incident": f"r:{key}:1.1", "occurred_us": round(at_s), "note": ""}
            found.at(at_s, type_, **body)
        return found

    def told(self, until_s: float = float("inf")) -> list[Draft]:
        return self.phone().begin().go(until_s).events


STORIES = {
    "nobody acts": Story(WAITS),
    "somebody acts at the first level": Story(WAITS, acks=((60, "call"),)),
    "somebody acts at the last level": Story(WAITS, acks=((2800, "call"),)),
    "in the second of a level": Story(WAITS, acks=((900, "call"),)),
    "a channel is down": Story(WAITS, channels={"page": DOWN}, acks=((1000, "call"),)),
    "all channels are down": Story(TELLS, channels={"page": DOWN, "sms": DOWN}),
    "a channel is busy": Story(TELLS, channels={"page": BUSY}),
    "a channel is busy, and the last refuses": Story(
        WAITS, channels={"page": BUSY_LONG, "sms": REFUSES}
    ),
    "a channel is down for a while, and the last refuses": Story(
        TELLS, channels={"page": [*DOWN * 4, True], "sms": REFUSES}
    ),
    "a channel stays down, and the last refuses": Story(
        TELLS, channels={"page": DOWN, "sms": REFUSES}
    ),
    "a channel is in doubt": Story(TELLS, channels={"page": LOST, "sms": LOST}),
    "behind the end": Story(FAILS, script=BROKEN, acks=((1000, "on_failure/call"),)),
    "behind the end, nobody acts": Story(FAILS, script=BROKEN),
    "its own, in time": Story(OWN, acks=((1700, "run"),)),
    "its own, behind the end": Story(ENDS, script=BROKEN, acks=((60, "run"),)),
    "taken by the last, behind the end": Story(
        FAILS, script=BROKEN, acks=((3000, "on_failure/call"),)
    ),
    "told again": Story(TELLS, AGAIN, acks=((450, "call"),)),
    "begins anew": Story(TELLS, ANEW, acks=((60, "call"),)),
    "begins anew and is taken again": Story(TELLS, ANEW, acks=((60, "call"), (4000, "call"))),
    "begins anew as somebody says": Story(
        TELLS, acks=((60, "call"), (1200, "call")), reopened=((90, "call"),)
    ),
    "an acknowledgement runs out": Story(
        WAITS, UNTIL_END, said=((60, "Acknowledged", "call"), (1200, "Unacknowledged", "call"))
    ),
    "an acknowledgement runs out, and it is taken again": Story(
        TELLS,
        UNTIL_END,
        acks=((2500, "call"),),
        said=((60, "Acknowledged", "call"), (1200, "Unacknowledged", "call")),
    ),
    "quiet hours": Story(TELLS, later={"ana": START + 30 * MINUTE}),
    "two steps call": Story(TWO, acks=((60, "call"), (400, "other"))),
    "how it stands": Story(WAITS, STATUS, acks=((2000, "call"),)),
    "nobody is found": Story(TELLS, telling(level("nobody", "page"), level("bo", "sms", 60))),
}


def recorded(events: list[Draft]) -> list[Event]:
    return [
        Event("r", seq, e.at_us, e.type, 1, e.actor.to_json(), e.body, "")
        for seq, e in enumerate(events, 1)
    ]


def said(events: Any) -> list[tuple[str, Any, int]]:
    return [(e.type, e.body, e.at_us) for e in events if e.type != "RunStarted"]


def replayed(story: Story, old: str = "", new: str = "", until_s: float = float("inf")) -> Replayed:
    """What comes of a story whose text is changed since."""
    assert old in story.text
    text = story.text.replace(old, new, 1) if old else story.text
    return replay(recorded(story.told(until_s)), once(book(text)), REGISTRY)


def pages(events: Any) -> list[tuple[int, str, str, str]]:
    """When (in seconds), who, by what, of what: the pages that arrived."""
    began_us = events[0].at_us
    sent = {e.body["key"]: e.body for e in events if e.type == "TellStarted"}
    found = []
    for event in events:
        body = sent.get(event.body.get("key", ""))
        if event.type == "Told" and body is not None and body["kind"] == "page":
            at_s = round((event.at_us - began_us) / 1e6)
            found.append((at_s, body["who"], body["channel"], body["escalation"]))
    return found


# -- the same text ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_an_unchanged_text_calls_whom_it_called(name: str):
    events = STORIES[name].told(until_s=4 * 3600)
    found = replay(recorded(events), once(book(STORIES[name].text)), REGISTRY)
    assert said(found.events) == said(events)
    assert found.same
    assert found.unknown == {}


@pytest.mark.parametrize("name", STORIES)
def test_a_run_whose_driver_died_at_any_point_is_reproduced_too(name: str):
    story = STORIES[name]
    whole = story.told(until_s=4 * 3600)
    for length in range(1, len(whole)):
        prefix = whole[:length]
        world = story.phone()
        taken = sum(e.type in ("Acknowledged", "EscalationReopened") for e in prefix)
        world.words = dict(sorted(world.words.items())[taken:])
        world.take_up(prefix, prefix[-1].at_us + 90_000_000).go(until_s=4 * 3600)
        found = replay(recorded(world.events), world.runbook, REGISTRY)
        assert said(found.events) == said(world.events), (length, prefix[-1].type)
        assert found.same, (length, prefix[-1].type)


@pytest.mark.parametrize("name", STORIES)
def test_what_is_recorded_so_far_is_reproduced_so_far(name: str):
    """A run that still goes on, or whose driver is dead: its journal ends anywhere."""
    whole = STORIES[name].told(until_s=4 * 3600)
    for length in range(1, len(whole)):
        found = replay(recorded(whole[:length]), once(book(STORIES[name].text)), REGISTRY)
        assert said(found.events) == said(whole[:length]), (length, whole[length - 1].type)
        assert found.same, length


def test_what_was_under_way_when_its_driver_died_is_reproduced():
    story = Story(WAITS, channels={"page": [HANG]})
    dead = story.told(until_s=30)
    world = Story(WAITS, acks=((1000, "call"),)).phone().take_up(dead, START + 2 * MINUTE)
    world.go()
    found = replay(recorded(world.events), world.runbook, REGISTRY)
    assert said(found.events) == said(world.events)
    assert found.same


def test_a_journal_of_an_engine_that_closed_what_nobody_took_is_reproduced():
    whole = Story(TELLS).told()
    at = next(n for n, e in enumerate(whole) if e.type == "EscalationExhausted")
    world = Story(TELLS).phone()
    for event in whole[: at + 1]:
        world.state.apply(event)
        world.events.append(event)
    world.now_us = world.state.now_us
    world.put("EscalationClosed", {"escalation": "call", "why": "no level is left"})
    world.go()
    assert world.state.finished["outcome"] == "resolved"
    found = replay(recorded(world.events), world.runbook, REGISTRY)
    assert said(found.events) == said(world.events)
    assert found.same


# -- another text ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_a_step_put_in_front_calls_the_same_people_by_the_same_channels(name: str):
    story = STORIES[name]
    found = replayed(story, "steps:\n", "steps:\n  - {id: new, check: t.look}\n", until_s=4 * 3600)
    assert found.parting is not None
    assert found.parting.path == "new"
    then, now = (pages(events) for events in (story.told(4 * 3600), found.events))
    assert [page[1:] for page in now] == [page[1:] for page in then]
    assert found.now.outcome == found.then.outcome


def test_people_answer_as_long_after_they_are_called_as_they_did():
    story = Story(WAITS, acks=((1000, "call"),))
    found = replayed(story, "steps:\n", "steps:\n  - {wait: 30m, id: first}\n")
    assert pages(found.events) == [(1800, "ana", "page", "call"), (2700, "bo", "page", "call")]
    taken = next(e for e in found.events if e.type == "Acknowledged")
    assert round((taken.at_us - found.events[0].at_us) / 1e6) == 2800
    assert found.now.outcome == "resolved"


def test_a_step_that_stands_elsewhere_is_taken_by_the_same_people():
    story = Story(WAITS, acks=((1000, "call"),))
    found = replayed(story, CALL_WAITS, GROUPED)
    assert found.now.outcome == "resolved"
    assert [page[1] for page in pages(found.events)] == ["ana", "bo"]


GROUPED = f"  - group: inner\n    id: g\n    steps:\n    {CALL_WAITS}"


def test_what_was_taken_is_taken_again_when_it_begins_anew_at_another_time():
    story = STORIES["begins anew and is taken again"]
    found = replayed(story, "steps:\n", "steps:\n  - {wait: 10m, id: first}\n")
    assert [page[:2] for page in pages(found.events)] == [
        (600, "ana"),
        (4260, "ana"),
        (8200, "ana"),
        (9100, "bo"),
    ]


def test_a_text_that_waits_no_longer_for_somebody_calls_nobody_once_it_is_resolved():
    story = Story(WAITS, acks=((1000, "call"),))
    found = replayed(story, "wait: acknowledged, ", "")
    assert found.now.outcome == "resolved"
    assert pages(found.events) == [(0, "ana", "page", "call"), (900, "bo", "page", "call")]


def test_a_text_that_resolves_by_itself_takes_the_calls_away_and_says_so():
    story = Story(WAITS, acks=((1000, "call"),))
    found = replayed(story, CALL_WAITS, "")
    assert pages(found.events) == []
    assert found.no_longer == ("call",)
    assert [one["who"] for one in found.calls_no_longer] == ["ana", "bo"]
    assert found.calls_besides == ()


def test_a_text_that_calls_others_says_whom():
    story = Story(WAITS, acks=((1000, "call"),))
    found = replayed(story, "steps:\n", f"steps:\n{CALL.replace('call', 'early')}")
    assert {one["of"] for one in found.calls_besides} == {"early"}
    assert [one["who"] for one in found.calls_besides] == ["ana", "bo", "chris", "dora"]


def test_a_message_that_was_under_way_where_the_ways_part_arrives():
    story = Story(FAILS, script=BROKEN)
    always = f"{FAILS}always:\n  - {{id: tidy, wait: 5s}}\n"
    found = replayed(story, FAILS, always)
    assert found.parting is not None
    assert pages(found.events) == pages(story.told())


def test_a_channel_that_failed_then_fails_now():
    story = Story(TELLS, channels={"page": DOWN})
    found = replayed(story, "steps:\n", "steps:\n  - {wait: 30m, id: first}\n")
    assert {page[2] for page in pages(found.events)} == {"sms"}
    kinds = [e.body["why"] for e in found.events if e.type == "TellFailed"]
    assert kinds == [e.body["why"] for e in story.told() if e.type == "TellFailed"]
