"""Schedules: at their times they deliver themselves to the ledger, like anything that arrives.

A time is a key of the ledger, so that it is taken once, however often it is looked at and however
many look. What was missed while nobody listened is left out, or (`missed: run`) the last of it is
made up for.
"""

from __future__ import annotations

import json

from engine.clock import MICROSECONDS, to_iso
from engine.core.schedule import LATE_S, Schedule, look
from engine.errors import RunbookError
from engine.journal.ledger import Arrived
from engine.journal.requests import Requests
from engine.language.model import Runbook, Trigger
from engine.server.dispatch import Dispatcher
from engine.server.logs import Log

TICK_S = 1.0
"""How exactly a schedule is kept."""


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
        looked = look(Schedule(cron, zone, trigger.rule.get("missed") or "skip"), seen_us, now_us)
        new = False
        if looked.start_us is not None:
            new = await self._deliver(runbook, number, looked.start_us, now_us)
        if looked.seen_us != seen_us:
            await self._requests.put_schedule(name, looked.seen_us)
        return int(new)

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
