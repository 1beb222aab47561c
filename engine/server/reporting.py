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
from engine.errors import RunbookError, StepError
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
        self._said: set[str] = set()
        """Deliveries about which nothing is left to say: they are not looked into again."""

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
        """Says all that is not said yet. Raises StepError, JournalError: later, again; what is
        about others is said all the same.
        """
        since_us = self._keeper.engine.clock.now_us() - round(BACK_S * MICROSECONDS)
        rows = await self._ledger.latest(source="pagerduty", limit=LOOKED_MAX)
        young = [row for row in rows if row.received_us >= since_us]
        self._said &= {row.id for row in young}
        failed: RunbookError | None = None
        for row in young:
            if row.verdict in (None, "ignored") or row.id in self._said:
                continue
            try:
                if await self._about(row):
                    self._said.add(row.id)
            except StepError as error:
                failed = error
        if failed is not None:
            raise failed

    async def _about(self, row: Delivery) -> bool:
        """Whether nothing is left to say."""
        _, body = await self._ledger.get(row.id)
        incident = incident_of(read_arrival(row.source, body, row.id).candidates[0])
        if incident is None:
            return True
        for run, text in started_text(list(row.verdicts), row, self._url):
            await self._notes.say(incident, run, "start", text)
        runs = [v.run for v in row.verdicts if v.word == "started" and v.run is not None]
        return all([await self._about_run(incident, run) for run in runs])

    async def _about_run(self, incident: str, run: str) -> bool:
        """Whether it is over, and all is said about it."""
        events = await self._keeper.engine.store.events(run)
        first = {event.type: event for event in reversed(events)}
        started, end = first.get("RunStarted"), first.get("RunFinished")
        if started is None:  # in line, or refused there
            return "RunRefused" in first or end is not None
        wanted = (started.body.get("event") or {}).get("rule") or {}
        if wanted.get("acknowledge"):
            await self._notes.turn(incident, run, "acknowledged")
        if end is None:
            return False
        await self._notes.say(incident, run, "end", outcome_text(events, end))
        if wanted.get("resolve") and end.body["outcome"] == "resolved":
            await self._notes.turn(incident, run, "resolved")
        return True


def outcome_text(events: list[Event], finished: Event) -> str:
    """How a run ended and what it found, in a few lines. It may go on calling people behind its
    end.
    """
    end, name = finished.body, events[0].body.get("name")
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
