"""What is known of the escalations of a run: the fold of their events.

An escalation goes through the levels of a policy. When a level is due, `LevelDue` says whom it
calls; each of them is a `Summons`, which goes through that person's channels until one of them took
the message. `engine.core.escalate` decides, this only remembers.

Two escalations have no step: `run` is the run's own (`escalation:` of the runbook), and `status`
tells every so often how a run stands. A question that people are told of is one too, see
`engine.core.questions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engine.core import taken_back, unseen
from engine.core.another_round import follow
from engine.core.events import Draft, Event
from engine.core.held import is_hold, is_over
from engine.core.summons import CONSOLE, FIRST, OWN, QUESTIONS, STATUS, Escalation, Summons
from engine.language.model import Escalate

if TYPE_CHECKING:
    from engine.core.state import State

CONSOLE_ONLY: Mapping[str, Any] = {
    "levels": [{"who": [CONSOLE], "by": [CONSOLE], "after_us": 0, "unless": "acknowledged"}],
}
"""Whom a policy tells that the pack's contacts do not know."""


def policy_of(state: State, name: str) -> Mapping[str, Any]:
    policies: Mapping[str, Any] = (state.telling or {}).get("policies", {})
    found: Mapping[str, Any] = policies.get(name, CONSOLE_ONLY)
    return found


def start(state: State, key: str, policy: str, message: str | None, *, wait: bool = False) -> None:
    """An escalation begins, at the time of the event."""
    known = policy_of(state, policy)
    levels = tuple(known["levels"])
    made = Escalation(key, policy, levels, message, state.now_us, known.get("reopen_us"), wait)
    made.after_end = state.finished is not None and key != OWN
    told = state.telling or {}
    made.until_end, made.hands_over = bool(told.get("until_end")), bool(told.get("hands_over"))
    made.answer_us = known.get("answer_us", told.get("answer_us"))
    if known.get("informs") and not wait:  # who waits for somebody asks them to take it
        made.informs, made.answer_us = True, None
    made.due_us = state.now_us + levels[0]["after_us"]
    state.escalations[key] = made


def begin(state: State, body: Mapping[str, Any]) -> None:
    """A run begins that knows whom it tells; one of an older engine, or a scenario, does not."""
    state.telling = body.get("telling")
    status = (state.telling or {}).get("status")
    if status is None or state.rehearsing:
        return
    every_us = status["every_us"]
    level = {"who": status["by"], "by": status["by"], "after_us": every_us, "unless": "finished"}
    level |= {"every_us": every_us, "times": None}
    made = Escalation(STATUS, STATUS, (level,), None, state.now_us)
    made.until_end = bool((state.telling or {}).get("until_end"))
    made.due_us = state.now_us + every_us
    state.escalations[STATUS] = made


def step_begins(state: State, path: str, entry: Escalate, plan: Mapping[str, Any]) -> None:
    """A step of the runbook tells people."""
    if state.telling is not None and path not in state.escalations:
        start(state, path, entry.policy, plan["message"], wait=plan["wait"] is not None)


def question_key(path: str, nth: int) -> str:
    """Of the `nth` time that something is asked at a path: no step has this path."""
    return f"ask:{path}#{nth}"


def _started(state: State, event: Event | Draft) -> None:
    body = event.body
    if body.get("question") is not None:
        _asked(state, body)
        return
    start(state, body["escalation"], body["policy"], body["message"])


def _asked(state: State, body: Mapping[str, Any]) -> None:
    """People are told of a question."""
    how, asked = (state.telling or {}).get("questions") or {}, body["question"]
    after_us = how.get("after_us", 0)
    level = {"who": asked["who"], "by": how.get("by", ["console"]), "after_us": after_us}
    level |= {"every_us": how.get("every_us"), "times": how.get("times", 0), "unless": "answered"}
    made = Escalation(body["escalation"], QUESTIONS, (level,), body["message"], state.now_us)
    made.question, made.after_end = asked, state.finished is not None
    made.due_us = state.now_us + after_us
    state.escalations[made.key] = made


def _question_closed(state: State, event: Event | Draft) -> None:
    """It is asked no more: nobody is told of it any more but what became of it."""
    one = state.escalations[event.body["escalation"]]
    one.became = {**event.body, "at_us": event.at_us}
    state.turns += 1
    _drop(one, lambda _: True)
    _follow(one, "answered", event.at_us)


def _question_counted(state: State, event: Event | Draft) -> None:
    """Somebody agreed, and more are needed: where a message can be changed, it says so."""
    one = state.escalations[event.body["escalation"]]
    one.counted = event.body
    _follow(one, f"counted-{event.body['given']}", event.at_us, only_edits=True)


