"""The lines of the live view: events and the time of now in, lines out. Pure; `paint` puts them on
a screen.

A step is one line: symbol and word for its status, title, what it found or waits for, how long it
took. Rows that can change no more are handed out once by `settled` and belong to the terminal's
scroll-back from then on; `moving` gives the rest, at most as many lines as fit, and is drawn again
and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from engine.cli.called import call_lines, calling_lines
from engine.cli.rows import BAD_WORDS, CONTAINERS, Row, Rows, clock_time
from engine.cli.text import TITLE_MAX_CELLS, Style, countdown, pad, took, wrap
from engine.core.brief import brief
from engine.core.cells import cells, clean, cut
from engine.core.events import Event

MICROSECONDS = 1_000_000

WORD_CELLS = 8
"""The longest word for a status: `in doubt`."""

FOUND_MIN_CELLS = 12
"""Less room than this beside the title, and what was found goes on a line of its own."""

TITLE_MIN_CELLS = 8
"""A title gets at least this, before the time is left out."""

GAP_CELLS = 2
"""Between columns."""

INDENT_SHARE = 8
"""Deep nesting indents by at most a quarter of the width."""

CHANGING = ("idempotent", "unsafe")
"""Effects of actions: one is tried again, a check is asked again."""

DETAILS_MAX = 5
"""Further lines of why below a step. The audit trail has all of them."""

INDENT = "  "


class _Line(Struct, frozen=True):
    text: str
    keep: bool
    """Something moves on this line, or inside what it heads: it is the last to give way."""


class LiveView:
    """The view of one run, fed with its events."""

    def __init__(self, style: Style) -> None:
        self.rows = Rows()
        self.style = style
        self._head_shown = False

    def apply(self, event: Event) -> None:
        self.rows.apply(event)

    def settled(self, width: int) -> list[str]:
        """Lines of the head and of all steps at the beginning that are done; each is given once."""
        lines: list[str] = []
        if not self._head_shown and self.rows.run:
            self._head_shown = True
            lines += head_lines(self.rows, width, self.style)
        while self.rows.top and self.rows.top[0].done:
            row = self.rows.top[0]
            lines += [line.text for line in self._lines(row, row.finished_us or 0, width, 0)]
            self.rows.forget(row)
        return lines

    def moving(self, now_us: int, width: int, height: int, tick: int = 0) -> list[str]:
        """Lines of what still changes, at most `height` of them: finished ones give way first."""
        lines = [line for row in self.rows.top for line in self._lines(row, now_us, width, tick)]
        if self.rows.cancelled_by and self.rows.finished is None:
            text = f"{self.rows.cancelled_by} asked to cancel: waiting for what cannot be stopped"
            lines.append(_Line(self.style.paint(cut(text, width), "yellow"), keep=True))
        if self.rows.finished is not None and self.rows.calls.calling():
            text = f"the run ended {self.rows.finished.get('outcome')}, and goes on calling people"
            lines.append(_Line(self.style.paint(cut(text, width), "yellow"), keep=True))
        called = call_lines(self.rows.calls, self.rows.run, (now_us, width), self.style)
        lines += [_Line(line, keep=True) for line in called]
        return [line.text for line in _fit(lines, height)]

    def left(self, now_us: int, width: int) -> list[str]:
        """What stays on the screen where a question takes the place of the view: what is done, and
        who is called.
        """
        calls = self.rows.calls
        frame = (now_us, width)
        return [*self.settled(width), *calling_lines(calls, self.rows.run, frame, self.style)]

    def rest(self, now_us: int, width: int) -> list[str]:
        """All lines not given yet, whatever their state: when nobody draws any more."""
        return self.settled(width) + self.moving(now_us, width, height=10_000)

    def _lines(self, row: Row, now_us: int, width: int, tick: int) -> Iterator[_Line]:
        if row.kind == "end":
            return
        keep = not row.done and not row.heading
        for text in row_lines(row, now_us, (width, tick), self.style):
            yield _Line(text, keep)
        for child in row.children:
            yield from self._lines(child, now_us, width, tick)


def _fit(lines: list[_Line], height: int) -> list[_Line]:
    """At most `height` lines: the oldest finished ones give way, then the ones furthest down."""
    if len(lines) <= height:
        return lines
    spare = len(lines) - max(1, height - 1)
    kept: list[_Line] = []
    for line in lines:
        if spare and not line.keep:
            spare -= 1
        else:
            kept.append(line)
    hidden = len(lines) - min(len(kept), max(1, height - 1))
    kept = kept[: max(1, height - 1)]
    return [_Line(f"{INDENT}({hidden} more lines not shown)", keep=False), *kept][:height]


def view_lines(
    events: Iterable[Event],
    now_us: int,
    width: int,
    height: int = 10_000,
    style: Style | None = None,
) -> list[str]:
    """The whole view of a run as it stands after these events, at this time."""
    view = LiveView(style or Style())
    for event in events:
        view.apply(event)
    return view.settled(width) + view.moving(now_us, width, height)


def head_lines(rows: Rows, width: int, style: Style) -> list[str]:
    text = f"{rows.name} in {rows.environment}, started by {rows.actor}, run {rows.run}"
    return [style.paint(line, "bold") for line in wrap(text, width)]


def row_lines(row: Row, now_us: int, frame: tuple[int, int], style: Style) -> Iterator[str]:
    """One row in lines of at most `width` columns. `frame`: the width, the tick of the spinner."""
    width, tick = frame
    indent = INDENT * min(row.depth, width // INDENT_SHARE)
    if row.heading:
        yield style.paint(cut(f"{indent}{row.title}", width, style.ellipsis), "dim")
        return
    word = "waiting" if not row.done and waits(row) else row.word
    symbol = style.spinner(tick) if word == "running" else style.symbol(word)
    lead = f"{symbol} {pad(word, WORD_CELLS)}"
    time = elapsed(row, now_us)
    room = width - cells(indent) - cells(lead) - GAP_CELLS
    if time and room - cells(time) - GAP_CELLS >= TITLE_MIN_CELLS:
        room -= cells(time) + GAP_CELLS
    else:
        time = ""
    title = cut(row.title, room, style.ellipsis)
    column = _title_cells(title, room)
    beside, below = _place(row, now_us, room - column - GAP_CELLS, width - cells(indent) - 4)
    beside = cut(beside, room - column - GAP_CELLS, style.ellipsis)
    middle = f"{pad(title, column)}  {beside}" if beside else title
    first = f"{indent}{style.paint(lead, style.colour_of(word))}  "
    yield f"{first}{pad(middle, room)}  {style.paint(time, 'dim')}" if time else first + middle
    for text in below:
        yield f"{indent}{INDENT * 2}{text}".rstrip()


def _title_cells(title: str, room: int) -> int:
    """How wide the column of titles is on this line: at most half of what there is."""
    return max(cells(title), min(TITLE_MAX_CELLS, room // 2))


def _place(row: Row, now_us: int, room: int, width: int) -> tuple[str, list[str]]:
    """What stands beside the title, and what below it. Nothing a person must read is cut off."""
    beside, more = found(row, now_us)
    urgent = (
        row.word in BAD_WORDS
        or row.word == "warning"
        or ((row.asks or row.approval) and not row.done)
    )
    details = [line for detail in (more, *row.details) if detail for line in wrap(detail, width)]
    if cells(beside) > room and (urgent or room < FOUND_MIN_CELLS):
        details = [*wrap(beside, width), *details]
        beside = ""
    if len(details) > DETAILS_MAX:
        hidden = len(details) - DETAILS_MAX + 1
        said = cut(f"({hidden} more lines in the audit trail)", width)
        details = [*details[: DETAILS_MAX - 1], said]
    return beside, details


def waits(row: Row) -> bool:
    """Nothing happens here until a time has come or a person has spoken."""
    return bool(row.approval) or row.asks or row.again or row.until_us is not None


def found(row: Row, now_us: int) -> tuple[str, str]:
    """What stands beside the title: what the step found when it is done, else what it waits for.

    And what belongs on a line below it.
    """
    if row.done or row.word == "in doubt":
        return row.found, ""
    if waits(row):
        return _waits_for(row, now_us)
    if row.progress:
        return row.progress, ""
    if row.kind in CONTAINERS:
        return row.found, ""
    return f"attempt {row.attempt}" if row.attempt > 1 else "", ""


def _waits_for(row: Row, now_us: int) -> tuple[str, str]:
    if row.approval:
        return "waits for approval", f"{row.approval} {row.found}".strip()
    if row.asks:
        return "waits for a person", question_of(row)
    if row.until_us is not None:
        left = countdown((row.until_us - now_us) / MICROSECONDS)
        return f"waits until {clock_time(row.until_us)}, {left} left", ""
    verb = "trying" if row.plan.get("effect") in CHANGING else "asking"
    if row.again_us is None:
        return f"{verb} again", row.found
    return f"{verb} again in {countdown((row.again_us - now_us) / MICROSECONDS)}", row.found


def question_of(row: Row) -> str:
    """What a person is asked: the first text of the parameters, or an escalation's message."""
    params = row.plan.get("params")
    if row.type and not row.type.startswith("human.") and isinstance(params, Mapping):
        return f"by hand: {row.type} on {row.plan.get('target')}, {brief(params)}"
    values = params.values() if isinstance(params, Mapping) else (row.plan.get("message"),)
    return next((clean(value) for value in values if isinstance(value, str)), "")


def elapsed(row: Row, now_us: int) -> str:
    if row.word == "skipped":
        return ""
    if row.finished_us is not None and (row.done or row.word == "in doubt"):
        seconds = (row.finished_us - row.started_us) / MICROSECONDS
        return took(seconds) if seconds >= 1 or row.kind not in CONTAINERS else ""
    seconds = (now_us - row.started_us) / MICROSECONDS
    return "" if seconds < 1 else countdown(int(seconds))
