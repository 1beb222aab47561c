"""Who is on call in a rota, and so who is called: as the contacts say, or whoever keeps the rota.

Where somebody else keeps it they are asked before a level is due is written down, within a limit of
time; the event says what they answered, so nobody is asked again when it is read. That nobody could
be asked is not that nobody is on call: then, and where nobody of those on call can be reached, the
rota's own way out is taken (its `channel`, its `order`, the console), and the event says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.config import Contacts, Environment
from engine.config.contacts import CONSOLE, Person
from engine.config.rotas import Quiet, Rota
from engine.core.state import State
from engine.errors import JournalError, RunbookError
from engine.plugin import StepContext
from engine.plugin.on_call import Turn
from engine.runner.budgets import SharedBudgets
from engine.runner.connections import Connections
from engine.runner.on_call import ASK_S, Desk, Known, Schedule

HANDOVERS_MAX = 20
"""Hand-overs that are looked through for somebody who is not in quiet hours: those end in a day."""

T = TypeVar("T")
Asked = Mapping[str, Known]
"""What was answered of rotas that others keep, by the name of the rota."""

Level = tuple[str, int, int, int]
"""Escalation, generation, level, round."""


@dataclass(slots=True)
class OnCall:
    """Asks for one run. What was answered for a level is kept until the level is written down."""

    pack: str
    place: Environment
    connections: Connections
    desk: Desk
    budgets: SharedBudgets | None = None
    _answers: dict[Level, dict[str, Known]] = field(default_factory=dict)

    def first(
        self, contacts: Contacts, state: State, body: Mapping[str, Any]
    ) -> Coroutine[Any, Any, None] | None:
        """What is asked before it can be said whom a level calls; None: nothing, or it is known."""
        level = _level(state, body)
        rotas = [contacts.rotas[who] for who in body["who"] if who in contacts.rotas]
        wanted = [rota for rota in rotas if rota.connection is not None]
        if not wanted or level in self._answers:
            return None
        known = {rota.name: self.desk.known(self._schedule(rota)) for rota in wanted}
        answers = {name: one for name, one in known.items() if one is not None}
        if len(answers) == len(wanted):
            self._answers[level] = answers
            return None
        return self._first(level, wanted)

    async def _first(self, level: Level, rotas: list[Rota]) -> None:
        found = await asyncio.gather(*[self.ask(rota) for rota in rotas])
        self._answers[level] = {rota.name: known for rota, known in zip(rotas, found, strict=True)}

    def taken(self, state: State, body: Mapping[str, Any]) -> dict[str, Known]:
        """What was answered for a level, by rota; once."""
        return self._answers.pop(_level(state, body), {})

    async def now(self, contacts: Contacts) -> Asked:
        """What those say now who keep rotas of the pack. Raises CancelledError only."""
        rotas = [rota for rota in contacts.rotas.values() if rota.connection is not None]
        found = await asyncio.gather(*[self.ask(rota) for rota in rotas])
        return {rota.name: known for rota, known in zip(rotas, found, strict=True)}

    async def ask(self, rota: Rota) -> Known:
        """Who is on call in a schedule. Raises CancelledError only."""

        async def asking(since_us: int, until_us: int) -> tuple[Turn, ...]:
            return await self._turns(rota, since_us, until_us)

        return await self.desk.ask(self._schedule(rota), asking, self.connections.redact)

    def _schedule(self, rota: Rota) -> Schedule:
        return self.pack, self.place.name, rota.connection or "", rota.schedule or ""

    async def _turns(self, rota: Rota, since_us: int, until_us: int) -> tuple[Turn, ...]:
        name, budgets = rota.connection or "", self.budgets
        with suppress(JournalError):  # what the store has to say, it says at the next event
            if budgets is not None:
                await budgets.before(name)
        try:
            adapter = self.connections.adapter(name)
            context = StepContext(run="", path="on call", timeout_s=ASK_S)
            asked: Any = getattr(adapter, "reader", lambda _context: None)(context)
            if not hasattr(asked, "on_call"):
                kind = self.place.connections[name].adapter
                raise RunbookError(f"connection {name} is of kind {kind}, which knows no schedules")
            turns: tuple[Turn, ...] = await asked.on_call(rota.schedule, since_us, until_us)
            return turns
        finally:
            with suppress(JournalError):
                if budgets is not None:
                    await budgets.after(name)


def _level(state: State, body: Mapping[str, Any]) -> Level:
    key = body["escalation"]
    return key, state.escalations[key].generation, body["level"], body.get("round", 1)


@dataclass(frozen=True, slots=True)
class Callee:
    """Somebody who is called, by channels in order: a person, or the address of somebody who is
    nobody of the contacts, or the rota itself.
    """

    id: str
    name: str
    by: tuple[str, ...]
    not_before_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Whom a level calls of a rota. `ways`: channels of the level by which a person is reached;
    `mails`: those that take any address; `quiet`: the hours of a person, or of anybody; `paged`:
    the rota itself, by its channel.
    """

    contacts: Contacts
    at_us: int
    ways: Callable[[Person], list[str]]
    mails: tuple[str, ...]
    quiet: Callable[[Person | None], Quiet | None]
    paged: Callable[[Rota], Callee]

    def of(self, rota: Rota, known: Known | None) -> tuple[list[Callee], dict[str, Any] | None]:
        """Whom a rota calls, and what the event says of it; `known`: what was answered, if it was
        asked for.
        """
        if rota.schedule is None:
            return self.weekly(rota), None
        return self.kept(rota, known) if known is not None else (self.otherwise(rota), None)

    def weekly(self, rota: Rota) -> list[Callee]:
        """Whoever is on call at the first time at which they may be woken."""

        def turn(at_us: int) -> tuple[list[Person], int | None]:
            person = self.contacts.people.get(rota.on_call(at_us) or "")
            return ([person] if person is not None else []), rota.until(at_us)

        found = awake(turn, self._wakes, self.at_us)
        return [self._callee(person, when_us) for person, when_us in found]

    def kept(self, rota: Rota, known: Known) -> tuple[list[Callee], dict[str, Any]]:
        """Whom the answer calls, and what the event says of it."""

        def turn(at_us: int) -> tuple[list[Turn], int | None]:
            return list(known.at(at_us)), known.until(at_us)

        def wakes(one: Turn, at_us: int) -> int:
            return self._wakes(person_of(self.contacts, one), at_us)

        called, unreached = list[Callee](), list[str]()
        found = awake(turn, wakes, self.at_us) if known.at(self.at_us) else []
        for one, when_us in found:
            callee = self._reached(one, when_us)
            called += [callee] if callee is not None else []
            unreached += [one.name] if callee is None else []
        trouble = trouble_of(rota, known, self.at_us)
        if unreached:
            trouble = f"no channel of the level reaches {', '.join(unreached)}, who is on call"
        fact = {
            "rota": rota.name,
            "schedule": rota.schedule,
            "connection": rota.connection,
            "asked_us": known.asked_us,
            "found": [self._fact(one) for one, _ in found],
            "until_us": known.until(self.at_us) if found else None,
            "trouble": trouble,
        }
        return called + (self.otherwise(rota) if trouble is not None else []), fact

    def otherwise(self, rota: Rota) -> list[Callee]:
        """Whom a rota calls where it is not known who is on call."""
        people = [self.contacts.people[who] for who in rota.order if who in self.contacts.people]
        if people:
            return [self._callee(one, self._wakes(one, self.at_us)) for one in people]
        return [self.paged(rota)]

    def _reached(self, one: Turn, when_us: int) -> Callee | None:
        person = person_of(self.contacts, one)
        if person is not None and self.ways(person):
            return self._callee(person, when_us)
        if one.email is not None and self.mails:
            return Callee(one.email, one.name, self.mails, self._later(when_us))
        return None

    def _callee(self, person: Person, when_us: int) -> Callee:
        by = tuple(self.ways(person)) or (CONSOLE,)
        return Callee(person.id, person.name, by, self._later(when_us))

    def _fact(self, one: Turn) -> dict[str, Any]:
        person = person_of(self.contacts, one)
        return {"user": one.user, "name": one.name, "person": person.id if person else None}

    def _wakes(self, person: Person | None, at_us: int) -> int:
        quiet = self.quiet(person)
        return (quiet.until_us(at_us) if quiet is not None else None) or at_us

    def _later(self, when_us: int) -> int | None:
        return when_us if when_us > self.at_us else None


