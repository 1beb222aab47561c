"""Who may begin, who waits in line, who holds what: what every store does in its transaction.

A `Ticket` is what the store keeps of a run that was asked for. The lock is held by the ticket of a
run, not by a process: it is let go in the transaction that records the run's end, whoever lets go
calls the next in line, and a run whose driver died keeps its lock until it is resumed or cancelled.

A run in line is called only while its driver lives (or while nobody drives it): a lock that went to
a dead one would be held by nobody who could let it go. Passed over, it keeps its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from engine.clock import MICROSECONDS
from engine.core.events import Actor, Draft, Event
from engine.core.guards import (
    ADMITTED,
    QUEUE_S,
    Admission,
    Closed,
    Lock,
    Rules,
    Seen,
    Switch,
    Verdict,
    judge,
)
from engine.journal import heads
from engine.journal.chain import Encoded, encode
from engine.journal.contract import Admitted, Holding, Lease, Standing
from engine.journal.heads import Head
from engine.journal.lease import seems_alive

TicketState = Literal["queued", "admitted", "over", "refused", "withdrawn"]

STANDING_MAX = 1000
"""Of each kind of thing that `standing` tells: more is no list that anybody reads."""


class Ticket(NamedTuple):
    """A run that was asked for. `place`: where it stands in line. `start`: while it waits, what
    its `RunStarted` will say.
    """

    run: str
    runbook: str
    environment: str
    lock: str | None
    state: TicketState
    acts: int
    through: str | None
    asked_us: int
    began_us: int | None
    ended_us: int | None
    outcome: str | None
    place: int
    rules: str
    start: str | None

    def asks(self) -> Admission:
        """What it asks for, as it was asked."""
        rules = Rules.of_json(json.loads(self.rules))
        return Admission(self.runbook, self.environment, rules, bool(self.acts), self.through)


class Desk(Protocol):
    """The tables of a store, inside one transaction."""

    def head(self, run: str) -> Head | None: ...

    def extend(self, run: str, head: Head, drafts: Sequence[Encoded]) -> list[Event]: ...

    def put_head(self, run: str, head: Head) -> None: ...

    def ticket(self, run: str) -> Ticket | None: ...

    def put(self, ticket: Ticket) -> None: ...

    def holder(self, environment: str, lock: str) -> Ticket | None:
        """Who holds the lock."""
        ...

    def line(self, environment: str, lock: str) -> list[Ticket]:
        """Who waits for it, in order."""
        ...

    def seen(self, asked: Admission) -> Seen:
        """What bears on it, but for the switch, the lock and its line."""
        ...

    def switch(self) -> Switch | None: ...

    def held(self) -> list[Ticket]:
        """Runs that are under way, or wait in line; the oldest first; at most `STANDING_MAX`."""
        ...

    def latest(self) -> list[Ticket]:
        """The latest ended run for every runbook, environment and lock; at most `STANDING_MAX`."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is asked for: its `RunStarted`, if it is admitted; who would drive it; the store's
    own time, for the lease.
    """

    run: str
    draft: Draft
    holder: str
    admission: Admission
    now_us: int
    encoded: Encoded = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoded", encode(self.draft))


def ask(desk: Desk, asked: Asked) -> Admitted:
    """Admits the run, puts it in line, joins it to another, or refuses it; and records which."""
    if desk.head(asked.run) is not None:
        raise heads.already(asked.run)
    wanted, at_us = asked.admission, asked.draft.at_us
    if wanted.lock is not None:
        _call_next(desk, wanted.environment, wanted.lock, at_us, asked.now_us)
    verdict = judge(wanted, _seen(desk, wanted), at_us)
    if verdict.answer == "joined":
        return _join(desk, asked, verdict)
    drafts = [_first_event(asked, verdict)]
    place = 0
    if verdict.answer == "queued" and wanted.lock is not None:
        place = max((one.place for one in desk.line(wanted.environment, wanted.lock)), default=0)
    state: TicketState = "refused" if verdict.answer == "refused" else "admitted"
    if verdict.answer == "queued":
        state = "queued"
    desk.put(_ticket(asked, state, place + 1))
    driven = verdict.answer != "refused"
    fresh = Head(epoch=1, holder=asked.holder if driven else None, renewed_us=asked.now_us)
    events = desk.extend(asked.run, fresh, drafts)
    lease = Lease(asked.run, 1, asked.holder) if driven else None
    return Admitted(verdict, asked.run, lease, tuple(events))


def _first_event(asked: Asked, verdict: Verdict) -> Encoded:
    if verdict.answer == "admitted":
        return asked.encoded
    kind = "RunQueued" if verdict.answer == "queued" else "RunRefused"
    draft = asked.draft
    return encode(Draft(kind, {**draft.body, **_told(verdict)}, draft.at_us, draft.actor))


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "guard": verdict.guard,
        "reason": verdict.reason,
        "until_us": verdict.until_us,
        "behind": verdict.run,
    }


def _ticket(asked: Asked, state: TicketState, place: int) -> Ticket:
    wanted, at_us = asked.admission, asked.draft.at_us
    start = {"actor": asked.draft.actor.to_json(), "body": asked.encoded.body}
    return Ticket(
        asked.run,
        wanted.runbook,
        wanted.environment,
        wanted.lock,
        state,
        int(wanted.acts),
        wanted.through,
        asked_us=at_us,
        began_us=at_us if state == "admitted" else None,
        ended_us=at_us if state == "refused" else None,
        outcome=None,
        place=place if state == "queued" else 0,
        rules=json.dumps(wanted.rules.to_json()),
        start=json.dumps(start) if state == "queued" else None,
    )


def _join(desk: Desk, asked: Asked, verdict: Verdict) -> Admitted:
    run = verdict.run or ""
    body = asked.encoded.body
    told = {"event": body.get("event"), "inputs": body.get("inputs")}
    draft = encode(Draft("RunJoined", told, asked.draft.at_us, asked.draft.actor))
    events = desk.extend(run, heads.require(run, desk.head(run)), [draft])
    return Admitted(verdict, run, None, tuple(events))


def _seen(desk: Desk, wanted: Admission) -> Seen:
    """What the rules are to know."""
    seen = desk.seen(wanted)
    holder, line = None, 0
    if wanted.lock is not None:
        holder = desk.holder(wanted.environment, wanted.lock)
        line = len(desk.line(wanted.environment, wanted.lock))
    return Seen(
        frozen=desk.switch(),
        ended=seen.ended,
        last=seen.last,
        begun_us=seen.begun_us,
        trying=seen.trying,
        holder=holder.run if holder is not None else None,
        holder_runbook=holder.runbook if holder is not None else "",
        waiting=line,
    )


def release(desk: Desk, events: Iterable[Event], now_us: int) -> None:
    """Takes in that runs ended, or their undo: their locks are free, and the next in line begin."""
    for event in events:
        if event.type not in ("RunFinished", "UndoFinished"):
            continue
        ticket = desk.ticket(event.run)
        if ticket is None or ticket.state not in ("admitted", "queued"):
            continue
        state: TicketState = "over" if ticket.state == "admitted" else "withdrawn"
        ended = ticket._replace(state=state)
        if event.type == "RunFinished":
            outcome = str(event.body.get("outcome", ""))
            ended = ended._replace(ended_us=event.at_us, outcome=outcome, start=None)
        desk.put(ended)
        if ticket.lock is not None:
            _call_next(desk, ticket.environment, ticket.lock, event.at_us, now_us)


def reenter(desk: Desk, run: str, asked: Draft, closed: Sequence[Closed]) -> Verdict:
    """Lets a run that is over change something again, and records that it was asked to; or records
    what is against it. A run that no guard was asked for (of an older journal) has no lock.
    """
    ticket = desk.ticket(run)
    verdict = ADMITTED
    if ticket is not None:
        lock = Lock(ticket.lock, "reject") if ticket.lock is not None else None
        wanted = Admission(ticket.runbook, ticket.environment, Rules(lock=lock, closed=(*closed,)))
        verdict = judge(wanted, _seen(desk, wanted), asked.at_us)
    draft = asked
    if verdict.answer == "refused":
        told = {**asked.body, "guard": verdict.guard, "why": verdict.reason}
        draft = Draft("UndoRefused", told, asked.at_us, asked.actor)
    elif ticket is not None:
        desk.put(ticket._replace(state="admitted"))
    desk.extend(run, heads.require(run, desk.head(run)), [encode(draft)])
    return verdict


def claim(desk: Desk, lease: Lease, at_us: int, now_us: int) -> None:
    """Says that the driver of a run in line lives, and asks whether it is its turn."""
    head = heads.require(lease.run, desk.head(lease.run))
    heads.check_lease(head, lease)
    desk.put_head(lease.run, head._replace(renewed_us=now_us))
    ticket = desk.ticket(lease.run)
    if ticket is not None and ticket.state == "queued" and ticket.lock is not None:
        _call_next(desk, ticket.environment, ticket.lock, at_us, now_us)


def withdraw(desk: Desk, run: str, drafts: Sequence[Encoded], now_us: int) -> list[Event]:
    """Writes these last events of a run, if it still waits in line; else nothing."""
    head = heads.require(run, desk.head(run))
    ticket = desk.ticket(run)
    if ticket is None or ticket.state != "queued":
        return []
    events = desk.extend(run, head, drafts)
    release(desk, events, now_us)
    return events


def _call_next(desk: Desk, environment: str, lock: str, at_us: int, now_us: int) -> None:
    """Lets the next in line begin, if the lock is free; refuses those who may not any more."""
    for ticket in desk.line(environment, lock):
        if at_us - ticket.asked_us > QUEUE_S * MICROSECONDS:
            reason = f"it waited for the lock {lock} for more than {QUEUE_S // 3600} h"
            _refuse(desk, ticket, Verdict("refused", "lock", reason), at_us)
        elif desk.holder(environment, lock) is not None:
            return
        elif _driven(desk.head(ticket.run), now_us):
            wanted = ticket.asks()
            verdict = judge(wanted, _seen(desk, wanted), at_us)
            if verdict.answer == "admitted":
                _begin(desk, ticket, at_us)
                return
            _refuse(desk, ticket, verdict, at_us)


def _driven(head: Head | None, now_us: int) -> bool:
    """Whether a run in line can go on when it is called: it is let go of, or its driver lives."""
    if head is None:
        return False
    return head.holder is None or seems_alive(head.holder, head.renewed_us, now_us)


def _begin(desk: Desk, ticket: Ticket, at_us: int) -> None:
    start = json.loads(ticket.start or "{}")
    draft = encode(Draft("RunStarted", start["body"], at_us, Actor(**start["actor"])))
    desk.put(ticket._replace(state="admitted", began_us=at_us, start=None, place=0))
    desk.extend(ticket.run, heads.require(ticket.run, desk.head(ticket.run)), [draft])


def _refuse(desk: Desk, ticket: Ticket, verdict: Verdict, at_us: int) -> None:
    draft = encode(Draft("RunRefused", _told(verdict), at_us))
    desk.put(ticket._replace(state="refused", ended_us=at_us, start=None, place=0))
    desk.extend(ticket.run, heads.require(ticket.run, desk.head(ticket.run)), [draft])


def standing(desk: Desk, at_us: int, now_us: int) -> Standing:
    """What the guards hold back now, and for whom."""
    held: list[Holding] = []
    waiting: list[Holding] = []
    for ticket in desk.held():
        head = desk.head(ticket.run)
        since_us = ticket.asked_us if ticket.began_us is None else ticket.began_us
        what = (ticket.run, ticket.runbook, ticket.environment, ticket.lock, since_us)
        driver = head.holder if head is not None else None
        alive = driver is not None and _driven(head, now_us)
        one = Holding(*what, head.summary.status if head is not None else "", driver, alive)
        (waiting if ticket.state == "queued" else held).append(one)
    closed = []
    for ticket in desk.latest():
        rules = Rules.of_json({**json.loads(ticket.rules), "closed": []})
        wanted = Admission(ticket.runbook, ticket.environment, rules, False)
        verdict = judge(wanted, desk.seen(wanted), at_us)
        if verdict.answer == "refused":
            closed.append((wanted, verdict))
    return Standing(desk.switch(), tuple(held), tuple(waiting), tuple(closed))
