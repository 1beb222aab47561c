"""Escalations in words: what the trail and the plain lines say of their events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.cli.text import in_turn
from engine.core.cells import clean
from engine.core.events import Event, closing, spoken
from engine.core.summons import STATUS
from engine.language.duration import format_duration

LOUD = frozenset(
    {"Acknowledged", "EscalationExhausted", "EscalationReopened", "EscalationStarted", "LevelDue"}
)
"""What whoever follows a run hears; the trail has the rest too."""

QUESTIONS = frozenset({"QuestionCounted", "QuestionClosed"})
TYPES = (
    LOUD | QUESTIONS | {"TellStarted", "Told", "TellFailed", "EscalationClosed", "Unacknowledged"}
)

HOW: Mapping[str, str] = {
    "ran-out": "the acknowledgement ran out",
    "taken-back": "the acknowledgement ran out, or was taken back",
    "reopened": "the incident was opened again",
    "handed-on": "the incident was handed on",
}
"""What became of an incident."""

ASKS: Mapping[str, str] = {
    "approve": "would ask {who} for approval by {by}",
    "confirm": "would ask {who} by {by}",
    "do": "would ask {who} to do it, by {by}",
}
"""Whom a run would ask, of a step that was only previewed, by the kind of question."""


def aloud(event: Event) -> list[str]:
    """What whoever follows a run hears of an event, in a line; nothing of most. What is asked they
    have heard already. Of messages only those are told that do not arrive, or perhaps not; of those
    that are tried again, the first try.
    """
    body = event.body
    if event.type == "TellFailed" and not body.get("dropped"):
        again = body.get("next_us") is not None or body.get("back") is not None
        if again and body.get("attempt") != 1 and not body.get("doubt"):
            return []
        line = f"{_failed(body)[0]}: {clean(str(body.get('why')))}"
        return [f"{line} (it is tried again)" if again else line]
    return saying(event)[:1] if event.type in LOUD and not body.get("question") else []


def saying(event: Event) -> list[str]:
    """The lines of one event: what happened, then what is known of it."""
    if event.body.get("question") or event.type in QUESTIONS:
        return _question(event)
    if event.type == "Unacknowledged":
        keys = ", ".join(event.body.get("escalations") or ())
        return [f"PagerDuty says that nobody has {keys} there: {HOW.get(event.body['how'], '')}"]
    return _saying(event)


def _question(event: Event) -> list[str]:
    """Of a question that people are told of: that it begins, or ended."""
    body = event.body
    if event.type == "QuestionCounted":
        return [f"{body['escalation']}: {clean(str(body['why']))}"]
    if event.type == "QuestionClosed":
        return [f"{body['escalation']} is over: {clean(closing(body))}"]
    return [f"people are asked ({body['escalation']}): {clean(str(body.get('message')))}"]


def _saying(event: Event) -> list[str]:
    body = event.body
    where = body.get("escalation")
    match event.type:
        case "EscalationStarted":
            return [
                f"people are called: {clean(str(body.get('why')))}",
                f"policy: {body['policy']}",
            ]
        case "LevelDue":
            return _level(body)
        case "TellStarted":
            return [f"{clean(str(body.get('name')))} is told by {body.get('channel')}", _key(body)]
        case "Told":
            remark = (body.get("receipt") or {}).get("remark")
            said = [clean(str(remark))] if remark else []
            return [f"the message to {_whom(body)} is out", _key(body), *said]
        case "TellFailed":
            return _failed(body)
        case "Acknowledged":
            note = [f"note: {clean(str(body['note']))}"] if body.get("note") else []
            who = clean(spoken(event.actor))
            return [f"{who} has taken {', '.join(body.get('escalations') or ())}", *note]
        case "EscalationReopened":
            return [f"{where} is called for anew: {clean(str(body.get('why')))}"]
        case "EscalationExhausted":
            told = f"told: {body.get('told')}, failed: {body.get('failed')}"
            why = clean(str(body.get("why")))
            known = body.get("told") or body.get("doubts")
            head = f"nobody else is called for {where}" if known else "NOBODY WAS TOLD"
            return [f"{head}: {why}", f"{told}, in doubt: {body.get('doubts')}"]
        case _:
            return [f"{where} is closed: {clean(str(body.get('why')))}"]


def _level(body: Mapping[str, Any]) -> list[str]:
    level, round_ = body.get("level"), body.get("round", 1)
    again = f", again ({round_})" if round_ > 1 else ""
    people = [
        f"{clean(str(one['name']))} by {in_turn(way['channel'] for way in one['by'])}"
        for one in body.get("recipients") or ()
    ]
    key = str(body.get("escalation"))
    asks = key.startswith("ask:")
    called = "; ".join(people) or "nobody"
    lines = [f"level {level} of {key}{again} calls {called}"]
    if body.get("skipped") and not people:
        lines = [f"level {level} of {key}{again} is not called: nobody needs it any more"]
    if asks:
        lines = [f"{key[4:].partition('#')[0]} is put to {called}{again}"]
    elif key == STATUS:
        lines = [f"how it stands is told{again} to {called}"]
    head = "not told" if asks else "nobody is found for"
    lines += [f"{head}: {clean(str(who))}" for who in body.get("nobody") or ()]
    lines += [_on_call(fact) for fact in body.get("on_call") or ()]
    return lines + ([f"trouble: {clean(str(body['trouble']))}"] if body.get("trouble") else [])


def _on_call(fact: Mapping[str, Any]) -> str:
    """What was answered when it was asked who is on call."""
    who = ", ".join(f"{one['name']} ({one['user']})" for one in fact["found"])
    parts = [f"on call in {fact['schedule']} of PagerDuty: {clean(who)}"] if who else []
    parts += [clean(str(fact["trouble"]))] if fact["trouble"] else []
    return f"{fact['rota']}: {'; '.join(parts)}"


def _failed(body: Mapping[str, Any]) -> list[str]:
    word = "may or may not be out" if body.get("doubt") else "is not out"
    if body.get("dropped") and not body.get("doubt"):
        word = "was not sent: nobody needs it any more"
    lines = [f"the message to {_whom(body)} {word}", f"why: {clean(str(body.get('why')))}"]
    return [*lines, _key(body)]


def _whom(body: Mapping[str, Any]) -> str:
    """Of `1.2.1:ana` or `1.2.1:ana:acknowledged` the one who is told."""
    return clean(str(body.get("summons")).partition(":")[2].partition(":")[0])


def _key(body: Mapping[str, Any]) -> str:
    return f"key: {body.get('key')}"


def would_ask(body: Mapping[str, Any]) -> list[str]:
    """Whom a run would tell of what it asks at a step that was only previewed."""
    asks = body.get("asks")
    if not isinstance(asks, Mapping):
        return []
    who, by = ", ".join(asks["who"]) or "anybody", in_turn(asks["by"])
    return [clean(ASKS[asks["kind"]].format(who=who, by=by) + _asked_when(asks))]


def _asked_when(asks: Mapping[str, Any]) -> str:
    """When they are asked, how often again, and until when; older engines did not say it."""
    said = ""
    if asks.get("after_us"):
        said += f" after {format_duration(asks['after_us'] / 1e6)}"
    if asks.get("every_us"):
        every, times = format_duration(asks["every_us"] / 1e6), asks["times"]
        often = f"every {every} up to {times} times"
        said += f", again {often if times > 1 else f'after {every}'}"
    if asks.get("within_s"):
        said += f"; not done where nobody does within {format_duration(asks['within_s'])}"
    return said


def would_call(body: Mapping[str, Any]) -> list[str]:
    """Whom a run would call, and when, of an escalation that was only previewed."""
    result = (body.get("outcome") or {}).get("result") or {}
    lines = []
    for level in result.get("levels") or ():
        when = "at once" if not level["at_s"] else f"after {format_duration(level['at_s'])}"
        who, by = ", ".join(level["who"]), in_turn(level["by"])
        lines.append(f"would call {clean(who)} by {clean(by)} {when}, unless {level['unless']}")
    return lines
