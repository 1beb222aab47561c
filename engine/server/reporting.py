"""What runs that an incident started say on it: that they started, what they found, how they ended.

Nothing is kept in memory only: what is said follows from the ledger and the journal, so that after
a death the next look says what is missing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from engine.clock import MICROSECONDS
from engine.core.arrivals import incident_of
from engine.core.events import Event
from engine.errors import RunbookError
from engine.journal.ledger import Delivery, Ledger, Verdict
from engine.server.dispatch import read_arrival
from engine.server.keeper import Keeper
from engine.server.logs import Log
from engine.server.pagerduty import Notes, started_text

AGAIN_S = 30.0
"""Before a note that could not be said is tried again."""

BACK_S = 48 * 3600.0
"""How old a delivery may be whose notes are still made up for."""

LOOKED_MAX = 1000
"""Deliveries one look goes through."""

FINDINGS_MAX = 12
"""Lines of findings in a note: who reads more reads the run."""


class Reporter:
    """Used from one event loop."""

    def __init__(self, notes: Notes, ledger: Ledger, keeper: Keeper, log: Log, url: str) -> None:
        self._notes = notes
        self._ledger = ledger
        self._keeper = keeper
        self._log = log
        self._url = url
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something happened that may have to be said."""
        self._wake.set()

    async def settled(
        self, row: Delivery, _verdicts: list[Verdict], _event: dict[str, Any]
    ) -> None:
        if row.source == "pagerduty":
            self.wake()

    async def keep(self) -> None:
        """Says what there is to say, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.look()
            except RunbookError as error:
                self._log.warning("a note waits", why=error.message)

    async def look(self) -> None:
        """Says all that is not said yet. Raises StepError, JournalError: later, again."""
        since_us = self._keeper.engine.clock.now_us() - round(BACK_S * MICROSECONDS)
        for row in await self._ledger.latest(source="pagerduty", limit=LOOKED_MAX):
            if row.received_us < since_us:
                return
            if row.verdict not in (None, "ignored"):
                await self._about(row)

    async def _about(self, row: Delivery) -> None:
        _, body = await self._ledger.get(row.id)
        incident = incident_of(read_arrival(row.source, body, row.id).candidates[0])
        if incident is None:
            return
        for run, text in started_text(list(row.verdicts), row, self._url):
            await self._notes.say(incident, run, "start", text)
        for verdict in row.verdicts:
            if verdict.word == "started" and verdict.run is not None:
                await self._about_run(incident, verdict.run)

    async def _about_run(self, incident: str, run: str) -> None:
        events = await self._keeper.engine.store.events(run)
        if not events or events[0].type != "RunStarted":
            return
        wanted = (events[0].body.get("event") or {}).get("rule") or {}
        if wanted.get("acknowledge"):
            await self._notes.turn(incident, run, "acknowledged")
        if events[-1].type == "RunFinished":
            await self._notes.say(incident, run, "end", outcome_text(events))
            if wanted.get("resolve") and events[-1].body["outcome"] == "resolved":
                await self._notes.turn(incident, run, "resolved")


def outcome_text(events: list[Event]) -> str:
    """How a run ended and what it found, in a few lines."""
    end = events[-1].body
    name = events[0].body.get("name")
    because = f": {end['because']}" if end.get("because") else ""
    lines = [f"{name} ended {end['outcome']}{because}"]
    told = [_finding(event) for event in events if event.type == "StepFinished"]
    findings = [line for line in told if line is not None]
    lines += [f"- {line}" for line in findings[:FINDINGS_MAX]]
    if len(findings) > FINDINGS_MAX:
        lines.append(f"- and {len(findings) - FINDINGS_MAX} more steps")
    return "\n".join(lines)


def _finding(event: Event) -> str | None:
    body = event.body
    if body.get("kind") not in (None, "check", "action"):
        return None
    why = "; ".join(body.get("why") or body.get("warnings") or ())
    title = body.get("title") or body["path"]
    return f"{title}: {body['status']}{f' ({why})' if why else ''}"