def _due(state: State, event: Event | Draft) -> None:
    body = event.body
    one = state.escalations[body["escalation"]]
    number, round_ = body["level"], body["round"]
    level = one.levels[number - 1]
    one.rounds[number] = round_
    one.words[number] = body.get("words", {})
    if body.get("skipped"):
        one.skipped.add(number)
    if number > one.level:
        one.level = number
        if number < len(one.levels):
            one.due_us = body["due_us"] + one.levels[number]["after_us"]
    one.again_us.pop(number, None)
    every_us, times = level.get("every_us"), level.get("times", 0)
    if every_us and (times is None or round_ <= times):
        one.again_us[number] = event.at_us + every_us
    kind = "status" if one.key == STATUS else "question" if one.question else "page"
    if kind == "status" and one.until_end:
        _drop(one, lambda _: True)  # what was not told so far is not how it stands any more
    for recipient in body["recipients"]:
        id_ = f"{one.generation}.{number}.{round_}:{recipient['id']}"
        begin_us = max(event.at_us, recipient.get("not_before_us") or 0)
        made = Summons(id_, number, round_, recipient, one.generation, kind, next_us=begin_us)
        made.status = "due" if recipient["by"] else "failed"
        one.summons[id_] = made


def _summons(state: State, event: Event | Draft) -> Summons:
    body = event.body
    return state.escalations[body["escalation"]].summons[body["summons"]]


def _tell_started(state: State, event: Event | Draft) -> None:
    one = _summons(state, event)
    one.status, one.attempt, one.begun_us = "flying", event.body["attempt"], event.at_us


def _told(state: State, event: Event | Draft) -> None:
    one = _summons(state, event)
    one.status, one.receipt = "told", event.body["receipt"]
    unseen.told(one)
    if one.kind in FIRST:
        _catch_up(state, state.escalations[event.body["escalation"]], event.at_us)


def _catch_up(state: State, escalation: Escalation, at_us: int) -> None:
    """It was on its way while something became of it: what came of that is told behind it."""
    ended = escalation.until_end and not escalation.after_end and _ended(state, escalation)
    if escalation.question:
        if escalation.became is not None:
            _follow(escalation, "answered", at_us)
    elif ended or is_over(state, escalation):
        _follow(escalation, "resolved", at_us)
    elif escalation.acknowledged is not None:
        _follow(escalation, "acknowledged", at_us)


def _tell_failed(state: State, event: Event | Draft) -> None:
    one = _summons(state, event)
    one.doubts += bool(event.body["doubt"])
    may_be_there = unseen.failed(one, event.body)
    _goes_on(one, event)
    if may_be_there:
        _catch_up(state, state.escalations[event.body["escalation"]], event.at_us)


def _goes_on(one: Summons, event: Event | Draft) -> None:
    """What a try that failed leaves of telling somebody."""
    next_us = event.body["next_us"]
    if next_us is not None:
        one.status, one.next_us = "due", next_us
        one.attempt -= bool(event.body.get("unsent"))
    elif event.body["dropped"]:
        one.status = "dropped"
    elif follow(one, event.body):
        return
    elif one.last:
        one.status = "failed"
    else:
        one.status, one.next_us, one.attempt = "due", event.at_us, 0
        one.channel += 1


def acknowledge(state: State, key: str, event: Event | Draft) -> None:
    """Somebody took it: what is still due of it is not told, and where it was told, this is."""
    one = state.escalations.get(key)
    if one is None or one.closed is not None or key == STATUS or one.question:
        return  # nobody takes how it stands, and a question is answered
    if not taken_back.takes(one, event):
        return
    actor = event.actor if isinstance(event.actor, Mapping) else event.actor.to_json()
    said = {"by": actor["name"], "note": event.body.get("note") or "", "at_us": event.at_us}
    one.acknowledged = said
    _drop(one, lambda s: one.levels[s.level - 1]["unless"] == "acknowledged")
    _follow(one, "acknowledged", event.at_us)
    step = state.steps.get(key)
    if step is not None and step.status == "running" and step.answer is None:
        answer = {"path": key, "answer": "acknowledged", "note": said["note"]}
        step.answer = {**answer, "by": said["by"], "at_us": event.at_us}


def _acknowledged(state: State, event: Event | Draft) -> None:
    for key in event.body["escalations"]:
        if key in left(state):
            _acknowledged_late(state.escalations[key], event)
        else:
            acknowledge(state, key, event)


def left(state: State) -> list[str]:
    """Escalations that nobody took while there was a level left: the run is over, and nobody else
    is called, but whoever was called last may still take them.
    """
    return [
        key
        for key, one in state.escalations.items()
        if one.closed is not None and one.exhausted and one.acknowledged is None and one.told
    ]


def _acknowledged_late(one: Escalation, event: Event | Draft) -> None:
    """It is recorded who did; the run is over, and tells nobody."""
    if not taken_back.takes(one, event):
        return
    actor = event.actor if isinstance(event.actor, Mapping) else event.actor.to_json()
    said = {"by": actor["name"], "note": event.body.get("note") or "", "at_us": event.at_us}
    one.acknowledged = said


