"""The live view: events and a time in, lines out."""

from __future__ import annotations

import re

import pytest
from events import RUN, Story, us
from stories import STORIES, clearing, failing, nested, resolved, verifying, wide

from engine.cli.live import LiveView, view_lines
from engine.cli.text import Style
from engine.core.cells import cells


def seen(
    story: Story, at: float, width: int = 100, height: int = 10_000, **style: bool
) -> list[str]:
    return view_lines(story.events, us(at), width, height, Style(**style))


@pytest.mark.parametrize("width", [100, 72, 40])
@pytest.mark.parametrize("name", STORIES)
def test_a_run_looks_as_it_did_when_it_was_judged(name, width, golden):
    make, at = STORIES[name]
    golden(f"live-{name}-{width}.txt", "\n".join(seen(make(), at, width)))


@pytest.mark.parametrize("width", [24, 30, 47, 80, 133])
@pytest.mark.parametrize("name", STORIES)
def test_no_line_is_wider_than_the_terminal(name, width):
    make, at = STORIES[name]
    assert max(cells(line) for line in seen(make(), at, width)) <= width


@pytest.mark.parametrize("name", STORIES)
def test_colour_only_adds_to_the_words(name):
    make, at = STORIES[name]
    painted = seen(make(), at, color=True)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in painted] == seen(make(), at)
    assert painted != seen(make(), at)


def test_without_unicode_every_line_is_ascii():
    assert "\n".join(seen(nested(), 4.5, unicode=False)).isascii()


def test_a_step_that_is_asked_again_says_when_and_why():
    line, why = seen(verifying(), 6.4)[-2:]
    assert "waiting   Did it help" in line
    assert "asking again in 7 s" in line
    assert why == "    result.used_memory / result.maxmemory < inputs.limit: 0.93"


def test_a_step_that_is_done_is_given_once_and_never_drawn_again():
    view = LiveView(Style())
    for event in resolved().events:
        view.apply(event)
    first = view.settled(100)
    assert len(first) == 5
    assert view.settled(100) == []
    assert view.moving(us(20), 100, 50) == []


def test_what_is_done_behind_something_that_runs_stays_in_the_region():
    view = LiveView(Style())
    for event in nested().events:
        view.apply(event)
    assert len(view.settled(100)) == 1
    assert len(view.moving(us(4.5), 100, 50)) == 10


def test_on_a_low_terminal_the_finished_lines_give_way_first():
    lines = seen(wide(), 3.0, height=10)[1:]
    assert len(lines) == 10
    assert "more lines not shown" in lines[0]
    assert [line for line in lines if "running" in line][1:] == [
        line for line in seen(wide(), 3.0) if re.search(r"running +Shard 3[6-9]|Shard 40", line)
    ]


def test_a_step_inside_one_whose_lines_are_given_is_shown_below_and_indented():
    story = failing()
    view = LiveView(Style())
    for event in story.events[:5]:
        view.apply(event)
    view.settled(100)
    view.apply(story.started(1.0, "health/on_failure/note", title="Tell somebody"))
    assert view.moving(us(1.2), 100, 50) == ["  ⠋ running   Tell somebody"]


def test_a_cancel_says_that_what_cannot_be_stopped_is_waited_for():
    story = clearing()
    story.add(4, "CancelRequested", {"name": "ada", "means": "os-user"}, reason="Ctrl-C")
    assert seen(story, 5)[-1] == "ada asked to cancel: waiting for what cannot be stopped"


def test_an_action_in_doubt_that_a_person_settled_is_passed():
    story = failing()
    ada = {"name": "ada", "means": "os-user"}
    story.add(50, "DoubtSettled", ada, path="restart", happened=True, reason="it is up since 02:01")
    line = next(line for line in seen(story, 60) if "Restart" in line)
    assert line.startswith("✓ passed    Restart the worker")
    assert "ada settled it: it happened" in line


def test_what_a_target_answers_cannot_write_on_the_screen():
    story = Story()
    story.run_started()
    story.started(0, "check", title="evil \x1b[2J title")
    story.finished(1, "check", outcome={"result": {"text": "\x1b]0;owned\x07"}})
    assert "\x1b" not in "\n".join(seen(story, 2))


def test_an_event_seen_twice_changes_nothing():
    story = verifying()
    once = seen(story, 6.4)
    story.events += story.events
    assert seen(story, 6.4) == once


def test_the_head_names_runbook_environment_person_and_run():
    assert seen(clearing(), 1)[0] == (
        f"stratum/redis-memory-pressure in staging, started by ada, run {RUN}"
    )
