"""Whom runbooks call, held against the contacts of their pack: names that lead to nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.cli.linting_ends import cut_short
from engine.cli.linting_reach import placeless, too_few, unreached, where
from engine.config import Books, Connection, Contacts
from engine.core.escalate import DEFAULT_POLICY
from engine.errors import Collector, Diagnostic, Place, RunbookError
from engine.language.catalog import Catalog
from engine.language.model import Escalate, Runbook, walk_runbook
from engine.language.source import read
from engine.language.words import did_you_mean, named

SANDBOX = "sandbox"
POLICIES_HINT = "`policies` of the pack's contacts.yaml say whom: runbook docs escalation"


def calls_of(books: Books, runbook: Runbook) -> tuple[Diagnostic, ...]:
    """Policies and severities of a runbook that its pack does not have: what it says is told at the
    console then, and nowhere else. And roles and rotas that nobody has, or too few people.
    """
    try:
        contacts = books.contacts(runbook.name.partition("/")[0])
    except RunbookError:
        return ()  # told where the contacts are read
    return (
        *_unknown(runbook, contacts),
        *too_few(runbook, contacts),
        *cut_short(runbook, contacts),
    )


def _unknown(runbook: Runbook, contacts: Contacts) -> Iterator[Diagnostic]:
    asked = [(e.policy, e.place) for e in walk_runbook(runbook) if isinstance(e, Escalate)]
    if runbook.escalation is not None:
        asked.append((runbook.escalation.policy, runbook.escalation.place))
    known = contacts.policies
    means = contacts.severities.get(runbook.severity or "")
    meant = {DEFAULT_POLICY} if means is not None and means.policy is not None else set()
    for policy, place in asked:
        if policy not in known and policy not in meant:
            what = f"the contacts have no policy {named(policy)}: only the console is told"
            at, width = where(runbook.text, place, r"(?:escalate|escalation|policy)\s*:", policy)
            hint = did_you_mean(policy, known, None if known else POLICIES_HINT)
            # with none at all the pack tells nobody yet; with some, this one is a slip of the pen
            yield Diagnostic("RB850", what, at, hint, width, "error" if known else "warning")
    severity = runbook.severity
    if contacts.severities and severity is not None and severity not in contacts.severities:
        what = f"the contacts do not say what the severity {named(severity)} means"
        at, width = where(runbook.text, runbook.place, r"severity\s*:", severity)
        hint = did_you_mean(severity, contacts.severities)
        yield Diagnostic("RB851", what, at, hint, width, "warning")


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
                what += f": by {named(channel.name)} nobody is told there"
                otherwise = f"environments/{name}.yaml says what `connections` there are"
                hint = did_you_mean(channel.connection, there, otherwise)
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


def _warning(code: str, what: str, place: Place, help_: str | None, width: int = 1) -> Diagnostic:
    return Diagnostic(code, what, place, help_, width, "warning")


SHAPES: Mapping[str, tuple[str, str]] = {
    "mail": (r"[^@\s]+@[^@\s]+", "a mail address, like ana@example.com"),
    "sendgrid": (r"[^@\s]+@[^@\s]+", "a mail address, like ana@example.com"),
    "twilio": (r"(whatsapp:)?\+[1-9]\d{6,14}", "a number with its country, like +4915112345678"),
    "slack": (r"[UWCDG][A-Z0-9]+|[#][^\s#]+", "an id of Slack, like U0123ABC, or #a-channel"),
}
"""How an address looks, by the adapter of the channel's connection, and how that is said."""

ANSWERING = frozenset({"mail", "sendgrid", "slack"})
"""Adapters whose messages are answered: by a link of one's own, or as whoever pressed."""

SHARED_HINT = "an address of their own; a list or a room is a channel with `to`"


def addresses_of(books: Books, catalog: Catalog, pack: str) -> tuple[Diagnostic, ...]:
    """Addresses that lead nowhere by their channel, and people who have none for a level: told now,
    not at night.
    """
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
    text = read(Path(contacts.file), Collector()) if contacts.file is not None else None
    given = [
        (person.place, person.id, channel, str(to))
        for person in contacts.people.values()
        for channel, to in person.channels.items()
    ]
    given += [(c.place, "", c.name, c.to) for c in contacts.channels.values() if c.to is not None]
    addressed = {
        name: bool(adapters.get(name)) and adapters[name] <= set(SHAPES) and channel.to is None
        for name, channel in contacts.channels.items()
    }
    found = (*_misshapen(text or "", given, adapters), *_shared(text or "", given, adapters))
    return (*found, *unreached(contacts, addressed), *placeless(contacts, addressed))


def _misshapen(
    text: str, given: list[tuple[Place, str, str, str]], adapters: Mapping[str, set[str]]
) -> Iterator[Diagnostic]:
    for place, who, channel, address in given:
        for adapter in sorted(adapters.get(channel, ())):
            shape, said = SHAPES.get(adapter, ("", ""))
            if said and re.fullmatch(shape, address) is None:
                whose = f"{named(who)} has" if who else f"the channel {named(channel)} leads to"
                by = f" for {named(channel)}" if who else ""
                key = rf"{re.escape(channel) if who else 'to'}\s*:"
                at, width = where(text, place, key, address)
                what = f"{whose} {named(address)}{by}: not {said}"
                yield Diagnostic("RB854", what, at, None, width, "warning")


def _shared(
    text: str, given: list[tuple[Place, str, str, str]], adapters: Mapping[str, set[str]]
) -> Iterator[Diagnostic]:
    """An address of two people, by a channel that takes answers: it tells nobody which of them
    speaks, and where it takes two to agree one is enough.
    """
    seen: dict[tuple[str, str], str] = {}
    for place, who, channel, address in given:
        if not who or not adapters.get(channel, set()) & ANSWERING:
            continue
        first = seen.setdefault((channel, address), who)
        if first != who:
            at, width = where(text, place, rf"{re.escape(channel)}\s*:", address)
            what = f"{named(first)} and {named(who)} have one address for {named(channel)}"
            what += f", {named(address)}: whoever has it can answer for both"
            yield _warning("RB859", what, at, SHARED_HINT, width)
