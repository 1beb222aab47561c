"""The two laws that only a pure core allows: every crash point ends well, and nothing is recorded
but what `decide` and `conclude` say.
"""

from __future__ import annotations

from collections import Counter

import pytest

from engine.core.decide import decide
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from tests.core.journals import STORIES, Story
from tests.core.world import World

FROM_OUTSIDE = {"RunStarted", "TimeReached", "Answered", "DoubtSettled", "RunTakenUp"}


def told(name: str) -> World:
    world = STORIES[name].told()
    assert world.outcome is not None
    return world


def actions(world: World) -> set[str]:
    """Paths of actions that are performed, not asked of a person."""
    steps = world.state.steps.items()
    return {path for path, step in steps if step.is_action and not step.asks_person}


def unprobed(world: World) -> set[str]:
    """Actions whose doubt only a person can settle."""
    steps = world.state.steps
    return {
        path
        for path in actions(world)
        if steps[path].entry.probe is None and not steps[path].plan.get("idempotent")
    }


def open_in(events, path) -> bool:
    """Whether the last attempt at a path was announced and has no end in these events."""
    last = None
    for event in events:
        if event.body.get("path") == path:
            if event.type == "StepStarted":
                last = True
            elif event.type in ("AttemptFinished", "StepFinished"):
                last = False
    return bool(last)


@pytest.mark.parametrize("name", STORIES)
def test_every_crash_point_comes_to_an_end_and_repeats_no_action(name: str):
    whole = told(name)
    alone = Counter(whole.performed)
    for length in range(1, len(whole.events)):
        prefix = whole.events[:length]
        world = STORIES[name].world().take_up(prefix).go()
        announced = {(e.body["path"], e.body["attempt"]) for e in prefix if e.type == "StepStarted"}
        for path, attempt in world.performed:
            if world.state.steps[path].is_action:
                assert (path, attempt) not in announced, (length, path)
                if path in unprobed(world):
                    assert not open_in(prefix, path), (length, path)
        doubted = [p for p in unprobed(world) if open_in(prefix, p)]
        for path in set(doubted) - set(STORIES[name].people):
            assert world.state.steps[path].status == "unknown"
        if not doubted:
            assert world.outcome == whole.outcome, length
            together = Counter({**dict.fromkeys(announced, 1)}) + Counter(world.performed)
            acted = {k: n for k, n in together.items() if k[0] in unprobed(world)}
            assert acted == {k: n for k, n in alone.items() if k[0] in unprobed(whole)}, length


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("name", STORIES)
def test_every_crash_point_in_doubt_ends_once_a_person_settled_it(name: str, happened: bool):
    whole = told(name)
    for length in range(1, len(whole.events)):
        prefix = whole.events[:length]
        world = STORIES[name].world().take_up(prefix).go()
        for _ in range(5):
            if world.outcome is not None:
                break
            asked = decide(world.state).ask
            assert {q.kind for q in asked} == {"doubt"}
            for question in asked:
                world.put(
                    "DoubtSettled", {"path": question.path, "happened": happened, "reason": "x"}
                )
            world.go()
        assert world.outcome is not None, length


@pytest.mark.parametrize("name", STORIES)
def test_every_recorded_event_is_what_would_be_decided_after_the_events_before_it(name: str):
    world = told(name)
    state = State("r", world.runbook)
    for event in world.events:
        if event.type not in FROM_OUTSIDE:
            assert (event.type, event.body) in expected(state, event), event
        state.apply(event)


def expected(state: State, event) -> list[tuple[str, object]]:
    step = state.steps.get(event.body.get("path"))
    outcome = event.body.get("outcome")
    if event.type in ("AttemptFinished", "StepFinished") and step is not None and step.in_flight:
        again = Outcome(outcome.get("result"), outcome.get("error"), 1.0, 0.5)
        record = conclude(state, step.path, again, event.at_us)
        return [(record.type, record.body)]
    return [(record.type, record.body) for record in decide(state).record]


@pytest.mark.parametrize("name", STORIES)
def test_a_cancel_at_every_point_comes_to_an_end(name: str):
    whole = told(name)
    for length in range(1, len(whole.events) - 1):
        world = STORIES[name].world()
        for event in whole.events[:length]:
            world.state.apply(event)
            world.events.append(event)
        world.now_us = world.state.now_us
        world.put("CancelRequested", {"reason": "stop"})
        for path in [s.path for s in world.state.steps.values() if s.in_flight]:
            world.performed.append((path, 1))
            world._land(path)
        world.go()
        assert world.outcome in ("cancelled", whole.outcome), length


def test_the_stories_hold_every_kind_of_entry():
    text = "".join(story.text for story in STORIES.values())
    for word in ("check:", "action:", "escalate:", "choose:", "parallel:", "each:", "group:"):
        assert word in text
    for word in ("runbook:", "wait:", "end:", "within:", "hold:", "retry:", "timeout:", "always:"):
        assert word in text


def test_a_story_is_told_the_same_way_every_time():
    story: Story = STORIES["parallel"]
    first, second = story.told(), story.told()
    assert [(e.type, e.body, e.at_us) for e in first.events] == [
        (e.type, e.body, e.at_us) for e in second.events
    ]
