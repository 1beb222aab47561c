"""What PagerDuty says of incidents: of those by which a run calls people, and those that began one.

| event | of an incident by which a run calls people | of one that started a run |
|---|---|---|
| acknowledged | takes what it calls for | nothing: the run calls by its own |
| unacknowledged | it is taken no longer: begins anew | nothing hangs on it |
| resolved | by a person: takes it, as they have dealt with it | nothing: the run looks for itself |
| reopened | it is taken no longer: begins anew | nothing: an incident starts a run once |
| reassigned, delegated, escalated | if nobody has it since: begins anew | nothing |

A run is never resolved by an incident: its checks say whether it is. What changes nothing stands in
the ledger with its reason; rules may still start something by it, but for (un)acknowledging an
incident of ours: that is a word to its run.

PagerDuty's own doing (no person is its agent) resolves nothing here: what it resolves by itself
nobody has looked at, and our own message that all is well comes back so. A merged incident goes on
as another, which nobody here knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from engine.core.arrivals import Arrival, incident_of
from engine.core.events import Actor
from engine.errors import Refused, RunbookError, Usage
from engine.journal.ledger import Verdict
from engine.server.dispatch import Heard
from engine.server.inbound import people_of
from engine.server.parts import Parts
from engine.server.webhooks import moment_us
from engine.wiring.taking import RECORDED, Incident, calling_now

if TYPE_CHECKING:
    from engine.core.state import State
    from engine.core.summons import Escalation

ACKNOWLEDGED, UNACKNOWLEDGED = "incident.acknowledged", "incident.unacknowledged"
RESOLVED, REOPENED = "incident.resolved", "incident.reopened"
HANDED_ON: Final = ("incident.reassigned", "incident.delegated", "incident.escalated")

OF_STARTED: Final[Mapping[str, str]] = {
    ACKNOWLEDGED: "whoever has this incident has not taken what the run calls people for",
    UNACKNOWLEDGED: "nothing in the run hangs on its acknowledgement",
    RESOLVED: "the run goes by what it finds itself, until somebody cancels it",
    REOPENED: "an incident starts a run once",
    **dict.fromkeys(HANDED_ON, "whom PagerDuty calls is no matter of the run"),
}
"""Why what is said of an incident that started a run changes nothing in it."""


async def heard(parts: Parts, arrival: Arrival, name: str) -> Heard | None:
    """What became of an event of PagerDuty's; None where it is about nothing of ours."""
    event = arrival.candidates[0]
    if arrival.kind not in OF_STARTED:
        return None
    incident = ours(event, moment_us(arrival.occurred_at))
    if incident is None or not await _is_run(parts, incident.run):
        return await _of_started(parts, arrival)
    verdict = await _said(parts, arrival, incident, name)
    if verdict.word == "joined":
        parts.keeper.kick(incident.run)
    rules = verdict.word == "ignored" and arrival.kind not in (ACKNOWLEDGED, UNACKNOWLEDGED)
    return Heard(verdict, rules)


def ours(event: Mapping[str, Any], occurred_us: int | None) -> Incident | None:
    """The incident, where it is named as we name ours: run, path, generation and level."""
    incident = event.get("incident")
    key = incident.get("incident_key") if isinstance(incident, Mapping) else None
    run, _, rest = key.partition(":") if isinstance(key, str) else ("", "", "")
    path = rest.rpartition(":")[0]
    return Incident(run, path, str(key), occurred_us) if path else None


async def _said(parts: Parts, arrival: Arrival, incident: Incident, name: str) -> Verdict:
    event, kind, run = arrival.candidates[0], arrival.kind, incident.run
    agent = event.get("agent")
    actor = Actor(await _agent(parts, run, agent), "webhook", name)
    if await _recorded(parts, run, name):  # this server died before it could say so
        return Verdict("joined", "it was recorded before", None, run)
    why = _no_matter(kind, event) or await _echo(parts, incident, kind, agent)
    if why is not None:
        return Verdict("ignored", why, None, run)
    try:
        if kind in (ACKNOWLEDGED, RESOLVED):
            note = "resolved in PagerDuty" if kind == RESOLVED else ""
            await parts.engine.take_by(incident, actor, note)
            return Verdict("joined", "acknowledged what it calls for", None, run)
        ahead = kind in (UNACKNOWLEDGED, REOPENED)
        await parts.engine.take_back(incident, actor, _how(kind, agent), ahead=ahead)
    except (Usage, Refused) as error:
        does = "acknowledges" if kind in (ACKNOWLEDGED, RESOLVED) else "takes back"
        return Verdict(
            "ignored",
            f"it {does} nothing of ours: {error.message.removeprefix(RECORDED)}",
            None,
            run,
        )
    return Verdict("joined", "whoever took it has it no longer: people are called anew", None, run)


