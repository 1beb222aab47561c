"""Whom a run calls: from the pack's contacts to what a run is told when it begins, and to names and
addresses when a level is due.

Policies are taken when a run begins, as its text is. People, rotas and addresses are looked up when
they are needed: whoever is on call at three is called at three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.config import Books, Contacts, Environment, Level
from engine.config.contacts import CONSOLE, Person, Severity
from engine.core.decide import DEFAULT_POLICY
from engine.core.state import State
from engine.core.words import words
from engine.errors import RunbookError
from engine.language.model import Escalate, Runbook, walk_runbook
from engine.language.template import tell
from engine.registry import Registry
from engine.runner.connections import Connections
from engine.runner.telling import Pace, Teller, Way
from engine.wiring.admission import SANDBOX, called
from engine.wiring.hurry import hurried, hurry_of


def telling(runbook: Runbook, contacts: Contacts, place: Environment) -> dict[str, Any]:
    """The `telling` of a `RunStarted`: the policies this runbook may use, and its status updates.

    In a sandbox nobody real is there: with an inbox all of it is played, faster (see `hurry`);
    without one the first level is told at the console, and that is all.
    """
    hurry = hurry_of(place.services) if place.name == SANDBOX else None
    alone = place.name == SANDBOX and hurry is None
    severity = contacts.severities.get(runbook.severity or "")
    found: dict[str, Any] = {"policies": {}}
    for name in _policies(runbook):
        meant = name
        if name == DEFAULT_POLICY and severity is not None and severity.policy is not None:
            meant = severity.policy
        levels = contacts.policies.get(meant)
        if levels:
            reopen_s = contacts.reopen_after_s.get(meant)
            found["policies"][name] = _policy(levels, reopen_s, alone)
    if severity is not None and severity.status_every_s and not alone:
        every_us = round(severity.status_every_s * 1e6)
        found["status"] = {"every_us": every_us, "by": list(severity.status_by)}
    within_s = runbook.respond_within_s or (severity.respond_within_s if severity else None)
    if within_s:
        found["respond_within_us"] = round(within_s * 1e6)
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
        "unless": level.until,
        "every_us": round(level.every_s * 1e6) if level.every_s else None,
        "times": level.times,
    }


@dataclass(slots=True)
class Directory:
    """The contacts of one run's pack, as its files say at the moment they are asked."""

    books: Books
    registry: Registry
    runbook: Runbook
    place: Environment
    trouble: str | None = None
    """Why the contacts could not be read, when they could not."""

    _known: Contacts | None = None

    @property
    def contacts(self) -> Contacts:
        pack = self.runbook.name.partition("/")[0]
        try:
            self._known = self.books.contacts(pack)
        except RunbookError as error:
            self.trouble = f"contacts.yaml cannot be read: {error.message}"
            return self._known or Contacts()
        self.trouble = None
        return self._known

    # -- when a level is due -----------------------------------------------------------------------

    def called(self, state: State, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a `LevelDue` says besides what was decided: recipients, nobody, words."""
        contacts = self.contacts
        recipients: dict[str, dict[str, Any]] = {}
        nobody: list[str] = []
        for who in body["who"]:
            found = list(self._who(contacts, who, body["by"], state.now_us))
            nobody += [] if found else [who]
            for one in found:
                recipients.setdefault(one["id"], one)
        if nobody and not recipients and self.trouble is not None:
            recipients[CONSOLE] = self._recipient(contacts, CONSOLE, CONSOLE, [CONSOLE])
        said = words(state, body["escalation"], body["level"])
        known = {"recipients": list(recipients.values()), "nobody": nobody, "words": said}
        return {**known, "trouble": self.trouble} if self.trouble is not None else known

    def _who(
        self, contacts: Contacts, who: str, by: list[str], at_us: int
    ) -> Iterable[dict[str, Any]]:
        if who == CONSOLE or who in contacts.channels:
            ways = [who] if self._open(contacts, who) else [CONSOLE]
            yield self._recipient(contacts, who, who, ways)
            return
        rota = contacts.rotas.get(who)
        if rota is not None and rota.schedule is not None:
            first = rota.channel or CONSOLE
            behind = [name for name in by if name != first]
            ways = [name for name in (first, *behind) if self._open(contacts, name)]
            yield self._recipient(contacts, who, who, ways or [CONSOLE])
            return
        names = [rota.on_call(at_us)] if rota is not None else [who]
        people = [contacts.people[name] for name in names if name and name in contacts.people]
        for person in people or contacts.in_role(who):
            yield self._person(contacts, person, by, at_us)

    def _person(
        self, contacts: Contacts, person: Person, by: list[str], at_us: int
    ) -> dict[str, Any]:
        ways = [name for name in by if self._reaches(contacts, person, name)]
        found = self._recipient(contacts, person.id, person.name, ways or [CONSOLE])
        quiet = person.quiet or contacts.quiet
        severity = self.severity(contacts)
        woken = severity is None or severity.critical or self.place.name == SANDBOX
        if quiet is not None and not woken:
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
        ways = [{"channel": one, "again": self._again(contacts, one)} for one in by]
        return {"id": id_, "name": name, "by": ways}

    def _again(self, contacts: Contacts, channel: str) -> bool:
        known = contacts.channels.get(channel)
        if known is None or known.connection is None:
            return True
        connection = self.place.connections.get(known.connection)
        if connection is None:
            return False
        if connection.adapter == "webhook":
            return connection.settings.get("idempotent") is True
        try:
            return bool(getattr(self.registry.adapter(connection.adapter), "again", False))
        except RunbookError:
            return False

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
        return Way(known.connection, str(own) if own is not None else known.to)

    def text(self, words: Mapping[str, Any], kind: str) -> tuple[str, str] | None:
        own = self.contacts.messages.get(kind)
        if own is None:
            return None
        scope = {**words, "kind": kind}
        return tell(own.title, scope), tell(own.text, scope)

    def page(self, words: Mapping[str, Any]) -> str:  # noqa: ARG002 - as the teller asks
        severity = self.severity(self.contacts)
        return severity.page if severity is not None else "critical"

    def link(self, run: str) -> str | None:
        found = self.contacts.link
        return found.replace("{run}", run) if found else None

    def severity(self, contacts: Contacts) -> Severity | None:
        return contacts.severities.get(self.runbook.severity or "")

    def connections(self) -> tuple[str, ...]:
        """The connections by which people are told: their secrets must be known."""
        names = {c.connection for c in self.contacts.channels.values() if c.connection is not None}
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
    """Where people take what a run calls for by a button or a link. `sign`: its claim, of a run, an
    escalation and a message. `take_at`: the address before a claim.
    """

    sign: Callable[[str, str, str], str] | None = None
    take_at: str | None = None


def teller(
    directory: Directory,
    connections: Connections,
    pace: Pace,
    say: Callable[[str], None] | None,
    press: Press = Press(),
) -> Callable[[str, Any], Teller]:
    """Who tells people of a run: its id, and the event that triggered it."""

    def of(run: str, event: Any) -> Teller:
        sign = press.sign
        button = (lambda escalation, key: sign(run, escalation, key)) if sign is not None else None
        incident = incident_of(event)
        told = Teller(run, connections, directory, pace, pace.clock, say, incident, button)
        told.take_at = press.take_at
        return told

    return of


def incident_of(event: Any) -> str | None:
    """PagerDuty's id of the incident that started a run."""
    if not isinstance(event, Mapping):
        return None
    inner = event.get("data")
    data = inner if isinstance(inner, Mapping) else event
    found = data.get("incident_id") or (data.get("id") if data.get("type") == "incident" else None)
    return str(found) if found else None
