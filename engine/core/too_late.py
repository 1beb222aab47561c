"""What a person's word came to, where another one was in the journal before it.

People speak to a run by appending an event, and what they saw when they spoke may be over by then:
somebody else approved, answered, took it or asked the run to stop in the same moment, a time ran
out, the run ended. The journal gives both words an order, and the fold counts the first. Whoever
was second is told so: by the state that their event met, not by the one they had read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.clock import to_datetime
from engine.core import taken_back
from engine.core.approval import Approval, refusal
from engine.core.decide import open_questions
from engine.core.escalation import left
from engine.core.events import SETTLED, Event
from engine.core.state import State
from engine.core.summons import STATUS
from engine.core.tree import StepState


def why_nothing(state: State, event: Event) -> str | None:
    """Why an event of a person changes nothing in the state that it met (the fold of all events
    before it); None where it counts.
    """
    judge = _JUDGES.get(event.type)
    return judge(state, event) if judge is not None else None


def at(at_us: int) -> str:
    return to_datetime(at_us).strftime("%H:%M:%S UTC")


def _over(state: State) -> str | None:
    """The run is over."""
    if state.finished is None:
        return None
    return f"the run ended {state.finished['outcome']} at {at(state.ended_us)}"


def _stopped(state: State) -> str | None:
    """Somebody asked the run to stop."""
    said = state.stopped_by
    return f"{state.called(said['by'])} asked it to stop at {at(said['at_us'])}" if said else None


def _halted(step: StepState) -> bool:
    """It begins nothing any more, whatever is answered."""
    return step.block.body.halting is not None and step.block.body.phase != "always"


def _closed(state: State, step: StepState | None, kind: str) -> str | None:
    """Why what was asked at a step is not asked any more; None where it still is."""
    asked = {(one.path, one.kind) for one in open_questions(state)}
    if step is not None and not _halted(step) and (step.path, kind) in asked:
        return None
    why = "; ".join(step.why) if step is not None else ""
    known = _stopped(state) or _over(state)
    return known or "it is not asked any more" + (f": {why}" if why else "")


def _decided(state: State, event: Event) -> str | None:
    """Of an approval or a denial."""
    step = state.steps.get(event.body["path"])
    approval = step.approval if step is not None else None
    if step is None or approval is None:
        return _closed(state, step, "approve")
    if (known := decided(state, approval)) is not None:
        return known
    if step.attempt > 0 or step.body is not None:
        return _closed(state, step, "approve")
    why = refusal(approval, event.body, event.actor, state.actor, event.at_us)
    return why or _closed(state, step, "approve")


def decided(state: State, approval: Approval) -> str | None:
    """Who decided an approval, and when; None where nobody did so far."""
    if approval.denied is not None:
        said = approval.denied
        who = f"{state.called(said['name'])} denied it at {at(said['at_us'])}"
    elif approval.enough:
        names = " and ".join(state.called(one["name"]) for one in approval.given)
        who = f"{names} approved it at {at(approval.given[-1]['at_us'])}"
    else:
        return None
    return f"it was decided already: {who}"


def _answered(state: State, event: Event) -> str | None:
    path = event.body["path"]
    step = state.steps.get(path)
    if step is not None and step.answer is not None:
        said = step.answer
        word = "took it" if said["answer"] == "acknowledged" else f"answered {said['answer']}"
        return f"{state.called(said['by'])} {word} at {at(said['at_us'])}"
    kinds = [asked.kind for asked in open_questions(state) if asked.path == path]
    return _closed(state, step, kinds[0] if kinds else "confirm")


def _settled(state: State, event: Event) -> str | None:
    step = state.steps.get(event.body["path"])
    if step is not None and step.status == "unknown":
        return None
    if step is not None and step.settled_us:
        who = "the engine" if step.settled_by == "engine" else state.called(step.settled_by)
        return f"{who} settled it at {at(step.settled_us)}: it {_happened(step)}"
    return _closed(state, step, "doubt")


def _happened(step: StepState) -> str:
    return SETTLED[step.settled_as]


def _cancelled(state: State, _event: Event) -> str | None:
    return _over(state)


def _paused(state: State, _event: Event) -> str | None:
    return None if state.acting else _over(state)


def _taken(state: State, event: Event) -> str | None:
    keys = [key for key in event.body["escalations"] if not backs(state, key, event.body)]
    if len(keys) < len(event.body["escalations"]):
        return None
    whys = [why_not_taken(state, key, event.body) for key in keys]
    return None if None in whys else "; ".join(dict.fromkeys(why for why in whys if why))


def backs(state: State, key: str, body: Mapping[str, Any]) -> bool:
    """Whether an `Acknowledged` holds what somebody took by PagerDuty before, also when that ends
    there.
    """
    one = state.escalations.get(key)
    if one is None or not one.taken or one.closed is not None or not one.holds:
        return False
    if body.get("via") != taken_back.VIA:
        return not one.backed
    incident, at_us = body.get("incident"), body.get("occurred_us")
    if incident and taken_back.older(at_us, one.lost.get(incident)):
        return False
    return incident not in one.holds or taken_back.older(one.holds[incident], at_us)


def remark(state: State, event: Event) -> str:
    """What whoever spoke is to hear besides, of what their event met; or nothing."""
    if event.type == "CancelRequested":
        return _stopped(state) or ""
    if event.type != "Acknowledged":
        return ""
    said: dict[str, list[str]] = {}
    for key in event.body["escalations"]:
        why = why_not_taken(state, key, event.body)
        if why is not None and backs(state, key, event.body):
            why += ", by PagerDuty: it stays taken now when that runs out there"
        if why is not None:
            said.setdefault(why, []).append(key)
    return "; ".join(f"{', '.join(keys)}: {why}" for why, keys in said.items())


def taken(state: State, event: Event) -> list[str]:
    """What an `Acknowledged` takes, in the state that it met."""
    keys = event.body["escalations"]
    return [key for key in keys if why_not_taken(state, key, event.body) is None]


def why_not_taken(state: State, key: str, body: Mapping[str, Any]) -> str | None:
    """Why an `Acknowledged` with this body does not take an escalation; None where it does."""
    one = state.escalations.get(key)
    if one is None or key == STATUS or one.question:
        return "nobody is called for it"
    if one.closed is not None and key not in left(state):
        took = one.acknowledged
        if took is not None:
            return f"{state.called(took['by'])} took it at {at(took['at_us'])}"
        return _over(state) or "nobody is called for it any more"
    incident = body.get("incident")
    if incident and taken_back.older(body.get("occurred_us"), one.lost.get(incident)):
        return "PagerDuty said since that nobody has it"
    if one.acknowledged is None or not one.taken:
        return None
    return f"{state.called(one.acknowledged['by'])} took it at {at(one.acknowledged['at_us'])}"


def _lost(state: State, event: Event) -> str | None:
    body = event.body
    place = (body["incident"], body["occurred_us"])
    whys = [taken_back.why_not(state, key, *place) for key in body["escalations"]]
    return None if None in whys else "; ".join(dict.fromkeys(why for why in whys if why))


_JUDGES: Mapping[str, Callable[[State, Event], str | None]] = {
    "Approved": _decided,
    "Denied": _decided,
    "Answered": _answered,
    "DoubtSettled": _settled,
    "CancelRequested": _cancelled,
    "PauseRequested": _paused,
    "Acknowledged": _taken,
    "Unacknowledged": _lost,
}
"""What judges the words of people, by the type of their event."""
