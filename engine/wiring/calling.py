"""Whom a run calls: from the pack's contacts to what a run is told when it begins, and to names and
addresses when a level is due.

Policies are taken when a run begins, as its text is. People, rotas and addresses are looked up when
they are needed: whoever is on call at three is called at three.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from engine.config import Books, Contacts, Environment, Level
from engine.config.contacts import CONSOLE, Channel, Person
from engine.config.rotas import Quiet, Rota
from engine.core.escalate import DEFAULT_POLICY
from engine.core.state import State
from engine.core.words import severity_of, words
from engine.errors import RunbookError
from engine.language.model import Escalate, Runbook, walk_runbook
from engine.registry import Registry
from engine.runner.connections import Connections
from engine.runner.on_call import Known
from engine.runner.telling import Pace, Stake, Teller, Way
from engine.runner.wording import Own, own_words
from engine.wiring import terms, whom
from engine.wiring.admission import SANDBOX, called
from engine.wiring.foreseen import Foreseeing, together
from engine.wiring.hurry import hurried, hurry_of
from engine.wiring.incident import incident_of
from engine.wiring.kept import latest
from engine.wiring.on_call import Callee, Calls, OnCall


def telling(runbook: Runbook, contacts: Contacts, place: Environment) -> dict[str, Any]:
    """The `telling` of a `RunStarted`: the policies this runbook may use, and its status updates.

    In a sandbox nobody real is there: with an inbox all of it is played, faster (see `hurry`);
    without one the first level is told at the console, and that is all.
    """
    hurry = hurry_of(place.services) if place.name == SANDBOX else None
    alone = place.name == SANDBOX and hurry is None
    severity = contacts.severities.get(runbook.severity or "")
    found: dict[str, Any] = {"policies": {}, "until_end": True, "hands_over": True}
    found["handlers_tell"] = True
    found |= terms.of_run(runbook, severity)
    for name in _policies(runbook):
        meant = name
        if name == DEFAULT_POLICY and severity is not None and severity.policy is not None:
            meant = severity.policy
        levels = contacts.policies.get(meant)
        if levels:
            reopen_s = contacts.reopen_after_s.get(meant)
            answer = terms.of_policy(contacts, meant, found)
            found["policies"][name] = _policy(levels, reopen_s, alone) | answer
    if severity is not None and severity.status_every_s and not alone:
        every_us = round(severity.status_every_s * 1e6)
        found["status"] = {"every_us": every_us, "by": list(severity.status_by)}
    asks = whom.questions(contacts, severity)
    if asks is not None and not alone:
        found["questions"] = asks
    return found if hurry is None else hurried(found, hurry)


def _policies(runbook: Runbook) -> Iterable[str]:
    yield DEFAULT_POLICY  # of approvals that expire
    for book in called(runbook):
        for entry in walk_runbook(book):
            if isinstance(entry, Escalate):
                yield entry.policy
    if runbook.escalation is not None:
        yield runbook.escalation.policy


def _policy(levels: tuple[Level, ...], reopen_s: float | None, alone: bool) -> dict[str, Any]:
    if alone:
        only = _level(levels[0]) | {"by": [CONSOLE], "after_us": 0, "every_us": None, "times": 0}
        return {"levels": [only]}
    found: dict[str, Any] = {"levels": [_level(level) for level in levels]}
    return found | ({"reopen_us": round(reopen_s * 1e6)} if reopen_s else {})


def _level(level: Level) -> dict[str, Any]:
    return {
        "who": list(level.who),
        "by": list(level.by),
        "after_us": round(level.after_s * 1e6),
        "unless": level.unless,
        "every_us": round(level.every_s * 1e6) if level.every_s else None,
        "times": level.times,
    }


MAILS = ("mail", "sendgrid")
"""Channels that reach anybody whose address is known."""


class Caller(Protocol):
    """What calls people: a runbook."""

    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> str | None: ...


@dataclass(slots=True)
class Directory:
    """The contacts of one run's pack, as its files say at the moment they are asked."""

    books: Books
    registry: Registry
    runbook: Caller
    place: Environment
    trouble: str | None = None
    """Why the contacts could not be read, when they could not."""

    severity: str | None = None
    """As what the level is told whose recipients are asked for; None: as its run is."""
    _known: Contacts | None = None
    on_call: OnCall | None = None
    """Asks for rotas that others keep; without it, nobody does."""

    foreseeing: Foreseeing | None = None
    """Asks what would be done that people are to approve; without it, nobody does."""

    @property
    def contacts(self) -> Contacts:
        pack = self.runbook.name.partition("/")[0]
        self._known, self.trouble = latest(self.books, pack, self._known)
        return self._known

    # -- when a level is due -----------------------------------------------------------------------

    def first(self, state: State, body: Mapping[str, Any]) -> Coroutine[Any, Any, None] | None:
        """What is to be asked before `called` can say whom a level calls; None: nothing."""
        rotas = self.on_call.first(self.contacts, state, body) if self.on_call else None
        seen = self.foreseeing.first(state, body) if self.foreseeing else None
        return together(rotas, seen)

    def called(self, state: State, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a `LevelDue` says besides what was decided: recipients, nobody, words."""
        asked = self.on_call.taken(state, body) if self.on_call is not None else {}
        self.severity = severity_of(state, state.escalations[body["escalation"]].policy)
        if state.escalations[body["escalation"]].question:
            found = self._asked(state, body, asked)
        else:
            found = self.recipients(body["who"], body["by"], state.now_us, asked)
        said = words(state, body["escalation"], body["level"])
        seen = self.foreseeing.taken(body) if self.foreseeing is not None else []
        return {**found, "words": {**said, "foreseen": seen} if seen else said}

    def recipients(
        self, names: Iterable[str], by: list[str], at_us: int, asked: Mapping[str, Known]
    ) -> dict[str, Any]:
        """Whom a level calls at a time: recipients, nobody, and what was found out on the way.

        `asked`: what was answered for rotas that others keep.
        """
        contacts = self.contacts
        recipients: dict[str, dict[str, Any]] = {}
        nobody: list[str] = []
        on_call: list[dict[str, Any]] = []
        for who in names:
            rota = contacts.rotas.get(who)
            if rota is not None and who not in contacts.channels:
                callees, fact = self._calls(contacts, by, at_us).of(rota, asked.get(who))
                found = [self._callee(contacts, one) for one in callees]
                on_call += [fact] if fact is not None else []
            else:
                found = list(self._who(contacts, who, by, at_us))
            nobody += [] if found else [who]
            for one in found:
                recipients.setdefault(one["id"], one)
        if nobody and not recipients and contacts.file is None:
            self.trouble = self.trouble or "the pack has no contacts.yaml (any more)"
        if nobody and not recipients and self.trouble is not None:
            recipients[CONSOLE] = self._recipient(contacts, CONSOLE, CONSOLE, [CONSOLE])
        known = {"recipients": list(recipients.values()), "nobody": nobody}
        return self._troubled(known | ({"on_call": on_call} if on_call else {}))

    def _troubled(self, known: dict[str, Any]) -> dict[str, Any]:
        return {**known, "trouble": self.trouble} if self.trouble is not None else known

    def _asked(
        self, state: State, body: Mapping[str, Any], asked: Mapping[str, Known]
    ) -> dict[str, Any]:
        """The same of a question: each who may answer is told by their own channels, and each place
        among the channels once. Where nobody can be told so, the console is.
        """
        contacts, by = self.contacts, [] if body.get("skipped") else body["by"]
        people = whom.may_answer(contacts, state, body, asked) if by else []
        found: dict[str, dict[str, Any]] = {}
        for name in by:
            if name == CONSOLE or whom.is_place(contacts, people, name, self._leads_somewhere):
                found[name] = self._recipient(contacts, name, name, [name])
        places = bool(found)  # whoever has no address of their own reads it there
        for person in people:
            own = [name for name in by if person.channels.get(name) is not None]
            ways = [name for name in own if self._reaches(contacts, person, name)]
            if ways:
                found[person.id] = self._person(contacts, person, ways, state.now_us)
        nobody = [] if people or not by else list(body["who"]) or ["anybody"]
        left = [one for one in people if one.id not in found and not places]
        nobody += [f"{one.name} (no address)" for one in left]
        if by and not found:
            found[CONSOLE] = self._recipient(contacts, CONSOLE, CONSOLE, [CONSOLE])
        return self._troubled({"recipients": list(found.values()), "nobody": nobody})

    def _leads_somewhere(self, channel: Channel) -> bool:
        """Whether a message by this channel arrives, whoever it is for."""
        connection = channel.connection
        if connection is None or connection not in self.place.connections:
            return False
        return channel.to is not None or self._one_place(connection)

    def _calls(self, contacts: Contacts, by: list[str], at_us: int) -> Calls:
        return Calls(
            contacts=contacts,
            at_us=at_us,
            ways=lambda one: [name for name in by if self._reaches(contacts, one, name)],
            mails=tuple(name for name in by if self.family(contacts, name) in MAILS),
            quiet=lambda one: self._quiet(contacts, one),
            paged=lambda rota: self._paged(contacts, rota, by),
        )

    def _paged(self, contacts: Contacts, rota: Rota, by: list[str]) -> Callee:
        """Where it is not known who is on call: the rota's channel, else what leads anywhere."""
        first = rota.channel or CONSOLE
        behind = [name for name in by if name != first]
        ways = [name for name in (first, *behind) if self._open(contacts, name)]
        return Callee(rota.name, rota.name, tuple(ways) or (CONSOLE,))

    def _callee(self, contacts: Contacts, one: Callee) -> dict[str, Any]:
        found = self._recipient(contacts, one.id, one.name, list(one.by))
        return found | ({"not_before_us": one.not_before_us} if one.not_before_us else {})

    def family(self, contacts: Contacts, channel: str) -> str | None:
        """The adapter of a channel; None where it cannot be used in this environment."""
        known = contacts.channels.get(channel)
        connection = self.place.connections.get((known.connection if known else None) or "")
        return connection.adapter if connection is not None else None

    def _quiet(self, contacts: Contacts, person: Person | None) -> Quiet | None:
        """Hours at which somebody is not to be woken for this; None where it is critical."""
        quiet = (person.quiet if person is not None else None) or contacts.quiet
        severity = contacts.severities.get(self.severity or self.runbook.severity or "")
        woken = severity is None or severity.critical or self.place.name == SANDBOX
        return None if woken else quiet

    def _who(
        self, contacts: Contacts, who: str, by: list[str], at_us: int
    ) -> Iterable[dict[str, Any]]:
        if who == CONSOLE or who in contacts.channels:
            ways = [who] if self._open(contacts, who) else [CONSOLE]
            yield self._recipient(contacts, who, who, ways)
            return
        people = [contacts.people[who]] if who in contacts.people else contacts.in_role(who)
        for person in people:
            yield self._person(contacts, person, by, at_us)

    def _person(
        self, contacts: Contacts, person: Person, by: list[str], at_us: int
    ) -> dict[str, Any]:
        ways = [name for name in by if self._reaches(contacts, person, name)]
        found = self._recipient(contacts, person.id, person.name, ways or [CONSOLE])
        quiet = self._quiet(contacts, person)
        if quiet is not None:
            found["not_before_us"] = quiet.until_us(at_us)
        return found

    def _reaches(self, contacts: Contacts, person: Person, channel: str) -> bool:
        known = contacts.channels.get(channel)
        if known is not None and person.channels.get(channel) is not None:
            return known.connection in self.place.connections
        return self._open(contacts, channel)

    def _open(self, contacts: Contacts, channel: str) -> bool:
        """Whether a channel leads somewhere here, without an address of somebody's own."""
        known = contacts.channels.get(channel)
        if known is None or known.connection is None:
            return channel == CONSOLE
        if known.connection not in self.place.connections:
            return False
        return known.to is not None or self._one_place(known.connection)

    def _one_place(self, connection: str) -> bool:
        """Whether a channel leads to one place whoever is called: it takes no address."""
        try:
            made = self.registry.adapter(self.place.connections[connection].adapter)
        except RunbookError:
            return False
        return not getattr(made, "addressed", True)

    def _recipient(self, contacts: Contacts, id_: str, name: str, by: list[str]) -> dict[str, Any]:
        ways = [{"channel": one, **self._ways(contacts, one)} for one in by]
        return {"id": id_, "name": name, "by": ways}

    def _ways(self, contacts: Contacts, channel: str) -> dict[str, bool]:
        """What `LevelDue` says of a channel: `again`, `by_key`, see `engine.plugin.Channel`."""
        known = contacts.channels.get(channel)
        if known is None or known.connection is None:
            return {"again": True}
        connection = self.place.connections.get(known.connection)
        if connection is None:
            return {"again": False}
        if connection.adapter == "webhook":
            return {"again": connection.settings.get("idempotent") is True}
        try:
            made = self.registry.adapter(connection.adapter)
        except RunbookError:
            return {"again": False}
        by_key = {"by_key": True} if getattr(made, "by_key", False) else {}
        return {"again": bool(getattr(made, "again", False)), **by_key}

    # -- when somebody is told ---------------------------------------------------------------------

    def way(self, who: str, channel: str) -> Way:
        contacts = self.contacts
        known = contacts.channels.get(channel)
        if channel == CONSOLE or known is None or known.connection is None:
            if channel != CONSOLE:
                raise RunbookError(f"the contacts have no channel {channel} (any more)")
            return Way(None, None)
        person = contacts.people.get(who)
        own = person.channels.get(channel) if person is not None else None
        if person is None and "@" in who and self.family(contacts, channel) in MAILS:
            own = who  # on call elsewhere, and nobody of the contacts
        return Way(known.connection, str(own) if own is not None else known.to)

    def text(self, words: Mapping[str, Any], kind: str) -> Own | None:
        own = self.contacts.messages.get(kind)
        if own is None:
            return None
        return own_words({"title": own.title, "text": own.text}, words, kind)

    def page(self, words: Mapping[str, Any]) -> str:
        severity = self.contacts.severities.get(words.get("severity") or "")
        return severity.page if severity is not None else "critical"

    def link(self, run: str) -> str | None:
        found = self.contacts.link
        return found.replace("{run}", run) if found else None

    def is_person(self, who: str) -> bool:
        return who in self.contacts.people

    def connections(self) -> tuple[str, ...]:
        """The connections by which people are told: their secrets must be known."""
        contacts = self.contacts
        names = {c.connection for c in contacts.channels.values() if c.connection is not None}
        names |= {r.connection for r in contacts.rotas.values() if r.connection is not None}
        return tuple(sorted(names & set(self.place.connections)))


def directory_of(
    books: Books, registry: Registry, runbook: Runbook, place: Environment
) -> Directory:
    """Whom it calls. Raises Diagnosed for contacts that cannot be read: told now, not at night when
    somebody is to be called.
    """
    books.contacts(runbook.name.partition("/")[0])
    return Directory(books, registry, runbook, place)


@dataclass(frozen=True, slots=True)
class Press:
    """Where people take what a run calls for: of a run, an escalation and a message the value of a
    button (`sign`) and a link (`take`). `stake`: the same of what answers a question. `server`: its
    address, where it has one. `pressed`: it takes in what is pressed.
    """

    sign: Callable[[str, str, str], str] | None = None
    take: Callable[[str, str, str], str] | None = None
    stake: Callable[[Stake], str] | None = None
    server: str | None = None
    pressed: bool = True


def teller(
    directory: Directory,
    connections: Connections,
    pace: Pace,
    say: Callable[[str], None] | None,
    press: Press = Press(),
) -> Callable[[str, Any], Teller]:
    """Who tells people of a run: its id, and the event that triggered it."""

    def of(run: str, event: Any) -> Teller:
        button = partial(press.sign, run) if press.sign is not None else None
        incident = incident_of(event)
        told = Teller(run, connections, directory, pace, pace.clock, say, incident, button)
        told.take = partial(press.take, run) if press.take is not None else None
        told.stake, told.server, told.pressed = press.stake, press.server, press.pressed
        return told

    return of
