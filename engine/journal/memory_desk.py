"""The guards' tables of the journal in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.core.events import Event
from engine.core.guards import Admission, Ended, Seen, Switch
from engine.journal.admission import STANDING_MAX, Ticket
from engine.journal.chain import Encoded
from engine.journal.contract import Budget
from engine.journal.heads import Head

Extend = Callable[[str, Head, Sequence[Encoded]], list[Event]]


class MemoryDesk:
    """See `engine.journal.admission.Desk`. Nothing interrupts it: one event loop, and no await."""

    def __init__(self, heads: dict[str, Head], extend: Extend) -> None:
        self._heads = heads
        self._extend = extend
        self._tickets: dict[str, Ticket] = {}
        self.switched: Switch | None = None
        self.budgets: dict[str, Budget] = {}

    def head(self, run: str) -> Head | None:
        return self._heads.get(run)

    def extend(self, run: str, head: Head, drafts: Sequence[Encoded]) -> list[Event]:
        return self._extend(run, head, drafts)

    def put_head(self, run: str, head: Head) -> None:
        self._heads[run] = head

    def ticket(self, run: str) -> Ticket | None:
        return self._tickets.get(run)

    def put(self, ticket: Ticket) -> None:
        self._tickets[ticket.run] = ticket

    def holder(self, environment: str, lock: str) -> Ticket | None:
        found = (t for t in self._in("admitted") if (t.environment, t.lock) == (environment, lock))
        return next(found, None)

    def line(self, environment: str, lock: str) -> list[Ticket]:
        found = [t for t in self._in("queued") if (t.environment, t.lock) == (environment, lock)]
        return sorted(found, key=lambda t: t.place)

    def seen(self, asked: Admission) -> Seen:
        what, rules = (asked.runbook, asked.environment), asked.rules
        own = [t for t in self._tickets.values() if (t.runbook, t.environment) == what]
        over = [t for t in own if t.state == "over"]
        over.sort(key=lambda t: (t.ended_us or 0, t.run), reverse=True)
        ended = [_ended(t) for t in over if t.outcome != "cancelled"]
        begun_us = sorted((t.began_us for t in own if t.began_us is not None), reverse=True)
        trying = (t.run for t in own if t.state == "admitted" and t.through is not None)
        last = (_ended(t) for t in over if t.lock == asked.lock)
        return Seen(
            ended=tuple(ended[: rules.breaker_after or 0]),
            last=next(last, None) if rules.cooldown_us is not None else None,
            begun_us=tuple(begun_us[: rules.max_runs or 0]),
            trying=next(trying, None) if rules.breaker_after else None,
        )

    def switch(self) -> Switch | None:
        return self.switched

    def held(self) -> list[Ticket]:
        found = self._in("queued", "admitted")
        return sorted(found, key=lambda t: (t.asked_us, t.place, t.run))[:STANDING_MAX]

    def latest(self) -> list[Ticket]:
        found: dict[tuple[str, str, str | None], Ticket] = {}
        for ticket in sorted(self._in("over"), key=lambda t: t.ended_us or 0):
            found[ticket.runbook, ticket.environment, ticket.lock] = ticket
        newest = sorted(found.values(), key=lambda t: t.ended_us or 0, reverse=True)
        return newest[:STANDING_MAX]

    def _in(self, *states: str) -> list[Ticket]:
        return [ticket for ticket in self._tickets.values() if ticket.state in states]


def _ended(ticket: Ticket) -> Ended:
    return Ended(ticket.run, ticket.outcome or "", ticket.ended_us or 0)
