"""May this runbook be started here, by this person? Looked at before anything is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import structs

from engine.config import Contacts, Environment, Person
from engine.core import guards
from engine.core.events import Actor
from engine.core.state import State
from engine.errors import Collector, Diagnosed, Refused, Usage
from engine.language.model import Call, Runbook, walk_runbook
from engine.language.words import did_you_mean, listed

SANDBOX = "sandbox"
"""The environment whose services are started for the time of a run: anybody may start anything
there.
"""

TRIGGERS = frozenset({"webhook", "schedule"})
"""Means of what is nobody: `who` is about people, and the runbook itself names its triggers."""

CARRIED = frozenset({("ssh", "command")})
"""Families that an adapter of another family carries: `command` runs over an `ssh` connection."""


def called(runbook: Runbook) -> tuple[Runbook, ...]:
    """A runbook and every one it calls, all the way down, each once."""
    found = {runbook.name: runbook}
    rest = list(runbook.calls.values())
    while rest:
        book = rest.pop()
        if book.name not in found:
            found[book.name] = book
            rest.extend(book.calls.values())
    return tuple(found.values())


def calls(runbook: Runbook) -> list[Call]:
    """Every check and action of a runbook and of those it calls, and every probe."""
    found = [e for book in called(runbook) for e in walk_runbook(book) if isinstance(e, Call)]
    return found + [call.probe for call in found if call.probe is not None]


def targets(runbook: Runbook) -> tuple[str, ...]:
    """The connections it talks to."""
    return tuple(sorted({call.target for call in calls(runbook) if call.target is not None}))


def check_targets(runbook: Runbook, place: Environment) -> None:
    """Raises Diagnosed unless the environment has every connection, each of the kind that is
    needed.
    """
    found = Collector()
    for call in calls(runbook):
        if call.target is not None:
            _check_target(call, call.target, place, found)
    if found.found:
        raise Diagnosed(tuple(found.found), _sources(runbook))


def _check_target(call: Call, target: str, place: Environment, found: Collector) -> None:
    connection = place.connections.get(target)
    if connection is None:
        what = f"environment {place.name} has no connection `{target}`"
        found.add("RB601", what, call.place, did_you_mean(target, place.connections))
        return
    family = call.signature.family
    if connection.adapter != family and (connection.adapter, family) not in CARRIED:
        what = f"`{call.type}` cannot go over `{target}`, which is of kind {connection.adapter}"
        found.add("RB602", what, call.place, f"it is declared at {connection.place}")


def _sources(runbook: Runbook) -> dict[str, str]:
    return {book.place.file: book.text for book in called(runbook)}


def admit(place: Environment, actor: Actor) -> None:
    """Raises Refused for who may not speak for somebody else here."""
    if actor.means == "as" and not place.may_speak_as(actor.via or ""):
        raise Refused(
            f"{actor.via} may not use --as in environment {place.name}",
            help="`allow_as` of the environment says who may",
        )


def asks_who(runbook: Runbook, place: Environment, actor: Actor) -> bool:
    """Whether it takes somebody of `who` to start it here."""
    return bool(runbook.who) and place.name != SANDBOX and actor.means not in TRIGGERS


def autonomy_of(place: Environment, runbook: Runbook) -> str:
    """How far a run goes by itself: as the environment says, or less where the runbook does."""
    return guards.autonomy_of(place.autonomy, runbook.autonomy[0] if runbook.autonomy else None)


def check_undo(state: State) -> None:
    """Raises Usage when there is nothing of this run to undo."""
    if state.finished is None:
        raise Usage(f"run {state.run} is not over", help="cancel it first")
    if state.undoing is not None:
        raise Usage(f"run {state.run} was undone already")
    if not state.done:
        raise Usage(f"run {state.run} did nothing that has an `undo`")


ABLE_MAX = 5
"""People named to whoever may not start a run: one of them is to be asked."""


def not_of(runbook: Runbook, contacts: Contacts, actor: Actor, unknown: str | None) -> Refused:
    """That somebody is not of `who`; `unknown`: why it is not known who is on call."""
    what = one_of(contacts, runbook.who) + (f" ({unknown})" if unknown is not None else "")
    able = [
        person.name
        for person in contacts.people.values()
        if set(runbook.who) & set(person.roles)
        or any(person.id in contacts.rotas[r].order for r in runbook.who if r in contacts.rotas)
    ]
    shown = [*able[:ABLE_MAX], *(["others"] if len(able) > ABLE_MAX else [])]
    file = contacts.file or "contacts.yaml of the pack"
    you = f"`os_user: {actor.name}`" if actor.means == "os-user" else f"the key `{actor.name}`"
    help_ = f"{listed(shown, 'and') or 'nobody'} may; `people` of {file} says who has which role"
    help_ += f", and you are {you} there"
    return Refused(f"{actor.name} may not start {runbook.name}: it takes {what}", help=help_)


def one_of(contacts: Contacts, names: Iterable[str]) -> str:
    """Roles and rotas of which it takes somebody, in words."""
    known = list(names)
    rotas = [name for name in known if name in contacts.rotas]
    roles = [name for name in known if name not in contacts.rotas]
    said = [f"one of the roles {', '.join(roles)}"] if roles else []
    said += [f"whoever is on call in {', '.join(rotas)}"] if rotas else []
    return ", or ".join(said)


def roles_of(contacts: Contacts, actor: Actor) -> frozenset[str]:
    """The roles of whoever acts: of the operating-system user, or of the person that is named by
    `--as`, a token or a sign-on.
    """
    if actor.means == "os-user":
        return contacts.roles_of(actor.name)
    return contacts.roles_of_person(actor.name)


def person_behind(contacts: Contacts, actor: Actor) -> Person | None:
    """Whoever acts, as `roles_of` knows them."""
    by_user = contacts.person(actor.name)
    return by_user if actor.means == "os-user" else contacts.people.get(actor.name) or by_user


NAME_MAX_CHARS = 80
"""Of what people call somebody, in a message: longer than any name, short enough for a line."""


def named(contacts: Contacts, actor: Actor) -> Actor:
    """Whoever acts, with what the contacts call them; of two of one name, with who they are too."""
    person = person_behind(contacts, actor)
    if person is None:
        return actor
    called = " ".join(person.name.split())[:NAME_MAX_CHARS]
    if any(one.name == person.name and one is not person for one in contacts.people.values()):
        called = f"{called} ({person.id})"
    return structs.replace(actor, called=called if called != actor.name else None)


def same_targets(then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raises Refused when a connection points elsewhere than when the run began."""
    for name, where in now.items():
        if then.get(name) != where:
            raise Refused(
                f"connection `{name}` pointed to {then.get(name)} at the start, now to {where}",
                help="let it point there again: a run goes on with what it began with",
            )
