"""From what arrived to runs: every delivery is taken out of the ledger, its rules are asked, its
runs begin, and what became of it is written.

Death at any point does no harm: an unsettled delivery is looked at again, and the names of its runs
follow from its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from engine.clock import MICROSECONDS
from engine.core.arrivals import (
    Arrival,
    Unreadable,
    from_alertmanager,
    from_pagerduty,
    from_schedule,
    from_webhook,
    incident_of,
    read_json,
)
from engine.core.events import Actor
from engine.core.rules import Matched, NotMatched, rule, wants_alerts
from engine.errors import JournalError, Refused, RunbookError, StepError
from engine.journal.ledger import Arrived, Delivery, Ledger, Verdict, Word, weightiest
from engine.server.keeper import Keeper
from engine.server.logs import Log
from engine.server.metrics import Metrics
from engine.server.replaying import replay_into
from engine.server.shelf import Shelf
from engine.wiring import new_id

WORKERS = 8
"""Deliveries that are looked at at the same time: each waits for commits, mostly."""

REFILL_MAX = 1000
"""Names of waiting deliveries that are kept in memory at once."""

REFILL_S = 0.2
LOOKS = 10
"""After so many of these the ledger is read in any case: others may have put something in, and what
could not be settled is tried again."""

HELD_S = REFILL_S * LOOKS
"""So long a worker looks at nothing after the journal refused it: it would be refused the next one
too, and tell so."""

ALERTS_WITHIN_S = 60.0
"""So long a delivery waits for PagerDuty to tell the alerts of its incident; then the rules are
asked without them: a runbook that needs none of them must not wait for an API that is down.
"""

ALERTS_HERE = 20
"""Alerts of a group whose rules are asked in the loop itself (20 ms for a hundred runbooks); for
more, a thread does it, so that others are answered meanwhile."""

WHY_MAX = 5
"""Reasons of runbooks that did not match, kept with a delivery that nobody matched."""


class Alerts(Protocol):
    """Asks PagerDuty for the alerts of an incident. Raises RunbookError."""

    async def alerts(self, incident: str) -> tuple[Any, ...]: ...


class Heard(NamedTuple):
    """What became of something that is an answer to what we said. `rules`: they are asked too, and
    it stands only where none of them fits.
    """

    verdict: Verdict
    rules: bool


First = Callable[[Arrival, str], Awaitable[Heard | None]]

Settled = Callable[[Delivery, list[Verdict], dict[str, Any]], Awaitable[None]]
"""Hears of each delivery that is settled, with the event it was."""


class Dispatcher:
    """See the module. Used from one event loop."""

    def __init__(
        self, ledger: Ledger, keeper: Keeper, shelf: Shelf, metrics: Metrics, log: Log
    ) -> None:
        self.shelf = shelf
        self._ledger = ledger
        self._keeper = keeper
        self._metrics = metrics
        self._log = log
        self.clock = keeper.engine.clock
        self._queue: asyncio.Queue[str] = asyncio.Queue(REFILL_MAX)
        self._known: set[str] = set()
        self._behind = False
        self.alerts: Alerts | None = None
        self.settled: Settled | None = None
        self.environment = "production"
        self.first: First | None = None
        """Asked before the rules: an event may be an answer to what we said."""

    async def take(self, arrived: Arrived) -> tuple[str, bool]:
        """Writes it into the ledger, and has it looked at: `(its name, whether it is new)`.

        Raises Refused when too many wait, JournalError.
        """
        now_us = self.clock.now_us()
        name, new = await self._ledger.take(new_id(now_us), arrived, now_us)
        if new:
            self._put(name)
        return name, new

    async def replay(self, name: str, actor: Actor) -> str:
        """Takes a delivery in once more. Raises Usage, Refused, JournalError."""
        again = await replay_into(self._ledger, name, actor, self.clock.now_us())
        self._put(again)
        return again

    async def work(self) -> None:
        """Looks at what arrives, for ever; begins with what was left."""
        self._behind = True
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._worker())
            group.create_task(self._refill())

    async def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._known and await self._ledger.count_unsettled() == 0

    def _put(self, name: str) -> None:
        if name in self._known:
            return
        try:
            self._queue.put_nowait(name)
            self._known.add(name)
        except asyncio.QueueFull:
            self._behind = True

    async def _refill(self) -> None:
        """What did not fit into the queue, what an earlier process left, what failed here."""
        looks = 0
        while True:
            looks += 1
            if (self._behind or looks % LOOKS == 0) and self._queue.empty():
                self._behind = False
                try:
                    names = await self._ledger.unsettled(REFILL_MAX)
                except JournalError as error:
                    self._log.fault("the ledger cannot be read", why=error.message)
                    names, self._behind = [], True
                for name in names:
                    self._put(name)
                self._behind |= len(names) >= REFILL_MAX
            await self.clock.sleep(REFILL_S)

    async def _worker(self) -> None:
        while True:
            name = await self._queue.get()
            try:
                await self._look_at(name)
            except RunbookError as error:  # it stays open, and is looked at again
                self._log.fault("a delivery waits", delivery=name, why=error.message)
                if isinstance(error, JournalError):
                    await self.clock.sleep(HELD_S)
            except Exception as error:  # noqa: BLE001 - one that trips over a bug must not stop all others
                self._log.fault("a bug in looking at a delivery", delivery=name, why=repr(error))
                await self._give_up(name, error)
            finally:
                self._known.discard(name)

    async def _give_up(self, name: str, error: Exception) -> None:
        """It would trip again at every start: it is settled, and can be replayed once that is
        mended.
        """
        verdict = Verdict("refused", f"a bug of runbook: {type(error).__name__}; replay it later")
        try:
            await self._ledger.settle(name, [verdict], self.clock.now_us())
        except RunbookError as failed:
            self._log.fault("a delivery waits", delivery=name, why=failed.message)

    async def _look_at(self, name: str) -> None:
        row, body = await self._ledger.get(name)
        if row.settled_us is not None:
            return
        verdicts, event = await self._judge(row, body)
        await self._ledger.settle(name, verdicts, self.clock.now_us())
        word = weightiest(verdicts)
        self._metrics.deliveries.labels(row.source, word).inc()
        self._log.info("delivery settled", delivery=name, source=row.source, verdict=word,
                       about=row.about)  # fmt: skip
        if self.settled is not None:
            await self.settled(row, verdicts, event)

    async def _judge(self, row: Delivery, body: bytes) -> tuple[list[Verdict], dict[str, Any]]:
        try:
            arrival = await self._read(row, body)
        except Unreadable as error:
            return [Verdict("ignored", f"it cannot be read: {error}")], {}
        heard = None
        if self.first is not None and arrival.source == "pagerduty":
            heard = await self.first(arrival, row.id)
            if heard is not None and not heard.rules:
                return [heard.verdict], dict(arrival.candidates[0])
        books = self.shelf.books()
        if len(arrival.candidates) > ALERTS_HERE:
            rulings = await asyncio.to_thread(rule, books, arrival)
        else:
            rulings = rule(books, arrival)
        matched = [one for one in rulings if isinstance(one, Matched)]
        if not matched:
            verdict = heard.verdict if heard is not None else _nobody(rulings, arrival)
            return [verdict], dict(arrival.candidates[0])
        verdicts = [await self._start(row, one) for one in matched]
        return verdicts, dict(matched[0].event)

    async def _read(self, row: Delivery, body: bytes) -> Arrival:
        arrival = read_arrival(row.source, body, row.id)
        if arrival.source == "pagerduty" and self.alerts is not None:
            incident = incident_of(arrival.candidates[0])
            triggered = arrival.kind == "incident.triggered"
            if incident is not None and triggered and wants_alerts(self.shelf.books()):
                return from_pagerduty(read_json(body), await self._alerts(row, incident))
        return arrival

    async def _alerts(self, row: Delivery, incident: str) -> tuple[Any, ...]:
        """Raises StepError while another try may help and the delivery is young."""
        try:
            return await self.alerts.alerts(incident) if self.alerts is not None else ()
        except StepError as error:
            age_s = (self.clock.now_us() - row.received_us) / MICROSECONDS
            if error.retryable and age_s < ALERTS_WITHIN_S:
                raise
            self._log.warning("rules are asked without alerts", delivery=row.id, why=error.message)
            return ()

    async def _start(self, row: Delivery, matched: Matched) -> Verdict:
        """Begins one run; one that an earlier look at this delivery began is found again."""
        name = matched.runbook
        run = new_id(row.received_us, f"{row.id}\n{name}\n{matched.number}")
        began = await self._keeper.engine.store.events(run, 0, 1)
        if began:
            word: Word = "refused" if began[0].type == "RunRefused" else "started"
            why = str(began[0].body.get("reason") or "")
            self._keeper.kick(run)
            return Verdict(word, why, name, run)
        if matched.problem is not None:
            return Verdict("refused", matched.problem, name)
        self._metrics.arrived(run, row.received_us)
        means = "schedule" if row.source.startswith("schedule") else "webhook"
        try:
            begun = await self._keeper.start(
                name,
                matched.environment or self.environment,
                inputs=matched.inputs,
                actor=Actor(row.source, means, row.id),
                event={**matched.event, "delivery": row.id, "rule": _says(matched)},
                autonomy=matched.autonomy,
                run=run,
            )
        except JournalError:
            raise
        except Refused as error:
            if self._keeper.leaving:
                raise
            return Verdict("refused", error.message, name)
        except RunbookError as error:
            return Verdict("refused", error.message, name)
        if begun.how == "joined":
            return Verdict("joined", begun.why, name, begun.run)
        if begun.how == "refused":
            return Verdict("refused", begun.why, name, begun.run)
        return Verdict("started", begun.why, name, begun.run)


def _says(matched: Matched) -> dict[str, bool]:
    """What the rule says is to be done to the incident."""
    return {key: bool(matched.trigger.rule.get(key)) for key in ("acknowledge", "resolve")}


def read_arrival(source: str, body: bytes, name: str) -> Arrival:
    """What a row of the ledger holds. Raises Unreadable."""
    payload = read_json(body)
    kind, _, door = source.partition(":")
    if kind == "alertmanager":
        return from_alertmanager(payload)
    if kind == "pagerduty":
        return from_pagerduty(payload)
    if kind == "schedule":
        return from_schedule(door, int(payload.get("trigger", 0)), payload)
    return from_webhook(door, payload, name)


def _nobody(rulings: list[Any], arrival: Arrival) -> Verdict:
    """No runbook matched: why those that might have did not."""
    misses = [one for one in rulings if isinstance(one, NotMatched)]
    if not misses:
        return Verdict("ignored", f"no runbook has a trigger for {arrival.source}")
    told = [f"{one.runbook}: {one.why[0] if one.why else 'no'}" for one in misses[:WHY_MAX]]
    more = f"; and {len(misses) - WHY_MAX} more" if len(misses) > WHY_MAX else ""
    return Verdict("ignored", f"no runbook matches: {'; '.join(told)}{more}")
