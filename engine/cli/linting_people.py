"""Whom runbooks call, held against the contacts of their pack: names that lead to nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.config import Books, Connection, Contacts
from engine.errors import Diagnostic, Place, RunbookError
from engine.language.catalog import Catalog
from engine.language.model import Call, Escalate, Runbook, walk_runbook
from engine.language.words import did_you_mean, named

SANDBOX = "sandbox"


def calls_of(books: Books, runbook: Runbook) -> tuple[Diagnostic, ...]:
    """Policies and severities of a runbook that its pack does not have: what it says is told at the
    console then, and nowhere else; and roles and rotas that it does not have.
    """
    try:
        contacts = books.contacts(runbook.name.partition("/")[0])
    except RunbookError:
        return ()  # told where the contacts are read
    return (*_unknown(runbook, contacts), *_nobody(runbook, contacts))


def _unknown(runbook: Runbook, contacts: Contacts) -> Iterator[Diagnostic]:
    asked = [(e.policy, e.place) for e in walk_runbook(runbook) if isinstance(e, Escalate)]
    if runbook.escalation is not None:
        asked.append((runbook.escalation.policy, runbook.escalation.place))
    known = contacts.policies
    for policy, place in asked if known else ():
        if policy not in known:
            what = f"the contacts have no policy {named(policy)}: only the console is told"
            yield _warning("RB850", what, place, did_you_mean(policy, known))
    severity = runbook.severity
    if contacts.severities and severity is not None and severity not in contacts.severities:
        what = f"the contacts do not say what the severity {named(severity)} means"
        yield _warning("RB851", what, runbook.place, did_you_mean(severity, contacts.severities))


def _nobody(runbook: Runbook, contacts: Contacts) -> Iterator[Diagnostic]:
    """Names of whom it takes to start, answer or approve, which are neither a role nor a rota."""
    known = {**contacts.roles, **contacts.rotas}
    asked = [(name, runbook.place, "start it") for name in runbook.who]
    for entry in walk_runbook(runbook):
        if isinstance(entry, Call) and entry.approve is not None:
            may = f"approve {named(entry.id)}"
            asked += [(name, entry.place, may) for name in entry.approve.by]
    for name, place, what in asked if contacts.file is not None else ():
        if name not in known:
            said = f"the contacts have neither a role nor a rota {named(name)}"
            yield _warning("RB855", f"{said}, who may {what}", place, did_you_mean(name, known))


def channels_of(books: Books, catalog: Catalog, pack: str) -> tuple[Diagnostic, ...]:
    """What is odd in the contacts, and channels whose connection an environment does not have:
    nobody is told by them there.
    """
    contacts = books.contacts(pack)
    found = list(contacts.warnings)
    for name in books.environments(pack):
        if name == SANDBOX:
            continue
        try:
            there = books.environment(pack, name, catalog, only=()).connections
        except RunbookError:
            continue  # told where it is read
        for channel in contacts.channels.values():
            if channel.connection is not None and channel.connection not in there:
                what = f"the environment {name} has no connection {named(channel.connection)}"
                hint = f"by {named(channel.name)} nobody is told there"
                found.append(_warning("RB852", what, channel.place, hint))
        found += _rotas_of(contacts, there, name)
    return tuple(found)


MISTAKEN = ("http", "pagerduty", "pagerduty_notes")
"""Adapters that lead to PagerDuty, and cannot say who is on call."""


def _rotas_of(
    contacts: Contacts, there: Mapping[str, Connection], environment: str
) -> Iterator[Diagnostic]:
    """Rotas of which nobody can be asked in an environment who is on call."""
    for rota in contacts.rotas.values():
        if rota.connection is None:
            continue
        otherwise = ", ".join(rota.order) or rota.channel or "the console"
        hint = f"who is on call is not known there, and {otherwise} is told instead"
        connection = there.get(rota.connection)
        if connection is None:
            what = f"the environment {environment} has no connection {named(rota.connection)}"
            yield _warning("RB873", what, rota.place, hint)
        elif connection.adapter in MISTAKEN:
            what = f"{named(rota.connection)} of {environment} is of kind {connection.adapter}"
            hint = "a connection of kind pagerduty_schedules says who is on call"
            yield _warning("RB874", what, rota.place, hint)


def _warning(code: str, what: str, place: Place, help_: str | None) -> Diagnostic:
    return Diagnostic(code, what, place, help_, 1, "warning")


SHAPES: Mapping[str, tuple[str, str]] = {
    "mail": (r"[^@\s]+@[^@\s]+", "a mail address, like ana@example.com"),
    "sendgrid": (r"[^@\s]+@[^@\s]+", "a mail address, like ana@example.com"),
    "twilio": (r"(whatsapp:)?\+[1-9]\d{6,14}", "a number with its country, like +4915112345678"),
    "slack": (r"[UWCDG][A-Z0-9]+|[#][^\s#]+", "an id of Slack, like U0123ABC, or #a-channel"),
}
"""How an address looks, by the adapter of the channel's connection, and how that is said."""


def addresses_of(books: Books, catalog: Catalog, pack: str) -> tuple[Diagnostic, ...]:
    """Addresses that lead nowhere by their channel: told now, not by a vendor at night."""
    contacts = books.contacts(pack)
    adapters: dict[str, set[str]] = {}
    for name in books.environments(pack):
        try:
            there = books.environment(pack, name, catalog, only=()).connections
        except RunbookError:
            continue  # told where it is read
        for channel in contacts.channels.values():
            if channel.connection is not None and channel.connection in there:
                adapters.setdefault(channel.name, set()).add(there[channel.connection].adapter)
    given = [
        (person.place, person.id, channel, str(to))
        for person in contacts.people.values()
        for channel, to in person.channels.items()
    ]
    given += [(c.place, "", c.name, c.to) for c in contacts.channels.values() if c.to is not None]
    return tuple(_misshapen(given, adapters))


def _misshapen(
    given: list[tuple[Place, str, str, str]], adapters: Mapping[str, set[str]]
) -> Iterator[Diagnostic]:
    for place, who, channel, address in given:
        for adapter in sorted(adapters.get(channel, ())):
            shape, said = SHAPES.get(adapter, ("", ""))
            if said and re.fullmatch(shape, address) is None:
                whose = f"{named(who)} has" if who else f"the channel {named(channel)} leads to"
                by = f" for {named(channel)}" if who else ""
                yield _warning("RB854", f"{whose} {named(address)}{by}: not {said}", place, None)
