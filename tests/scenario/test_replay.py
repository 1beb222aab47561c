"""Replay: an unchanged text does what was done; of another one it shows where it parts."""

from __future__ import annotations

import pytest

from engine.core.events import Event
from engine.errors import Usage
from engine.scenario.replay import Replayed, replay
from engine.scenario.write import Stand, with_scenario
from tests.core.journals import STORIES, Story
from tests.core.test_any import world_of
from tests.core.world import REGISTRY, Oops, World, book, once

SEEDS = range(60)


def recorded(world: World) -> list[Event]:
    """The events of a told story as a journal holds them."""
    return [
        Event("r", seq, e.at_us, e.type, 1, e.actor.to_json(), e.body, "")
        for seq, e in enumerate(world.events, 1)
    ]


def told(events) -> list[tuple]:
    return [(e.type, e.body, e.at_us) for e in events if e.type != "RunStarted"]


def replayed(story: Story, old: str = "", new: str = "", **how) -> Replayed:
    """What comes of a story whose text is changed since."""
    world = story.told()
    assert old in story.text
    text = story.text.replace(old, new) if old else story.text
    return replay(recorded(world), once(book(text, **story.others)), REGISTRY, **how)


@pytest.mark.parametrize("name", STORIES)
def test_an_unchanged_text_decides_exactly_what_was_recorded(name: str):
    world = STORIES[name].told()
    found = replay(recorded(world), world.runbook, REGISTRY)
    assert told(found.events) == told(world.events)
    assert found.same
    assert found.same_text
    assert (found.parting, found.besides, found.no_longer, found.unknown) == (None, (), (), {})


@pytest.mark.parametrize("name", STORIES)
def test_a_run_that_was_cut_short_and_taken_up_is_reproduced_too(name: str):
    whole = STORIES[name].told()
    for length in range(1, len(whole.events)):
        world = STORIES[name].world().take_up(whole.events[:length]).go()
        found = replay(recorded(world), world.runbook, REGISTRY)
        assert told(found.events) == told(world.events), length
        assert found.same, length


@pytest.mark.parametrize("seed", SEEDS)
def test_any_run_is_reproduced(seed: int):
    world = world_of(seed).begin().go()
    found = replay(recorded(world), world.runbook, REGISTRY)
    assert told(found.events) == told(world.events)
    assert found.same


@pytest.mark.parametrize("name", STORIES)
def test_a_step_put_in_front_is_the_only_difference(name: str):
    found = replayed(STORIES[name], "\nsteps:", "\nsteps:\n  - {id: new, check: t.look}")
    assert found.parting is not None
    assert (found.parting.path, found.besides, found.no_longer) == ("new", ("new",), ())
    assert found.now == found.then


def test_another_title_and_another_time_limit_are_the_same_way():
    story = STORIES["plain"]
    found = replayed(story, "{id: b, ", "{id: b, title: Anew, timeout: 3s, ")
    assert found.same
    assert not found.same_text


MEMORY = Story(
    """
steps:
  - {id: size, check: t.look}
  - id: full
    choose:
      - {name: room, when: size.used < 80, steps: [{end: resolved, because: enough room}]}
  - {id: clear, action: t.act, with: {what: cache}}
  - {id: verify, check: t.look, expect: result.used < 80, within: 1m, every: 10s}
on_failure: [{id: page, escalate: lead, message: "still {{ verify.used }}"}]
outputs: {was: "{{ size.used }}"}
""",
    {
        "size": {"used": 90},
        "clear": {"gone": 5},
        "verify": [{"used": 85}, Oops(), {"used": 70}],
    },
)


def test_another_way_of_a_choose_is_shown_with_its_condition():
    found = replayed(MEMORY, "size.used < 80", "size.used < 95")
    assert found.parting is not None
    assert (found.parting.path, found.parting.now) == ("full", "takes the way room")
    assert found.parting.why == ("`when: size.used < 95` holds",)
    assert found.no_longer == ("clear", "verify")
    assert (found.then.because, found.now.because) == (None, "enough room")


def test_a_check_that_fails_today_shows_why_and_whom_it_would_tell():
    found = replayed(MEMORY, "result.used < 80, within: 1m, every: 10s", "result.used < 80")
    assert found.parting is not None
    assert (found.parting.path, found.parting.then, found.parting.now) == (
        "verify",
        "verify passed",
        "failed",
    )
    assert "85 < 80" in found.parting.why[0]
    assert found.now.outcome == "failed"
    assert found.now.messages == (("lead", "still 85"),)
    assert found.besides == ("on_failure/page",)


