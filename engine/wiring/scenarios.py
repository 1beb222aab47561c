"""Whom the run of a scenario calls: by the contacts of its pack, as in a real run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.config import Books
from engine.config.contacts import CONSOLE
from engine.core.state import State
from engine.errors import RunbookError
from engine.language.model import Runbook
from engine.registry import Registry
from engine.wiring.calling import Directory, telling
from engine.wiring.on_call import carriers
from engine.wiring.whom import names_of


@dataclass(slots=True)
class Contacted:
    """A directory, as a scenario asks it."""

    telling: Mapping[str, Any]
    directory: Directory

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.directory.called(state, body)

    def follows(self, channel: str) -> bool:
        known = self.directory.contacts.channels.get(channel)
        if channel == CONSOLE or known is None or known.connection is None:
            return False
        connection = self.directory.place.connections.get(known.connection)
        if connection is None:
            return False
        try:
            made = self.directory.registry.adapter(connection.adapter)
        except RunbookError:
            return False
        return bool(getattr(made, "follows", True))

    def roles(self, who: str, at_us: int) -> tuple[frozenset[str], frozenset[str]]:
        contacts = self.directory.contacts
        person = contacts.people.get(who)
        if person is None:
            return frozenset(), frozenset()
        rotas = (r for r in contacts.rotas.values() if who in carriers(contacts, r, {}, at_us))
        return frozenset((*person.roles, *(rota.name for rota in rotas))), names_of(person)


@dataclass(slots=True)
class ContactsOf:
    """The `Callers` of some books. An environment is read once, however many scenarios play it."""

    books: Books
    registry: Registry
    _known: dict[tuple[str, str], Contacted] = field(default_factory=dict)

    def __call__(self, runbook: Runbook, environment: str) -> Contacted:
        key = (runbook.name, environment)
        if key not in self._known:
            pack = runbook.name.partition("/")[0]
            place = self.books.environment(pack, environment, self.registry, only=())
            made = telling(runbook, self.books.contacts(pack), place)
            directory = Directory(self.books, self.registry, runbook, place)
            self._known[key] = Contacted(made, directory)
        return self._known[key]