def _no_matter(kind: str, event: Mapping[str, Any]) -> str | None:
    """Why an event of an incident of ours is no word to its run; None where it is one."""
    if kind == RESOLVED and not _is_person(event.get("agent")):
        return "nobody resolved it: PagerDuty did so by itself, or we told it to"
    reason = (event.get("incident") or {}).get("resolve_reason")
    if kind == RESOLVED and isinstance(reason, Mapping):
        return "it was merged into another incident, and goes on as that one"
    if kind in HANDED_ON and event.get("status") != "triggered":
        return "somebody has it there still"
    return None


async def _echo(parts: Parts, incident: Incident, kind: str, agent: Any) -> str | None:
    """Where somebody took it, we acknowledge the other incidents that were raised for it: nobody
    holds it by those.
    """
    if kind != ACKNOWLEDGED or _is_person(agent):
        return None
    one = (await parts.engine.state(incident.run)).escalations.get(incident.path)
    taken = one is not None and one.taken
    return "nobody acknowledged it: we told PagerDuty that it is taken" if taken else None


def _how(kind: str, agent: Any) -> str:
    if kind == UNACKNOWLEDGED:
        return "taken-back" if _is_person(agent) else "ran-out"
    return "reopened" if kind == REOPENED else "handed-on"


def _is_person(agent: Any) -> bool:
    return isinstance(agent, Mapping) and str(agent.get("type") or "").startswith("user")


async def _of_started(parts: Parts, arrival: Arrival) -> Heard | None:
    """Where an incident started a run, why it hears nothing of this."""
    name = incident_of(arrival.candidates[0])
    runs = await parts.ledger.runs_of_incident(name) if name is not None else []
    if not runs:
        return None
    why = f"it started run {runs[-1]}, which hears nothing of it: {OF_STARTED[arrival.kind]}"
    return Heard(Verdict("ignored", why, None, runs[-1]), rules=True)


async def _is_run(parts: Parts, name: str) -> bool:
    """Whether this is the whole id of a run here: an incident of somebody else's may be named as
    people name runs (`last`, the beginning of an id).
    """
    return bool(name) and bool(await parts.store.events(name, 0, 1))


async def _recorded(parts: Parts, run: str, name: str) -> bool:
    """Whether this delivery is in the journal of the run already."""
    types = ("Acknowledged", "Unacknowledged")
    events = await parts.store.events(run)
    return any(event.actor.get("via") == name for event in events if event.type in types)


async def _agent(parts: Parts, run: str, agent: Any) -> str:
    """Who of the contacts somebody of PagerDuty's is; else their name there."""
    known: Mapping[str, Any] = agent if isinstance(agent, Mapping) else {}
    name = str(known.get("summary") or "PagerDuty")[:200]
    try:
        people = await people_of(parts, run)
    except RunbookError:
        return name  # that it was taken counts, whoever did
    return next((one.id for one in people if one.pagerduty == (known.get("id") or "")), name)


# -- what was lost ---------------------------------------------------------------------------------


async def missed(parts: Parts, incident: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event whose delivery never came, by how an incident of ours stands in PagerDuty now: it
    is acknowledged there and not here, or the other way round. None where both agree.
    """
    known = ours({"incident": incident}, None)
    if known is None or not await _is_run(parts, known.run):
        return None
    kind = _differs(await parts.engine.state(known.run), known, str(incident.get("status")))
    if kind is None:
        return None
    agent, at = _last(incident, kind)
    event: dict[str, Any] = {"id": f"reconciled-{incident.get('id')}-{kind}-{at}"}
    event["event_type"] = kind
    event |= {"resource_type": "incident", "occurred_at": at, "agent": agent, "client": None}
    return {**event, "data": dict(incident)}


def _differs(state: State, known: Incident, status: str) -> str | None:
    one = state.escalations.get(known.path)
    if one is None or one.closed is not None:
        return None
    if status == "acknowledged" and known.path in calling_now(state):
        return ACKNOWLEDGED if _is_of_now(one, known.key) else None
    return UNACKNOWLEDGED if status == "triggered" and known.key in one.holds else None


def _is_of_now(one: Escalation, key: str) -> bool:
    """Whether an incident is one by which people are called since it began anew last: an earlier
    one may be acknowledged still.
    """
    tail = key.rpartition(":")[2]
    generation, _, level = tail.partition(".")
    now = str(one.generation)
    return generation == now or one.groups.get(f"{now}.{level}") == tail


def _last(incident: Mapping[str, Any], kind: str) -> tuple[Any, Any]:
    """Who changed it last, and when."""
    acknowledged = incident.get("acknowledgements")
    if kind == ACKNOWLEDGED and isinstance(acknowledged, list) and acknowledged:
        last = acknowledged[-1] if isinstance(acknowledged[-1], Mapping) else {}
        return last.get("acknowledger"), last.get("at")
    return incident.get("last_status_change_by"), incident.get("last_status_change_at")
