"""What a run asks, asked of whoever sits at the terminal: one question at a time.

A question that was answered elsewhere, or is moot, is taken back. What was typed by then is
recorded all the same, and whoever typed it hears what came of it, also where the run is over
meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from engine.core.effects import Question
from engine.runner.given import Asker

Mind = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Begins a task whose fault is the driver's."""


class Asking:
    """Of one driver. `heard`: there is something to decide anew."""

    def __init__(self, ask: Asker | None, mind: Mind, heard: Callable[[], None]) -> None:
        self._ask = ask
        self._mind = mind
        self._heard = heard
        self._task: asyncio.Task[None] | None = None
        self._path = ""
        self._once: set[str] = set()
        self._recording: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> bool:
        return self._task is not None or bool(self._recording)

    def next(self, questions: Sequence[Question]) -> None:
        """Asks the next one of those that are open; takes back what is not open any more."""
        if self._task is not None and self._path not in {one.path for one in questions}:
            self._task.cancel()
            self._task = None
        if self._ask is None or self._task is not None:
            return
        for question in questions:
            if question.kind != "doubt" and question.path not in self._once:
                self._path = question.path
                self._task = self._mind(self._one(question, self._ask))
                return

    async def leave(self) -> None:
        """Takes back what is asked, and waits for what was typed to be recorded."""
        while self.under_way:
            rest = {*self._recording}
            if self._task is not None:
                self._task.cancel()
                rest.add(self._task)
                self._task = None
            await asyncio.wait(rest)

    async def _one(self, question: Question, ask: Asker) -> None:
        record = await ask(question)
        self._once.add(question.path)  # the answer is not folded yet: not to be asked again
        if record is not None:
            recording = self._mind(record)
            self._recording.add(recording)
            recording.add_done_callback(self._recorded)
            await asyncio.wait({recording})  # which goes on where this question is taken back
        if self._task is asyncio.current_task():  # or the next one is asked already
            self._task = None
        self._heard()

    def _recorded(self, recording: asyncio.Task[None]) -> None:
        self._recording.discard(recording)
        self._heard()
