"""How a run shows itself while it goes on: a live view, lines of a log, or JSON; and its last
words."""

from __future__ import annotations

import asyncio
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from engine.cli.ask import TerminalAsker
from engine.cli.called import heard_text
from engine.cli.calls import aloud
from engine.cli.live import MICROSECONDS, LiveView
from engine.cli.output import Output
from engine.cli.paint import Painter
from engine.cli.plain import PlainView
from engine.cli.rows import Rows
from engine.cli.signals import handle
from engine.cli.text import took, wrap
from engine.cli.trail import event_json
from engine.core.cells import clean
from engine.core.events import Event
from engine.journal.calls import QUESTION
from engine.wiring import Answerer, Faces, RunResult

BAD_MAX = 3
"""Steps that did not go well named in the last words: the first ones lead to the others."""


class Face(ABC):
    """What all of them do. `observe` takes the events as they happen."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.run = ""
        self.ended = asyncio.Event()
        """The steps are over. The run goes on as long as it calls people."""
        self._asker: TerminalAsker | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @property
    def rows(self) -> Rows | None:
        return None

    def observe(self, event: Event) -> None:
        self.run = event.run
        if event.type == "RunFinished":
            self.ended.set()
        elif event.type in ("RunTakenUp", "UndoRequested"):
            self.ended.clear()
        if self._asker is not None:
            self._asker.heed(event)
        self.show(event)

    @abstractmethod
    def show(self, event: Event) -> None:
        """One event, in this face's way."""

    def past(self, event: Event) -> None:
        """An event from before this program drove the run."""
        self.observe(event)

    def asker(self) -> Answerer | None:
        """Who asks questions, or None when nobody is there to answer."""
        return self._asker

    def faces(self) -> Faces:
        """What the engine is given."""
        return Faces(observe=self.observe, ask=self.asker(), console=self.say)

    def title_of(self, path: str) -> str:
        """What the step at a path is called, where this view has seen it."""
        row = self.rows.find(path) if self.rows is not None else None
        return row.title if row is not None else ""

    def say(self, text: str) -> None:
        self.output.note(text)

    def left(self) -> None:
        """Last words of a program that leaves in the middle."""
        if self.run:
            self.say(
                f"left; what was done is recorded, take it up with: "
                f"{self.output.command} resume {self.run}"
            )
        else:
            self.say("left before anything was begun")

    def finish(self, result: RunResult) -> None:
        lines = list(summary_lines(result, self.rows, self.output))
        self.output.lines(lines)
        for line in next_lines(result, self.output.command):
            self.output.note(line)


class LiveFace(Face):
    """The view that is redrawn, on a terminal."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._painter = Painter(LiveView(output.style), sys.stdout)
        self._asker = TerminalAsker(output, self._painter, self.title_of) if output.asks else None

    async def __aenter__(self) -> Self:
        self._painter.start()
        handle(signal.SIGCONT, self._painter.begin_anew)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._painter.stop()

    @property
    def rows(self) -> Rows:
        return self._painter.view.rows

    def show(self, event: Event) -> None:
        self._painter.apply(event)
        if self._painter.paused and (lines := aloud(event)):  # a question stands where the view was
            self._painter.note(lines)

    def say(self, text: str) -> None:
        self._painter.note(wrap(text, self._painter.width))


class PlainFace(Face):
    """Lines, as events come."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._view = PlainView(output.style)
        self._asker = TerminalAsker(output, None, self.title_of) if output.asks else None

    @property
    def rows(self) -> Rows:
        return self._view.rows

    def show(self, event: Event) -> None:
        self.output.lines(self._view.lines(event))

    def past(self, event: Event) -> None:
        self.run = event.run
        self._view.rows.apply(event)


class JsonFace(Face):
    """One JSON object a line: the events, and `{"type": "result", ...}` at the end."""

    def show(self, event: Event) -> None:
        self.output.object(event_json(event))

    def past(self, event: Event) -> None:
        self.run = event.run

    def finish(self, result: RunResult) -> None:
        self.output.object(
            {
                "type": "result",
                "run": result.run,
                "status": result.status,
                "exit_code": result.exit_code,
                "because": result.because,
                "outputs": result.outputs,
                "questions": [
                    {
                        "path": q.path,
                        "id": q.id,
                        "kind": q.kind,
                        "text": q.text,
                        "answers": list(q.answers),
                    }
                    for q in result.questions
                ],
            }
        )
        for line in next_lines(result, self.output.command):
            self.output.note(line)


def make_face(output: Output) -> Face:
    if output.json:
        return JsonFace(output)
    return LiveFace(output) if output.live else PlainFace(output)


def summary_lines(result: RunResult, rows: Rows | None, output: Output) -> Iterator[str]:
    """How the run ended, why, where, and how to read all of it."""
    style, width = output.style, output.width
    word = style.paint(
        f"{style.symbol(result.status)} {result.status}", style.colour_of(result.status)
    )
    time = ""
    if rows is not None and rows.started_us:
        time = f" after {took((rows.last_us - rows.started_us) / MICROSECONDS)}"
    yield ""
    yield f"{word}{time}"
    facts: list[tuple[str, str]] = []
    if result.because:
        facts.append(("because", result.because))
    bad = [row for row in rows.bad if not row.children] if rows is not None else []
    for row in bad[:BAD_MAX] if result.status != "resolved" else ():
        text = f"{row.title}: {row.found}" if row.found else row.title
        if clean(text) != clean(result.because or ""):
            facts.append((row.word, text))
    if rows is not None and rows.finished:
        facts += [("may run on", str(path)) for path in rows.finished.get("running") or ()]
    facts += _called(rows)
    facts += [("run", result.run), ("trail", f"{output.command} audit show {result.run}")]
    for name, text in facts:
        first_line, *rest = wrap(clean(text), max(20, width - 12))
        yield f"  {style.paint(f'{name:<9}', 'dim')} {first_line}"
        for line in rest:
            yield f"  {'':<9} {line}"


def _called(rows: Rows | None) -> Iterator[tuple[str, str]]:
    """Who was called, and who took it."""
    if rows is None:
        return
    for one in rows.calls.shown():
        people = ", ".join(heard_text(heard, rows.last_us) for heard in one.people.values())
        word = "asked" if one.key.startswith(QUESTION) else "called"
        yield word, f"{one.title}: {people or 'nobody is found'}"
        if one.taken or one.nobody_left:
            yield "", one.taken or one.nobody_left


def next_lines(result: RunResult, command: str) -> Iterator[str]:
    """The commands with which a person makes it go on, where the run waits for one."""
    for question in result.questions:
        if question.kind == "doubt":
            yield f"in doubt: {clean(question.text)} Look at its target, then say so:"
            yield f"  {command} settle {result.run} {question.path} --happened --reason '...'"
            yield f"  {command} settle {result.run} {question.path} --did-not --reason '...'"
        elif question.kind == "approve":
            yield f"{clean(question.id)} waits for approval: {clean(question.text)}"
            for word in ("approve", "deny"):
                yield f"  {command} {word} {result.run} {question.path} --reason '...'"
        else:
            yield f"{clean(question.id)} waits for a person: {clean(question.text)}"
            for answer in question.answers:
                yield f"  {command} answer {result.run} {question.path} {answer} --note '...'"
    if result.questions:
        yield f"then: {command} resume {result.run}"
