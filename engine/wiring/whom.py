"""Whom a question is put to: whoever may answer it, as the contacts say at that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.config import Contacts
from engine.config.contacts import Channel, Person, Severity
from engine.core.approval import persons
from engine.core.state import State
from engine.wiring.on_call import Asked, carriers

ON_CALL = "on-call"
"""Whose role is asked where neither the question, nor its runbook, nor the contacts name one."""


def questions(contacts: Contacts, severity: Severity | None) -> dict[str, Any] | None:
    """How a run tells of its questions, for its first event; None where nobody is told."""
    said = (severity.questions if severity is not None else None) or contacts.questions
    if said is None:
        return None
    return {
        "by": list(said.by),
        "after_us": round(said.after_s * 1e6),
        "every_us": round(said.every_s * 1e6) if said.every_s else None,
        "times": said.times,
        "who": list(said.who) or ([ON_CALL] if ON_CALL in contacts.roles else []),
    }


def may_answer(
    contacts: Contacts, state: State, body: Mapping[str, Any], answers: Asked
) -> list[Person]:
    """Who may answer a question and did not yet, for a `LevelDue` of it. `answers`: of rotas that
    others keep.

    The first time those who are on call, where a rota covers the roles and they are enough; then
    everybody. Of a rota that is named itself, whoever is on call in it; them alone first, where
    others are reminded later. Whoever asked for the run may not approve, and is not asked to.
    """
    asked = state.escalations[body["escalation"]].question
    roles, able = set(asked["who"]), list(contacts.people.values())
    named = [rota for rota in contacts.rotas.values() if rota.name in roles]
    carry = {who for rota in named for who in carriers(contacts, rota, answers, state.now_us)}
    able = [one for one in able if not roles or roles & set(one.roles) or one.id in carry]
    on_call = set(_on_call(contacts, {one.id for one in able}, state.now_us))
    on_call |= carry if state.escalations[body["escalation"]].levels[0]["every_us"] else set()
    missing = 1
    approval = state.steps[asked["path"]].approval
    if asked["kind"] == "approve" and approval is not None:
        spoken = persons(state.actor).union(*(one["persons"] for one in approval.given))
        able = [one for one in able if not names_of(one) & spoken]
        missing = approval.count - len(approval.given)
    here = [one for one in able if one.id in on_call]
    return here if body["round"] == 1 and len(here) >= missing else able


def _on_call(contacts: Contacts, able: set[str], at_us: int) -> Iterable[str]:
    """Who carries the pager in each weekly rota of people who all may answer."""
    for rota in contacts.rotas.values():
        if rota.order and set(rota.order) <= able and (who := rota.on_call(at_us)) is not None:
            yield who


def names_of(person: Person) -> frozenset[str]:
    """Every name that an actor may have who is this person."""
    return frozenset(name for name in (person.id, person.os_user) if name)


def is_place(
    contacts: Contacts,
    people: Iterable[Person],
    name: str,
    leads_somewhere: Callable[[Channel], bool],
) -> bool:
    """Whether a channel is a place that hears a question once: somebody has no address there, or
    nobody is known who may answer.
    """
    channel = contacts.channels.get(name)
    if channel is None or not leads_somewhere(channel):
        return False
    known = list(people)
    return not known or any(one.channels.get(name) is None for one in known)
