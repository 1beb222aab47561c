"""The painter: a region that is drawn again and again, below lines that stay."""

from __future__ import annotations

import os

import pytest
from events import us
from screen import Screen
from stories import calling, clearing, resolved, wide

from engine.cli import paint
from engine.cli.live import LiveView
from engine.cli.paint import Painter
from engine.cli.text import Style


@pytest.fixture
def size(monkeypatch):
    """The size of the terminal, which a test may change."""
    now = {"columns": 80, "lines": 24}
    monkeypatch.setattr(
        paint.shutil, "get_terminal_size", lambda: os.terminal_size((now["columns"], now["lines"]))
    )
    monkeypatch.setattr(paint.time, "time_ns", lambda: us(12.4) * 1000)
    return now


def painter(events, screen: Screen) -> Painter:
    made = Painter(LiveView(Style(unicode=False)), screen)
    for event in events:
        made.apply(event)
    return made


def test_drawing_twice_leaves_every_line_once(size):
    screen = Screen(80)
    drawing = painter(clearing().events, screen)
    drawing.draw()
    first = list(screen.lines)
    drawing.draw()
    drawing.draw()
    assert screen.lines == first
    assert len([line for line in first if "Drop the analytics cache" in line]) == 1


async def test_all_that_was_drawn_in_steps_is_at_the_end_what_one_drawing_shows(size):
    events = resolved().events
    stepwise, at_once = Screen(80), Screen(80)
    drawing = painter([], stepwise)
    for event in events:
        drawing.apply(event)
        drawing.draw()
    await drawing.stop()
    await painter(events, at_once).stop()
    assert stepwise.lines == at_once.lines


def test_a_frame_is_one_write(size):
    screen = Screen(80)
    drawing = painter(clearing().events, screen)
    drawing.draw()
    assert screen.writes == 1


def test_a_pause_takes_the_region_away_and_what_is_written_then_stays(size):
    screen = Screen(80)
    drawing = painter(clearing().events, screen)
    drawing.draw()
    drawing.pause()
    assert not any("running" in line for line in screen.lines)
    screen.write("Is it so? yes\n")
    drawing.draw()
    drawing.go_on()
    texts = [line for line in screen.lines if line]
    assert texts[-2] == "Is it so? yes"
    assert "running" in texts[-1]


def test_a_window_made_narrower_leaves_no_rubbish_behind(size):
    screen = Screen(80)
    drawing = painter(clearing().events, screen)
    drawing.draw()
    size["columns"] = 50
    narrow = Screen(50)
    for line in screen.lines[:-1]:
        narrow.write(line + "\n")
    drawing._stream = narrow
    drawing.draw()
    assert len([line for line in narrow.lines if "Drop the analytics" in line]) == 1


def test_the_region_never_grows_higher_than_the_terminal(size):
    size["lines"] = 10
    screen = Screen(80)
    drawing = painter(wide().events, screen)
    drawing.draw()
    drawing.draw()
    assert len(drawing._drawn) == 9
    assert len(screen.lines) == 1 + 9 + 1


def test_a_note_stands_above_the_region(size):
    screen = Screen(80)
    drawing = painter(clearing().events, screen)
    drawing.draw()
    drawing.note(["asking the run to stop"])
    texts = [line for line in screen.lines if line]
    assert texts[-2] == "asking the run to stop"
    assert "Drop the analytics cache" in texts[-1]


def test_a_terminal_that_is_gone_ends_the_drawing_and_nothing_else(size):
    class Gone(Screen):
        def write(self, text: str) -> int:
            self.writes += 1
            raise BrokenPipeError

    screen = Gone()
    drawing = painter(clearing().events, screen)
    drawing.draw()
    drawing.draw()
    assert screen.writes == 1


def test_who_is_called_stands_above_the_question_whether_one_takes_it(size):
    screen = Screen(80)
    drawing = painter(calling().events, screen)
    drawing.draw()
    drawing.pause()
    texts = [line.strip() for line in screen.lines if line]
    assert "Bo Ek was told by slack" in texts
    assert texts[-2].startswith("then lead by mail (level 2 of 2) at 02:15:00")
    assert texts[-1] == "take it: runbook ack r7k2-0001"