def _reopened(state: State, event: Event | Draft) -> None:
    one = state.escalations[event.body["escalation"]]
    if one.closed is not None:
        return
    one.generation += 1
    one.acknowledged, one.exhausted, one.level = None, False, 0
    taken_back.anew(one, event.body)
    one.again_us, one.rounds, one.skipped = {}, {}, set()
    one.due_us = event.at_us


def _exhausted(state: State, event: Event | Draft) -> None:
    state.escalations[event.body["escalation"]].exhausted = True


def _closed(state: State, event: Event | Draft) -> None:
    one = state.escalations[event.body["escalation"]]
    one.closed = event.body["why"]
    one.summons = {k: s for k, s in one.summons.items() if s.status != "dropped"}


def _ended(state: State, one: Escalation) -> bool:
    """Whether the run is over in a way that all who were told hear of."""
    end = state.finished
    return end is not None and (one.key == STATUS or end["outcome"] in one.well)


def run_finished(state: State, event: Event | Draft) -> None:
    """A run that ended well calls nobody any more, and says so where it had called."""
    for one in state.escalations.values():
        if one.closed is None and not one.question and _ended(state, one):
            _drop(one, lambda _: True)
            _follow(one, "resolved", event.at_us)


def stop_requested(state: State, by: str, at_us: int) -> None:
    """Somebody asked the run to stop. What it tells people of from now on, it tells them: what it
    does at last may not come to a good end.
    """
    state.stopped_by = {"by": by, "at_us": at_us}
    for one in state.escalations.values():
        one.stopped = one.closed is None and one.key != STATUS and not one.question


def rests(state: State, one: Escalation) -> bool:
    """Whether somebody asked the run to stop, and how it ends is not known yet."""
    return one.stopped and state.finished is None


def taken_up(state: State) -> None:
    """What was being sent when its driver died may or may not have gone out."""
    for one in state.escalations.values():
        for summons in one.summons.values():
            if summons.status == "flying":
                summons.status = "cut"
                unseen.cut(summons)


def goes_on(state: State, at_us: int) -> None:
    """A run can be gone on with again: whoever was told that it could not hears so."""
    for one in state.escalations.values():
        if one.closed is None and is_hold(one):
            _drop(one, lambda _: True)
            _follow(one, "resolved", at_us)


def _drop(one: Escalation, needless: Callable[[Summons], bool]) -> None:
    for summons in one.summons.values():
        if summons.status == "due" and summons.kind in FIRST and needless(summons):
            summons.status = "dropped"


def _follow(one: Escalation, what: str, at_us: int, *, only_edits: bool = False) -> None:
    """Each place that was told hears once of each level what became of it, if it is one that can
    take that in.
    """
    if one.informs:
        return
    kind = what.partition("-")[0]
    for summons in one.summons.values():
        same = one.until_end and summons.kind == kind
        if summons.status == "due" and summons.kind not in FIRST and not same:
            summons.status = "dropped"  # what is told now says more
    seen: set[tuple[object, ...]] = set()
    for summons in reversed(list(_followed(one))):
        place: tuple[object, ...] = (summons.recipient["id"], summons.by["channel"])
        if one.until_end:  # a level is an incident of its own where people keep incidents
            place += (summons.generation, summons.level)
        edits = bool((summons.receipt or {}).get("edits"))  # each message loses its own buttons
        if (place in seen or only_edits) and not edits:
            continue
        seen.add(place)
        id_ = f"{summons.id}:{what}"
        if id_ in one.summons:
            continue
        recipient = {**summons.recipient, "by": [summons.by]}
        recipient.pop("not_before_us", None)
        made = Summons(id_, summons.level, summons.round, recipient, one.generation)
        made.kind = kind
        made.next_us, made.receipt = at_us, summons.receipt
        one.summons[id_] = made
    if not only_edits:
        unseen.follow(one, what, at_us, seen)


def _followed(one: Escalation) -> Iterable[Summons]:
    for summons in one.told:
        if summons.kind == "status" or (summons.receipt or {}).get("follows"):
            yield summons


HANDLERS: Mapping[str, Callable[[State, Event | Draft], None]] = {
    "EscalationStarted": _started,
    "LevelDue": _due,
    "TellStarted": _tell_started,
    "Told": _told,
    "TellFailed": _tell_failed,
    "Acknowledged": _acknowledged,
    "Unacknowledged": taken_back.unacknowledged,
    "EscalationReopened": _reopened,
    "QuestionCounted": _question_counted,
    "QuestionClosed": _question_closed,
    "EscalationExhausted": _exhausted,
    "EscalationClosed": _closed,
}
"""What each event of an escalation does to the state."""
