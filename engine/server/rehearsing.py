"""Rehearses what has not been rehearsed for longer than its `rehearse_every`, one at a time."""

from __future__ import annotations

from engine.core.events import Actor
from engine.core.schedule import rehearsal_due
from engine.errors import RunbookError
from engine.language.model import Runbook
from engine.server.keeper import Keeper
from engine.server.logs import Log
from engine.server.shelf import Shelf

LOOK_S = 300.0
"""Between two looks: nobody waits for a rehearsal to the minute."""

ROWS_MAX = 20
"""Rehearsals of one runbook that are looked through for the last one in the environment."""

ACTOR = Actor("rehearse_every", "schedule")


class Rehearsals:
    """Used from one event loop."""

    def __init__(self, keeper: Keeper, shelf: Shelf, log: Log, environment: str) -> None:
        self._keeper = keeper
        self._shelf = shelf
        self._log = log
        self._environment = environment

    async def look(self, now_us: int) -> list[str]:
        """Begins the rehearsals that are due; their runs."""
        begun: list[str] = []
        for runbook in self._shelf.books():
            if runbook.rehearse_every_s is not None and await self._is_due(runbook, now_us):
                run = await self._begin(runbook)
                begun += [run] if run is not None else []
        return begun

    async def keep(self) -> None:
        """Looks for ever."""
        clock = self._keeper.engine.clock
        while True:
            try:
                await self.look(clock.now_us())
            except RunbookError as error:
                self._log.warning("rehearsals wait", why=error.message)
            await clock.sleep(LOOK_S)

    async def _is_due(self, runbook: Runbook, now_us: int) -> bool:
        store = self._keeper.engine.store
        rows = await store.runs(name=runbook.name, mode="rehearsal", limit=ROWS_MAX)
        here = [row.started_us for row in rows if row.environment == self._environment]
        last_us = here[0] if here else None
        return rehearsal_due(runbook.rehearse_every_s or 0, last_us, now_us) is not None

    async def _begin(self, runbook: Runbook) -> str | None:
        """One that cannot begin (an input it needs, no such environment) is told, and left."""
        try:
            given = {"actor": ACTOR, "rehearsal": True}
            begun = await self._keeper.start(runbook.name, self._environment, **given)
        except RunbookError as error:
            why = error.message
            self._log.warning("a rehearsal cannot begin", runbook=runbook.name, why=why)
            return None
        return begun.run
