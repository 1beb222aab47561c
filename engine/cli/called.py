"""Who is called while a run goes on, as lines of a view: what `engine.journal.calls` folds.

Pure, like `rows`: knows no clock and no terminal.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.cli.text import Style, countdown, in_turn, pad, wrap
from engine.clock import MICROSECONDS
from engine.core.cells import clean
from engine.journal.calls import QUESTION, Called, Calls, Heard, face

PEOPLE_MAX = 6
"""Of one escalation, that are named: the trail has all of them."""

MUTE = "nor can anybody be called before that"
"""Of a run whose channels cannot be known."""

LEAD_CELLS = 8
"""As wide as the words for the status of a step."""


def call_lines(calls: Calls, run: str, frame: tuple[int, int], style: Style) -> Iterator[str]:
    """What stands below the steps. `frame`: the time of now, the width."""
    now_us, width = frame
    if calls.held:
        yield from _lines("held", f"it cannot be gone on with: {calls.held}", width, style)
        if calls.mend:
            yield from (f"    {line}" for line in wrap(f"to put it right: {calls.mend}", width - 4))
        if calls.mute:
            yield f"    {MUTE}"
    for one in calls.shown():
        if one.taken:
            yield from _lines("taken", f"{one.title}: {one.taken}", width, style)
            if not one.closed and (same := _all_the_same(one)):
                same = f"unless it is resolved before, {same}"
                yield from (f"    {line}" for line in wrap(same, width - 4))
        elif one.closed and one.untaken:
            yield from _lines("untaken", f"{one.title}: {one.nobody_left}", width, style)
        elif not one.closed:
            yield from _open(one, run, (now_us, width), style)


def calling_lines(calls: Calls, run: str, frame: tuple[int, int], style: Style) -> Iterator[str]:
    """The same of what nobody took yet alone: what stands above `you take it?`."""
    for one in calls.calling():
        if not one.key.startswith(QUESTION):
            yield from _open(one, run, frame, style)


def _open(one: Called, run: str, frame: tuple[int, int], style: Style) -> Iterator[str]:
    now_us, width = frame
    word = "asking" if one.key.startswith(QUESTION) else "calling"
    yield from _lines(word, one.title, width, style)
    yield from (f"    {line}" for text in _said(one, run, now_us) for line in wrap(text, width - 4))


def why_open(calls: Calls | None, ack: str) -> str:
    """Why a run does not end whose steps are over. `ack`: the command that takes it."""
    if calls is None or any(not one.key.startswith(QUESTION) for one in calls.calling()):
        return f"people are called until somebody takes it, or nobody did in time: `{ack}`"
    if later := _later(calls):
        return f"it is taken, and as it is not resolved {' and '.join(later)} all the same"
    return "those who were called are told what became of it"


def _lines(word: str, text: str, width: int, style: Style) -> Iterator[str]:
    lead = f"{style.symbol(word)} {pad(word, LEAD_CELLS)}"
    first, *rest = wrap(text, width - LEAD_CELLS - 4)
    yield f"{style.paint(lead, style.colour_of(word))}  {first}"
    yield from (f"    {line}" for line in rest)


def _said(one: Called, run: str, now_us: int) -> Iterator[str]:
    people = [heard_text(heard, now_us) for heard in one.people.values()]
    if len(people) > PEOPLE_MAX:
        people = [f"({len(people) - PEOPLE_MAX} more)", *people[-PEOPLE_MAX:]]
    yield from people or ["nobody is found"]
    if one.nobody_left:
        yield one.nobody_left
    yield from _next(one, now_us)
    if not one.key.startswith(QUESTION):  # what is asked is answered, as its step says
        yield f"take it: runbook ack {run}"


def heard_text(heard: Heard, now_us: int) -> str:
    """What came of telling somebody, or when that is to begin."""
    if heard.word == "is next":
        if heard.not_before_us is not None and heard.not_before_us > now_us:
            return f"{heard.name} at {face(heard.not_before_us)}, when quiet hours are over"
        return f"{heard.name} by {in_turn(heard.by)}"
    why = f": {heard.why}" if heard.why else ""
    return f"{heard.name} {heard.word} by {heard.channel}{why}"


def _later(calls: Calls) -> list[str]:
    """Which levels are called although it is taken, while it is not resolved; and when."""
    open_ = (one for one in calls.shown() if one.taken and not one.closed)
    return [said for one in open_ if (said := _all_the_same(one))]


def _all_the_same(one: Called) -> str:
    """Of one that is taken, the next level with `unless: resolved`; empty where there is none."""
    at_us = one.due_us
    for number, level in enumerate(one.levels[one.level :], one.level + 1):
        if at_us is None:
            break
        if number > one.level + 1:
            at_us += int(level["after_us"])
        if level["unless"] == "resolved":
            who, by = ", ".join(map(str, level["who"])), in_turn(map(str, level["by"]))
            return f"level {number} calls {clean(who)} by {clean(by)} at {face(at_us)}"
    return ""


def _next(one: Called, now_us: int) -> Iterator[str]:
    if one.stopped:
        yield "it was asked to stop: nobody else is called until it has"
    elif one.again_us is not None and (one.due_us is None or one.again_us < one.due_us):
        yield f"they are called again at {_when(one.again_us, now_us)}"
    elif one.due_us is not None and one.level < len(one.levels):
        level = one.levels[one.level]
        who, by = ", ".join(map(str, level["who"])), in_turn(map(str, level["by"]))
        number = f"level {one.level + 1} of {len(one.levels)}"
        yield f"then {clean(who)} by {clean(by)} ({number}) at {_when(one.due_us, now_us)}"
    elif one.until_us is not None and not one.nobody_left:
        yield f"nobody else is called; they have until {_when(one.until_us, now_us)}"


def _when(at_us: int, now_us: int) -> str:
    return f"{face(at_us)}, {countdown((at_us - now_us) / MICROSECONDS)} left"
