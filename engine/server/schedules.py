"""Schedules: at their times they deliver themselves to the ledger, like anything that arrives.

A time is a key of the ledger, so that it is taken once, however often it is looked at and however
many look. What was missed while nobody listened is left out, or (`missed: run`) the last of it is
made up for.
"""

from __future__ import annotations

import json
from itertools import takewhile

from engine.clock import MICROSECONDS, to_iso
from engine.errors import RunbookError
from engine.journal.ledger import Arrived
from engine.journal.requests import Requests
from engine.language.cron import times
from engine.language.model import Runbook, Trigger
from engine.server.dispatch import Dispatcher
from engine.server.logs import Log

TICK_S = 1.0
"""How exactly a schedule is kept."""

LATE_S = 90.0
"""A time that is noticed so much later was missed: nobody listened, or the clock jumped."""

BACK_MAX_S = 31 * 86_400
"""How far back missed times are looked for."""


class Schedules:
    """Used from one event loop."""

    def __init__(self, dispatcher: Dispatcher, requests: Requests, log: Log) -> None:
        self._dispatcher = dispatcher
        self._requests = requests
        self._log = log

    async def look(self, now_us: int) -> int:
        """Delivers every time that has come since the last look; how many it were."""
        count = 0
        for runbook in self._dispatcher.shelf.books():
            mine = [trigger for trigger in runbook.triggers if trigger.source == "schedule"]
            for number, trigger in enumerate(mine):
                count += await self._one(runbook, number, trigger, now_us)
        return count

    async def keep(self) -> None:
        """Looks for ever."""
        clock = self._dispatcher.clock
        while True:
            try:
                await self.look(clock.now_us())
            except RunbookError as error:
                self._log.fault("schedules wait", why=error.message)
            await clock.sleep(TICK_S)

    async def _one(self, runbook: Runbook, number: int, trigger: Trigger, now_us: int) -> int:
        cron, zone = trigger.rule["cron"], trigger.rule.get("timezone") or "UTC"
        name = f"{runbook.name}\n{number}\n{cron}\n{zone}"
        seen_us = await self._requests.schedule_seen_until(name)
        if seen_us is None or seen_us > now_us + LATE_S * MICROSECONDS:
            # New here, or the clock was set back: what comes from now on counts.
            await self._requests.put_schedule(name, now_us)
            return 0
        from_us = max(seen_us, now_us - BACK_MAX_S * MICROSECONDS)
        due = list(takewhile(lambda at_us: at_us <= now_us, times(cron, zone, from_us)))
        late_us = round(LATE_S * MICROSECONDS)
        wanted = [at_us for at_us in due if now_us - at_us <= late_us]
        if not wanted and due and trigger.rule.get("missed") == "run":
            wanted = due[-1:]
        count = 0
        for at_us in wanted[-1:]:
            count += await self._deliver(runbook, number, at_us, now_us)
        if due:
            await self._requests.put_schedule(name, due[-1])
        return count

    async def _deliver(self, runbook: Runbook, number: int, at_us: int, now_us: int) -> bool:
        """Whether this time is new to the ledger."""
        trigger = [one for one in runbook.triggers if one.source == "schedule"][number]
        at = to_iso(at_us)
        missed = now_us - at_us > LATE_S * MICROSECONDS
        told = {"trigger": number, "time": at, "missed": missed, "cron": trigger.rule["cron"]}
        told["timezone"] = trigger.rule.get("timezone") or "UTC"
        key = f"schedule\n{runbook.name}\n{number}\n{at_us}"
        source, about = f"schedule:{runbook.name}", f"{runbook.name} at {at}"
        body = json.dumps(told).encode()
        return (await self._dispatcher.take(Arrived(source, "due", about, (key,), body, at_us)))[1]
