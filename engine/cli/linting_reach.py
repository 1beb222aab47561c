"""Whether those whom a pack names can be reached, and are enough: held against its contacts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.config import Contacts
from engine.config.contacts import Level, Person
from engine.errors import Diagnostic, Place
from engine.language.model import Approve, Call, Runbook, walk_runbook
from engine.language.words import did_you_mean, listed, named

FOUR_EYES_HINT = "whoever starts a run may not approve what it does: let one more role approve it"


def unreached(contacts: Contacts, addressed: Mapping[str, bool]) -> Iterator[Diagnostic]:
    """People of a level without an address for any of its channels. `addressed`: of channels,
    whether they lead to people's own addresses only.
    """
    for policy, levels in contacts.policies.items():
        for level in levels:
            if all(addressed.get(channel, False) for channel in level.by):
                for person in _called(contacts, level):
                    if not set(level.by) & set(person.channels):
                        by = listed(level.by, "or")
                        what = f"{named(person.id)} has no address for {by}"
                        hint = f"{named(policy)} calls them at the console only: give them one"
                        yield Diagnostic("RB855", what, level.place, hint, 1, "warning")


def placeless(contacts: Contacts, addressed: Mapping[str, bool]) -> Iterator[Diagnostic]:
    """Channels that are told something as places are, and lead to people's own addresses only."""
    given = [
        (one.place, name, "how a run stands is told there")
        for one in contacts.severities.values()
        for name in one.status_by
    ]
    given += [
        (level.place, who, f"{named(policy)} calls it")
        for policy, levels in contacts.policies.items()
        for level in levels
        for who in level.who
    ]
    for place, name, why in given:
        if addressed.get(name, False):
            what = f"the channel {named(name)} leads to nobody of itself, and {why}"
            hint = "name a channel that has `to`: {connection: ..., to: ...}"
            yield Diagnostic("RB855", what, place, hint, 1, "warning")


def _called(contacts: Contacts, level: Level) -> list[Person]:
    """Everybody whom a level may call, in the order of the file, once."""
    ids: set[str] = set()
    for who in level.who:
        rota = contacts.rotas.get(who)
        if rota is not None:
            ids |= {*rota.order, *(override.who for override in rota.overrides)}
        ids |= {who} | {person.id for person in contacts.in_role(who)}
    return [person for person in contacts.people.values() if person.id in ids]


def too_few(runbook: Runbook, contacts: Contacts) -> Iterator[Diagnostic]:
    """Roles and rotas that nobody has who may start it, or too few of those who must approve."""
    if not contacts.people:
        return  # the file says who is called only
    for name in runbook.who:
        if not _able(contacts, name):
            place, width = where(runbook.text, runbook.place, r"who\s*:", name)
            what = f"nobody has the role {named(name)}: nobody may start it by that"
            if _stranger(contacts, name):
                what = _no_such(name, "start it")
            yield Diagnostic("RB856", what, place, _role_hint(contacts, name), width, "warning")
    for entry in walk_runbook(runbook):
        if isinstance(entry, Call) and entry.approve is not None:
            yield from _approvers(runbook, contacts, entry, entry.approve)


def _approvers(
    runbook: Runbook, contacts: Contacts, entry: Call, approve: Approve
) -> Iterator[Diagnostic]:
    strangers = [name for name in approve.by if _stranger(contacts, name)]
    for name in strangers:
        place, width = where(runbook.text, entry.place, r"by\s*:", name)
        what = _no_such(name, f"approve {named(entry.id)}")
        yield Diagnostic("RB856", what, place, _role_hint(contacts, name), width, "warning")
    if strangers or any(_kept_elsewhere(contacts, name) for name in approve.by):
        return
    able = {one for name in approve.by for one in _members(contacts, name)}
    if len(able) < approve.count:
        place, width = where(runbook.text, entry.place, r"by\s*:", approve.by[0])
        roles = listed([named(name) for name in approve.by], "or")
        what = f"{approve.count} must approve it, and {_have(len(able))} the role {roles}"
        hint = _role_hint(contacts, approve.by[0])
        yield Diagnostic("RB856", what, place, hint, width, "warning")
    elif stuck := sorted(able & _starters(runbook, contacts)) if len(able) == approve.count else []:
        place, width = where(runbook.text, entry.place, r"by\s*:", approve.by[0])
        what = f"if {named(stuck[0])} starts it, too few are left who may approve {named(entry.id)}"
        yield Diagnostic("RB857", what, place, FOUR_EYES_HINT, width, "warning")


def _starters(runbook: Runbook, contacts: Contacts) -> set[str]:
    """The people who may start it; without `who` everybody may."""
    if not runbook.who:
        return set(contacts.people)
    return {person for name in runbook.who for person in _members(contacts, name)}


def _stranger(contacts: Contacts, name: str) -> bool:
    return name not in contacts.roles and name not in contacts.rotas


def _no_such(name: str, may: str) -> str:
    return f"the contacts have neither a role nor a rota {named(name)}, who may {may}"


def _able(contacts: Contacts, name: str) -> bool:
    """Whether somebody has it, or somebody else says who."""
    return _kept_elsewhere(contacts, name) or any(True for _ in _members(contacts, name))


def _have(number: int) -> str:
    if number == 0:
        return "nobody has"
    return f"only {number} {'has' if number == 1 else 'have'}"


def _role_hint(contacts: Contacts, role: str) -> str | None:
    known = sorted({*contacts.roles, *contacts.rotas} - {role})
    return did_you_mean(role, known, "give it to somebody under 'people' of contacts.yaml")


def _members(contacts: Contacts, role: str) -> Iterator[str]:
    rota = contacts.rotas.get(role)
    yield from (rota.order if rota is not None else ())
    yield from (person.id for person in contacts.in_role(role))


def _kept_elsewhere(contacts: Contacts, role: str) -> bool:
    rota = contacts.rotas.get(role)
    return rota is not None and rota.schedule is not None


def where(text: str, start: Place, key: str, value: str) -> tuple[Place, int]:
    """Where a value stands in a text, and how wide: behind a key (a pattern), at a place or below.
    The place itself where it is not found so, as in a list over several lines.
    """
    line_of = re.compile(rf"(?<![\w-]){key}[^#]*?(?<![\w-])({re.escape(value)})(?![\w-])")
    for number, line in enumerate(text.splitlines()[start.line - 1 :], start.line):
        found = line_of.search(line)
        if found is not None:
            return Place(start.file, number, found.start(1) + 1), len(value)
    return start, 1
