"""The lines of a log: one for each event that matters."""

from __future__ import annotations

import pytest
from events import Story
from stories import STORIES, verifying

from engine.cli.plain import PlainView
from engine.cli.rows import clock_time
from engine.cli.text import Style


def logged(story: Story, **style: bool) -> list[str]:
    view = PlainView(Style(**style))
    return [line for event in story.events for line in view.lines(event)]


@pytest.mark.parametrize("name", STORIES)
def test_a_log_reads_as_it_did_when_it_was_judged(name, golden):
    golden(f"plain-{name}.txt", "\n".join(logged(STORIES[name][0]())))


def test_a_check_that_is_asked_many_times_says_the_same_once():
    story = verifying()
    before = len(logged(story))
    for at in (13.41, 23.41):
        story.started(at, "verify", attempt=2, title="Did it help")
        story.again(
            at, "verify", at + 10, "result.used_memory / result.maxmemory < inputs.limit: 0.93"
        )
    assert len(logged(story)) == before
    story.started(33.41, "verify", attempt=4, title="Did it help")
    story.again(33.41, "verify", 43.41, "result.used_memory: 0.85")
    assert len(logged(story)) == before + 1


def test_a_question_and_its_answer_are_lines_of_their_own():
    story = STORIES["asking"][0]()
    story.add(70, "Answered", {"name": "bob"}, path="dashboard", answer="yes", note="all red")
    story.finished(70, "dashboard", outcome={"result": {"answer": "yes", "by": "bob"}})
    lines = [line.partition("  ")[2] for line in logged(story)[1:]]
    assert lines == [
        "waiting   dashboard: Look at the dashboard - waits for a person: Is the dashboard red?",
        "answered  dashboard: Look at the dashboard - bob answered yes: all red",
        "passed    dashboard: Look at the dashboard - answer yes, by bob  (1 min 10 s)",
    ]


def test_a_run_that_is_taken_up_says_what_was_cut_short():
    story = STORIES["clearing"][0]()
    story.add(60, "RunTakenUp", story.actor, driver="box:4711", interrupted=["clear"])
    assert logged(story)[-1].endswith("taken up by box:4711; cut short were clear")


def test_every_line_begins_with_its_time_and_offset():
    assert all(
        line.startswith("2026-11-21 02:0") and "+00:00  " in line
        for line in logged(verifying())
        if not line.startswith(" ")
    )


def test_a_time_of_another_day_has_its_day():
    begun_us = 1_795_226_400_000_000
    today, tomorrow = (
        clock_time(begun_us, begun_us),
        clock_time(begun_us + 86_400 * 10**6, begun_us),
    )
    assert len(today) == len("02:00:00")
    assert tomorrow.endswith(f" {today}")
    assert len(tomorrow) == len("Sun 2026-11-22 02:00:00")
