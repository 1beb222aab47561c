"""An escalation that somebody took in PagerDuty, and has no longer: the acknowledgement ran out,
was taken back, or the incident was handed on. It begins anew, as after a re-opening by time.

What counts is decided by the order in which it happened there (`occurred_us`), not in which it
arrived here: deliveries may overtake each other. Nobody takes back what a person took in another
way, and an acknowledgement that is older than the word that it is over takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from engine.core.events import Draft, Event, spoken
from engine.core.summons import NONE, STATUS, Escalation

if TYPE_CHECKING:
    from engine.core.state import State

VIA: Final = "PagerDuty"
"""What an `Acknowledged` says that came from an incident there, also one of an older engine."""

HOW: Final[Mapping[str, str]] = {
    "ran-out": "PagerDuty: the acknowledgement of {name} ran out",
    "taken-back": "PagerDuty: {by} took back the acknowledgement of {name}",
    "ended": "PagerDuty: the acknowledgement of {name} ran out, or was taken back",
    "reopened": "PagerDuty: {by} opened its incident again, which {name} had taken",
    "handed-on": "PagerDuty: {by} handed on what {name} had taken, and nobody took it so far",
}
"""Why whoever took it has it no longer, in words."""


def takes(one: Escalation, event: Event | Draft) -> bool:
    """Takes in by what somebody takes it; whether they are the first who does, and it counts."""
    incident, at_us = event.body.get("incident"), event.body.get("occurred_us")
    by_incident = event.body.get("via") == VIA
    if by_incident and older(at_us, one.lost.get(incident) if incident else None):
        return False
    first = not one.taken
    if first:
        one.taken_back, one.backed, one.holds = None, False, NONE
    if by_incident and (first or one.holds):
        if not older(at_us, one.holds.get(incident)):
            one.holds = {**one.holds, incident: at_us}
    elif not first and one.holds:
        one.backed = True
    return first


def older(at_us: int | None, than_us: int | None) -> bool:
    """Whether it happened before; what says no time counts as it arrived."""
    return at_us is not None and than_us is not None and at_us < than_us


def stands_by(one: Escalation, incident: str) -> bool:
    """Whether it is this incident by which it is taken; of an older engine any may be."""
    return incident in one.holds or None in one.holds


def why_not(state: State, key: str, incident: str, at_us: int | None) -> str | None:
    """Why the word that nobody has an incident changes nothing here; None where it does."""
    one = state.escalations.get(key)
    if one is None or key == STATUS or one.question:
        return "nobody is called by it"
    if one.closed is not None or (state.finished is not None and not one.after_end):
        return "the run is over, and nobody is called for it any more"
    if one.acknowledged is None or not one.taken:
        return "nobody had taken it"
    name = state.called(one.acknowledged["by"])
    if not one.holds:
        return f"{name} took it, and not by PagerDuty"
    if not stands_by(one, incident):
        return f"{name} took it by another incident"
    if older(at_us, one.holds.get(incident, one.holds.get(None))):
        return f"{name} acknowledged it later than that"
    if len(one.holds) > 1:
        return "somebody took it by another incident too"
    return "somebody took it in another way too" if one.backed else None


def unacknowledged(state: State, event: Event | Draft) -> None:
    """Whoever took it by an incident has it no longer, where they still had it."""
    body = event.body
    incident, at_us = body["incident"], body["occurred_us"]
    for key in body["escalations"]:
        one = state.escalations.get(key)
        if one is None:
            continue
        counts = why_not(state, key, incident, at_us) is None
        held_us = one.holds.get(incident, one.holds.get(None))
        if stands_by(one, incident) and not older(at_us, held_us):
            ended = incident if incident in one.holds else None
            one.holds = {k: v for k, v in one.holds.items() if k != ended}
        if not older(at_us, one.lost.get(incident)):
            one.lost = {**one.lost, incident: at_us}
        if counts:
            actor = event.actor if isinstance(event.actor, Mapping) else event.actor.to_json()
            by = spoken(actor)
            one.taken_back = {"incident": incident, "how": body["how"], "by": by}


def why(state: State, one: Escalation) -> Mapping[str, Any] | None:
    """What is to be recorded of why it begins anew; None where it stays taken."""
    if one.taken_back is None or one.acknowledged is None:
        return None
    back, name, how = one.taken_back, state.called(one.acknowledged["by"]), one.taken_back["how"]
    if how == "taken-back" and back["by"] == name:
        how = "ended"  # PagerDuty names whoever had it, also where their time ran out
    text = HOW[how].format(name=name, by=back["by"])
    return {"why": text, "incident": back["incident"]}


def anew(one: Escalation, body: Mapping[str, Any]) -> None:
    """It begins anew. An incident that nobody has any more is open still: the level that opened it
    tells by it, and opens no second one beside it.
    """
    one.holds, one.backed, one.taken_back, one.anew = NONE, False, None, body["why"]
    tail = str(body.get("incident") or "").rpartition(":")[2]
    level = tail.rpartition(".")[2]
    if tail != level:
        one.groups = {**one.groups, f"{one.generation}.{level}": tail}
