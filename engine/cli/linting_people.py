"""Whom runbooks call, held against the contacts of their pack: names that lead to nobody."""

from __future__ import annotations

from collections.abc import Iterator

from engine.config import Books, Contacts
from engine.errors import Diagnostic, Place, RunbookError
from engine.language.catalog import Catalog
from engine.language.model import Escalate, Runbook, walk_runbook
from engine.language.words import did_you_mean, named

SANDBOX = "sandbox"


def calls_of(books: Books, runbook: Runbook) -> tuple[Diagnostic, ...]:
    """Policies and severities of a runbook that its pack does not have: what it says is told at the
    console then, and nowhere else.
    """
    try:
        contacts = books.contacts(runbook.name.partition("/")[0])
    except RunbookError:
        return ()  # told where the contacts are read
    return tuple(_unknown(runbook, contacts))


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


def channels_of(books: Books, catalog: Catalog, pack: str) -> tuple[Diagnostic, ...]:
    """Channels whose connection an environment does not have: nobody is told by them there."""
    contacts = books.contacts(pack)
    found = []
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
    return tuple(found)


def _warning(code: str, what: str, place: Place, help_: str | None) -> Diagnostic:
    return Diagnostic(code, what, place, help_, 1, "warning")
