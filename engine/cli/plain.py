"""A run as lines of a log: one for each event that matters, whole, in the order of what happened.

For pipes, files and terminals that cannot be drawn upon. A check says something when it ends; what
changes something, waits or asks says so when it begins, because it may be the last thing the log
says for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from engine.cli.called import MUTE
from engine.cli.calls import aloud
from engine.cli.live import CHANGING, MICROSECONDS, WORD_CELLS, found
from engine.cli.rows import CONTAINERS, Row, Rows
from engine.cli.text import Style, pad, took
from engine.core.cells import clean
from engine.core.events import Event, spoken

_ASKED = {
    "PauseRequested": "asked to pause",
    "ContinueRequested": "lets it go on",
    "UndoRequested": "asked to undo it",
}


class PlainView:
    """Lines for the events of one run."""

    def __init__(self, style: Style) -> None:
        self.rows = Rows()
        self.style = style
        self._again: dict[str, str] = {}
        """The last thing said of a step that is asked again and again: the same is said once."""

    def lines(self, event: Event) -> list[str]:
        row = self.rows.apply(event)
        time = stamp(event.at_us)
        return [f"{time}  {text}".rstrip() for text in self._texts(event, row)]

    def _texts(self, event: Event, row: Row | None) -> Iterator[str]:
        if event.type == "RunStarted":
            rows = self.rows
            yield f"{rows.name} in {rows.environment}, started by {rows.actor}, run {rows.run}"
        elif event.type in ("RunQueued", "RunRefused"):
            word = "waits in line" if event.type == "RunQueued" else "refused"
            yield f"run {event.run} {word}: {clean(str(event.body.get('reason')))}"
        elif event.type == "RunJoined":
            yield f"{clean(str(event.actor.get('name', '')))} asked for what this run does already"
        elif event.type == "RunTakenUp":
            yield from self._taken_up(event)
        elif event.type in ("PauseRequested", "ContinueRequested", "UndoRequested"):
            reason = clean(str(event.body.get("reason") or ""))
            who = clean(spoken(event.actor))
            yield f"{who} {_ASKED[event.type]}" + (f": {reason}" if reason else "")
        elif event.type == "CancelRequested":
            reason = clean(str(event.body.get("reason") or ""))
            who = clean(spoken(event.actor))
            yield f"{who} asked to cancel" + (f": {reason}" if reason else "")
        elif lines := aloud(event):
            taken = ", which was taken already" if event.seq in self.rows.calls.late else ""
            yield from (f"{line}{taken}" for line in lines)
        elif row is not None and row.kind != "end":
            yield from self._of_step(event, row)

    def _taken_up(self, event: Event) -> Iterator[str]:
        paths = ", ".join(map(str, event.body.get("interrupted") or ()))
        cut_short = f"; cut short were {paths}" if paths else ""
        yield f"taken up by {clean(str(event.body.get('driver', '')))}{cut_short}"
        if held := self.rows.calls.held:
            yield f"it cannot be gone on with, and rests: {held}"
        if mend := self.rows.calls.mend:
            yield f"to put it right: {mend}"
        if self.rows.calls.mute:
            yield MUTE

    def _of_step(self, event: Event, row: Row) -> Iterator[str]:
        if event.type == "StepStarted":
            if _speaks_up(row) and row.attempt == 1:
                word = "waiting" if row.asks or row.until_us is not None else "started"
                yield self._line(word, row, self._said(row, event.at_us))
        elif event.type == "StepProgressed":
            yield self._line("running", row, row.progress)
        elif event.type == "AttemptFinished":
            if self._again.get(row.path) != row.found:
                self._again[row.path] = row.found
                yield self._line("waiting", row, self._said(row, event.at_us))
        elif event.type in ("StepFinished", "StepSkipped", "DoubtSettled"):
            yield from self._ended(row)
        elif event.type == "Answered":
            yield self._line("answered", row, row.found)
        elif event.type == "ApprovalRequested":
            yield self._line("waiting", row, f"approval of {row.approval}")
        elif event.type in ("Approved", "Denied", "ApprovalRefused", "ApprovalExpired"):
            yield self._line("waiting", row, row.found)

    def _ended(self, row: Row) -> Iterator[str]:
        if row.kind in CONTAINERS and row.word == "passed":
            return  # all that is in it has spoken
        seconds = ((row.finished_us or row.started_us) - row.started_us) / MICROSECONDS
        time = "" if row.word == "skipped" else f"  ({took(seconds)})"
        yield self._line(row.word, row, row.found) + time
        for detail in row.details:
            yield f"{' ' * (WORD_CELLS + 2)}  {detail}"

    @staticmethod
    def _said(row: Row, now_us: int) -> str:
        return ": ".join(part for part in found(row, now_us) if part)

    def _line(self, word: str, row: Row, text: str) -> str:
        lead = self.style.paint(pad(word, WORD_CELLS), self.style.colour_of(word))
        made = "-" in row.id  # by the loader, for a step whose author gave none
        name = row.title if made or row.title == row.id else f"{row.id}: {row.title}"
        return f"{lead}  {_where(row)}{name}" + (f" - {text}" if text else "")


def _speaks_up(row: Row) -> bool:
    return (
        row.asks
        or row.until_us is not None
        or row.kind in CONTAINERS
        or row.kind == "escalate"
        or row.plan.get("effect") in CHANGING
    )


def _where(row: Row) -> str:
    """Of a step inside an `each`, the item: its id alone would not tell which one it is."""
    above = row.parent
    while above is not None:
        if above.heading:
            return f"[{above.title}] "
        above = above.parent
    return ""


def stamp(at_us: int) -> str:
    """`2026-11-21 02:15:00+01:00`: a log is read elsewhere and later."""
    local = datetime.fromtimestamp(at_us // MICROSECONDS).astimezone()
    return local.isoformat(sep=" ")
