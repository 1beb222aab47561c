"""Questions of a run, asked on the terminal while the run goes on.

Reading a line takes no thread: the terminal tells the event loop when the person pressed return. So
a question ends at once when somebody answers elsewhere or the run is cancelled, and Ctrl-C works in
it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from engine.cli.output import Output
from engine.cli.text import Style, wrap
from engine.core.brief import show
from engine.core.cells import clean, cut
from engine.core.events import Event
from engine.wiring import Question

EVIDENCE_MAX_LINES = 20
"""Of the evidence beside a question: what is longer is in the audit trail and pushes the question
away."""

ANSWER_MAX_BYTES = 4096
"""Of a line that is typed: the terminal itself gives no longer one."""

SHORT = {
    "y": "yes",
    "n": "no",
    "d": "done",
    "nd": "not-done",
    "a": "acknowledged",
    "ack": "acknowledged",
}
"""What a tired person types."""


class Screen(Protocol):
    """What has to make room for a question. `prompt`: the line that waits for an answer."""

    prompt: str

    def pause(self) -> None: ...

    def go_on(self) -> None: ...


class TerminalAsker:
    """Asks the person at the terminal; one question at a time, however many branches ask."""

    def __init__(
        self, output: Output, screen: Screen | None, title_of: Callable[[str], str]
    ) -> None:
        self._output = output
        self._screen = screen
        self._title_of = title_of
        self._turn = asyncio.Lock()
        self._lines = _LineReader(sys.stdin.fileno())
        self._open: tuple[str, asyncio.Task[tuple[str, str] | None]] | None = None
        self._answered = False

    async def __call__(self, question: Question) -> tuple[str, str] | None:
        async with self._turn:
            if self._screen is not None:
                self._screen.pause()
            asking = asyncio.ensure_future(self._ask(question))
            self._open, self._answered = (question.path, asking), False
            try:
                return await asking
            except asyncio.CancelledError:
                if not self._answered:
                    raise
                return None
            finally:
                self._open = None
                if self._screen is not None:
                    self._screen.go_on()

    def heed(self, event: Event) -> None:
        """Ends the question at the terminal when it was answered elsewhere, or its step is over."""
        if self._open is None or event.type not in ("Answered", "StepFinished", "StepSkipped"):
            return
        path, asking = self._open
        if path == event.body.get("path"):
            self._answered = True
            asking.cancel()

    async def _ask(self, question: Question) -> tuple[str, str] | None:
        title = self._title_of(question.path) or question.id
        for line in question_lines(question, title, self._width, self._output.error_style):
            self._output.note(line)
        choices = "/".join(question.answers)
        if question.kind == "acknowledge":
            choices = "you take it? type ack"
        answer = None
        while answer is None:
            typed = await self._prompt(f"  {choices}: ")
            if typed is None:
                self._output.note("  left open: the run will wait for an answer")
                return None
            answer = match_answer(typed, question.answers)
            if answer is None:
                self._output.note(f"  please type one of {', '.join(question.answers)}")
        wanted = "a note for the record (return for none)"
        wanted = "the reason, for the record" if question.kind == "approve" else wanted
        note = await self._prompt(f"  {wanted}: ", fresh=False)
        return answer, (note or "").strip()

    async def _prompt(self, text: str, *, fresh: bool = True) -> str | None:
        sys.stderr.write(text)
        sys.stderr.flush()
        if self._screen is not None:
            self._screen.prompt = text
        try:
            line = await self._lines.read(fresh=fresh)
        except asyncio.CancelledError:
            self._output.note("(no longer asked)" if self._answered else "")
            raise
        finally:
            if self._screen is not None:
                self._screen.prompt = ""
        if line is None:
            self._output.note("")
        return line

    @property
    def _width(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return max(24, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
        return 79


class _LineReader:
    """Lines of a terminal, awaited. None at the end of input (Ctrl-D)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def read(self, *, fresh: bool) -> str | None:
        """The next line. With `fresh`, what was typed before now is dropped: it answers nothing."""
        if fresh:
            with contextlib.suppress(termios.error, OSError):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._descriptor)
        octets = os.read(self._descriptor, ANSWER_MAX_BYTES)
        return octets.decode(errors="replace").rstrip("\r\n") if octets else None


def match_answer(typed: str, answers: tuple[str, ...]) -> str | None:
    """The answer that is meant: itself, or its usual short form."""
    word = typed.strip().lower().replace(" ", "-")
    if word in answers:
        return word
    meant = SHORT.get(word)
    return meant if meant in answers else None


def question_lines(question: Question, title: str, width: int, style: Style) -> Iterator[str]:
    """The question as it stands on the screen: what is asked, and what is known about it."""
    yield style.paint(cut(f"? question  {clean(title)}", width, style.ellipsis), "bold")
    for line in wrap(question.text, width - 2):
        yield f"  {line}"
    lines = list(evidence_lines(question.evidence, width - 4))
    for line in lines[:EVIDENCE_MAX_LINES]:
        yield f"    {line}"
    if len(lines) > EVIDENCE_MAX_LINES:
        yield f"    ({len(lines) - EVIDENCE_MAX_LINES} more lines in the audit trail)"


def evidence_lines(evidence: Any, width: int) -> Iterator[str]:
    """Evidence for eyes: fields one a line, anything deeper as JSON."""
    if evidence in (None, "", {}, []):
        return
    if isinstance(evidence, str):
        yield from wrap(evidence, width)
    elif isinstance(evidence, Mapping):
        for key, value in evidence.items():
            text = show(value) if not isinstance(value, Mapping | list) else json.dumps(value)
            yield from wrap(f"{key}: {text}", width)
    else:
        yield from wrap(json.dumps(evidence), width)
