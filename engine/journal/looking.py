"""Looks for what other processes append to a SQLite journal, as long as somebody here waits for it.

What this process appends is told by its writer. For the rest a look is one PRAGMA; runs are looked
up only where the file has changed by somebody else's hand, or somebody began to listen.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from engine.clock import Clock
from engine.errors import JournalError
from engine.journal import faults, schema
from engine.journal.waiting import Waiters

POLL_S = 0.05
"""Between looks for other processes' appends: an answer given there is noticed before a person
looks up."""

FEW = 32
"""Runs that are looked up without asking first who it was that changed the file: the answer comes
out of a transaction, which costs as much, and holds others up."""

Ends = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]
"""The last seqs of runs."""


class Looker:
    """See the module. `others`: a number that is another one when another process has committed."""

    def __init__(
        self,
        where: tuple[Path, float],
        clock: Clock,
        waiters: Waiters,
        ends: Ends,
        others: Callable[[], Awaitable[int]],
    ) -> None:
        self._path, self._busy_s = where
        self._clock = clock
        self._waiters = waiters
        self._ends = ends
        self._others = others
        self._seen: int | None = None
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Looks from now on, until nobody waits."""
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._look())

    def end(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def _look(self) -> None:
        try:
            with closing(schema.connect(self._path, self._busy_s)) as connection:
                await self._look_with(connection)
        except sqlite3.Error as error:
            self._waiters.fail(faults.in_words(error, self._path, self._busy_s))
        except JournalError as error:
            self._waiters.fail(error)

    async def _look_with(self, connection: sqlite3.Connection) -> None:
        version: int | None = None
        while self._waiters:
            now = connection.execute("PRAGMA data_version").fetchone()[0]
            runs = self._waiters.new()
            if now != version:
                version = now
                if await self._by_others():
                    runs = self._waiters.runs()
            if runs:
                for run, seq in (await self._ends(runs)).items():
                    self._waiters.wake(run, seq)
            await self._clock.sleep(POLL_S)

    async def _by_others(self) -> bool:
        """Whether somebody else may have changed the file since this was asked last."""
        if len(self._waiters) <= FEW:
            self._seen = None
            return True
        try:
            others = await self._others()
        except JournalError:
            return True  # it may be read still
        before, self._seen = self._seen, others
        return others != before