def awake(
    turn: Callable[[int], tuple[list[T], int | None]], wakes: Callable[[T, int], int], at_us: int
) -> list[tuple[T, int]]:
    """Who is called of those on call, and when: at the first time at which somebody is on call whom
    no quiet hours keep. Whose quiet hours last longer than their turn is not called; whoever takes
    over is. `turn`: who is on call at a time, and until when; `wakes`: when somebody may be called.
    """
    first: list[tuple[T, int]] = []
    for _ in range(HANDOVERS_MAX):
        who, until_us = turn(at_us)
        found = [(one, wakes(one, at_us)) for one in who]
        first = first or found
        in_turn = [(one, when) for one, when in found if until_us is None or when < until_us]
        if in_turn:
            return in_turn
        if until_us is None or not found:
            break
        at_us = until_us
    return first


def person_of(contacts: Contacts, turn: Turn) -> Person | None:
    """Who of the contacts this is: by the user's id, or the only one with the address of the user's
    login.
    """
    people = list(contacts.people.values())
    named = [one for one in people if one.pagerduty == turn.user]
    if named or turn.email is None:
        return named[0] if named else None
    email = turn.email.casefold()
    known = [one for one in people if email in _addresses(one)]
    return known[0] if len(known) == 1 else None


def _addresses(person: Person) -> Iterable[str]:
    own = [person.pagerduty] if person.pagerduty else []
    return [str(text).strip().casefold() for text in (*own, *person.channels.values())]


def trouble_of(rota: Rota, known: Known, at_us: int) -> str | None:
    """Why it is not known who is on call."""
    if known.trouble is not None:
        return f"PagerDuty could not be asked: {known.trouble}"
    if not known.at(at_us):
        return f"nobody is on call in PagerDuty's schedule {rota.schedule}, or there is none"
    return None


def carriers(contacts: Contacts, rota: Rota, asked: Asked, at_us: int) -> frozenset[str]:
    """Who of the contacts is on call in a rota now."""
    if rota.schedule is None:
        who = rota.on_call(at_us)
        return frozenset([who] if who is not None else ())
    known = asked.get(rota.name)
    people = [person_of(contacts, turn) for turn in known.at(at_us)] if known is not None else []
    return frozenset(person.id for person in people if person is not None)
