"""Looks on at how people are told: counts it, has a line in the log for each message that did not
arrive, and sees when the contacts of a pack cannot be read any more.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from engine.clock import MICROSECONDS
from engine.config import Books
from engine.core.events import Event
from engine.core.state import State
from engine.core.summons import STATUS, Escalation
from engine.errors import JournalError, RunbookError
from engine.journal.announced import announced
from engine.journal.called import calling
from engine.journal.sqlite import SqliteStore
from engine.server.logs import Log
from engine.server.metrics import FOLLOWED_MAX, Metrics
from engine.wiring import Engine

FOLDED_MAX = 50
"""Runs whose escalations are looked into for one scrape, the oldest (some milliseconds each): of
the others each is taken to have one.
"""

CONTACTS_EVERY_S = 5.0
"""Between two looks at the contacts: whoever breaks them is told while they look at their work, not
at night."""


class Telling:
    """Of the runs that are driven here. Used from one event loop."""

    def __init__(self, metrics: Metrics, log: Log, store: SqliteStore) -> None:
        self._metrics = metrics
        self._log = log
        self._store = store
        self._under_way: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._reading: set[asyncio.Task[None]] = set()

    def observe(self, event: Event) -> None:
        """Takes in what happened in a run."""
        body = event.body
        match event.type:
            case "TellStarted":
                self._under_way[str(body["key"])] = body
                if len(self._under_way) > FOLLOWED_MAX:
                    self._under_way.popitem(last=False)
            case "Told":
                self._came(event)
            case "TellFailed" if not body.get("dropped"):
                self._came(event)
            case "LevelDue" if body.get("nobody") or body.get("trouble"):
                nobody = ", ".join(map(str, body.get("nobody") or ())) or None
                self._log.warning("a level does not reach all it names", run=event.run,
                                  nobody=nobody, why=body.get("trouble"))  # fmt: skip
            case "EscalationExhausted":
                told = "some" if body.get("told") else "nobody"
                self._metrics.exhausted.labels(told).inc()
                about = {"escalation": body["escalation"], "told": told, "why": body.get("why")}
                self._log.fault("no level is left, and nobody took it", run=event.run, **about)

    def _came(self, event: Event) -> None:
        started = self._under_way.pop(str(event.body["key"]), None)
        if started is not None:
            self._take(event, started)
            return
        reading = asyncio.ensure_future(self._came_later(event))  # it began before we did
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _came_later(self, event: Event) -> None:
        started: Mapping[str, Any] = {}
        with suppress(JournalError):  # that it did not arrive is said all the same
            started = await announced(self._store, event)
        self._take(event, started)

    def _take(self, event: Event, started: Mapping[str, Any]) -> None:
        body = event.body
        again_us = body.get("next_us")
        fate = "doubt" if body.get("doubt") else "failed" if again_us is None else "again"
        fate = "told" if event.type == "Told" else fate
        channel, kind = str(started.get("channel", "-")), str(started.get("kind", "-"))
        self._metrics.messages.labels(channel, kind, fate).inc()
        if fate == "told":
            return
        again = (again_us - event.at_us) / MICROSECONDS if again_us is not None else None
        said = "a message is in doubt" if fate == "doubt" else "a message did not leave"
        about = {
            "to": started.get("name"),
            "by": started.get("channel"),
            "kind": started.get("kind"),
        }
        self._log.warning(said, run=event.run, **about, why=body.get("why"), again_in_s=again)


async def count_escalations(engine: Engine, metrics: Metrics, store: Any) -> None:
    """How many escalations nobody took so far, for how long the oldest, and how late is what is
    due: after a few seconds nobody drives its run, or its channels fail. Raises RunbookError.
    """
    now_us = engine.clock.now_us()
    runs = await calling(store, now_us)
    states = [await engine.state(run) for run in runs[:FOLDED_MAX]]
    found = [one for state in states for one in waiting(state)]
    ages = [now_us - one.started_us for one in found]
    late = [now_us - at_us for one in found for at_us in _due(one)]
    metrics.escalations.set(len(found) + len(runs[FOLDED_MAX:]))
    metrics.escalation_age.set(max([0, *ages]) / MICROSECONDS)
    metrics.late.set(max([0, *late]) / MICROSECONDS)


def waiting(state: State) -> list[Escalation]:
    """Those that nobody took so far."""
    return [
        one
        for key, one in state.escalations.items()
        if one.closed is None and not one.taken and key != STATUS and not one.question
    ]


def _due(one: Escalation) -> list[int]:
    """When what is to be done was to be done."""
    level = [one.due_us] if one.level < len(one.levels) else []
    return [*level, *(summons.next_us for summons in one.calls if summons.open)]


class ContactsWatch:
    """While the contacts of a pack cannot be read, people are called as they said last."""

    def __init__(self, books: Books, metrics: Metrics, log: Log) -> None:
        self._books = books
        self._metrics = metrics
        self._log = log
        self._told: dict[str, str] = {}
        books.keeps_contacts = True

    def look(self) -> None:
        """Says once of each pack why its contacts cannot be read, and once that they can again."""
        for pack in self._books.packs():
            try:
                self._books.contacts(pack)
                why = self._books.contacts_trouble(pack)
            except RunbookError as error:
                why = error.message
            if why is not None and self._told.get(pack) != why:
                self._log.fault(
                    "contacts cannot be read: people are called as they said last, if they did",
                    pack=pack,
                    why=why,
                )
                self._told[pack] = why
            elif why is None and self._told.pop(pack, None) is not None:
                self._log.info("contacts can be read again", pack=pack)
        self._metrics.contacts.set(len(self._told))

    async def keep(self, clock: Any) -> None:
        """Looks for ever."""
        while True:
            self.look()
            await clock.sleep(CONTACTS_EVERY_S)