def test_what_was_never_asked_stops_the_replay_with_a_sentence():
    found = replayed(MEMORY, "result.used < 80", "result.used < 60")
    assert found.now.outcome is None
    assert found.unknown == {"verify": "it was asked 3 times then, and would be asked again now"}
    assert found.no_longer == ()
    assert not found.same


def test_a_step_that_asks_something_else_finds_nothing_unless_that_is_assumed():
    found = replayed(MEMORY, "{what: cache}", "{what: sessions}")
    assert 'params.what: "cache" then, "sessions" now' in found.unknown["clear"]
    assumed = replayed(MEMORY, "{what: cache}", "{what: sessions}", assume=True)
    assert assumed.unknown == {}
    assert assumed.now == assumed.then
    assert assumed.parting is not None
    assert assumed.parting.path == "clear"


def test_a_renamed_step_finds_what_it_found_under_its_old_name():
    found = replayed(MEMORY, "{id: clear,", "{id: drop,")
    assert (found.besides, found.no_longer, found.unknown) == (("drop",), ("clear",), {})
    assert found.now == found.then


def test_other_outputs_alone_are_a_difference():
    found = replayed(MEMORY, 'was: "{{ size.used }}"', 'was: "{{ 2 * size.used }}"')
    assert (found.then.outputs, found.now.outputs) == ({"was": 90}, {"was": 180})
    assert not found.same


def test_a_message_that_changed_is_shown():
    story = Story(MEMORY.text, {**MEMORY.script, "verify": {"used": 85}})
    found = replayed(story, "still {{ verify.used }}", "now {{ verify.used }} %")
    assert (found.then.messages, found.now.messages) == (
        (("lead", "still 85"),),
        (("lead", "now 85 %"),),
    )


def test_people_answer_what_they_answered_when_the_way_there_is_another_one():
    found = replayed(STORIES["people"], "\nsteps:", "\nsteps:\n  - {id: new, check: t.look}")
    assert found.now.outcome == "resolved"
    answers = [e for e in found.events if e.type == "Answered"]
    assert [e.body["answer"] for e in answers] == ["yes", "done", "acknowledged"]


def test_another_question_is_not_answered_by_the_answer_to_the_old_one():
    found = replayed(STORIES["people"], "question: sure?", "question: really sure?")
    assert list(found.unknown) == ["sure"]
    assert found.now.outcome is None


def test_inputs_that_todays_text_refuses_are_told():
    story = Story("inputs: {n: {type: integer, default: 5}}\nsteps: [{id: a, check: t.look}]")
    with pytest.raises(Usage, match="today's text would refuse the inputs"):
        replayed(story, "default: 5", "default: 9, min: 8")


def test_steps_that_began_together_are_in_the_order_of_the_scenario():
    text = "\nsteps:\n  - parallel: [{id: a, action: t.act}, {id: b, action: t.act}]\n"
    world = World(once(book(text))).begin().go()
    events = recorded(world)
    first, second = (
        n for n, e in enumerate(events) if e.type == "StepStarted" and e.body["id"] in ("a", "b")
    )
    events[first], events[second] = events[second], events[first]
    made = with_scenario(events, world.runbook, Stand(REGISTRY), "", None)
    assert made.result.lines == ()
    assert "steps: [a, b]" in made.text


def test_a_cancel_is_heard_at_its_time_on_another_way():
    text = "\nsteps: [{id: a, check: t.look}, {wait: 1h}, {id: b, action: t.act}]"
    world = World(book(text)).begin()
    world.go()
    at = next(n for n, e in enumerate(world.events) if e.type == "TimeReached")
    cut = World(book(text))
    for event in world.events[:at]:
        cut.state.apply(event)
        cut.events.append(event)
    cut.now_us = cut.state.now_us + 60_000_000
    cut.put("CancelRequested", {"reason": "wrong one"})
    cut.go()
    other = book(text.replace("[{id: a", "[{id: new, check: t.look}, {id: a"))
    found = replay(recorded(cut), other, REGISTRY)
    assert found.then.outcome == found.now.outcome == "cancelled"
