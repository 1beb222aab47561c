"""What the journal holds of a run while messages are on their way, so that each is looked at once
more before it leaves: an acknowledgement may be there by now.

For where the driver's own state does not do: others have appended, or it has drafts that the
journal may refuse. All messages that are on their way share one fold, which reads on: a level that
calls a thousand people reads its run once. With the last of them it is forgotten, since most of the
runs that wait send nothing.
"""

from __future__ import annotations

import asyncio

from engine.core.escalate import wanted
from engine.core.state import State
from engine.journal.contract import Store
from engine.language.model import Runbook


class Written:
    """`with written:` while a message is on its way."""

    def __init__(self, store: Store, run: str, runbook: Runbook) -> None:
        self._store = store
        self._run = run
        self._runbook = runbook
        self._state: State | None = None
        self._under_way = 0
        self._turn = asyncio.Lock()

    def __enter__(self) -> None:
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._state = None

    async def wants(self, escalation: str, summons: str) -> bool:
        """Whether somebody is to be told still. Raises JournalError."""
        async with self._turn:
            state = self._state = self._state or State(self._run, self._runbook)
            for event in await self._store.events(self._run, after=state.seq):
                state.apply(event)
            return wanted(state, escalation, summons)
