"""What a message says: what is wrong, what was found, what was done, what is asked of the reader,
and by when. Made of what is known of the run when a level is due; the journal keeps it, so that a
message that is sent again says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.escalation import OWN, STATUS, Escalation
from engine.core.state import State
from engine.core.tree import StepState
from engine.language.duration import format_duration
from engine.language.model import Call, Escalate

LINES_MAX = 8
"""Of what was found, and of what was done: a person at night reads the end of a list, if any."""

LINE_MAX_CHARS = 200
"""Of one such line."""

SIGNS: Mapping[str, str] = {
    "passed": "ok",
    "failed": "FAILED",
    "errored": "ERROR",
    "unknown": "IN DOUBT",
    "running": "under way",
}


def words(state: State, escalation: str, level: int) -> dict[str, Any]:
    """What there is to say of an escalation now, at this level."""
    one = state.escalations[escalation]
    found, done = _lines(state, "check"), _lines(state, "action")
    policy = one.policy
    return {
        "title": f"{state.runbook.title}: {_headline(state, one)}"[:LINE_MAX_CHARS],
        "policy": policy,
        "level": level,
        "wrong": _wrong(state, one),
        "found": found,
        "done": done,
        "asked": _asked(state, one, level),
        "runbook": state.runbook.name,
        "environment": state.environment,
        "severity": state.runbook.severity or "",
        "by_us": _by_us(state, one, level),
    }


def _headline(state: State, one: Escalation) -> str:
    if one.key == STATUS:
        took = format_duration(round((state.now_us - state.started_us) / 1e6))
        return f"open for {took}"
    return _wrong(state, one).splitlines()[0] if _wrong(state, one) else "people are asked"


def _wrong(state: State, one: Escalation) -> str:
    if one.message:
        return one.message
    failure = next((f for f in _failures(state)), None)
    if failure is not None:
        return f"{failure.title} {failure.status}: {'; '.join(failure.why)}"[:LINE_MAX_CHARS]
    if one.key == STATUS:
        now = [s.title for s in state.steps.values() if s.status == "running" and s.body is None]
        return f"It goes on: {', '.join(now)}" if now else "It goes on"
    return ""


def _failures(state: State) -> list[StepState]:
    bad = [s for s in state.steps.values() if s.status in ("failed", "errored", "unknown")]
    return [s for s in bad if isinstance(s.entry, Call)]


def _lines(state: State, verb: str) -> list[str]:
    found = []
    for step in state.steps.values():
        entry = step.entry
        if not isinstance(entry, Call) or entry.verb != verb or step.status not in SIGNS:
            continue
        why = f": {'; '.join(step.why)}" if step.why else ""
        found.append(f"{SIGNS[step.status]} {step.title}{why}"[:LINE_MAX_CHARS])
    if len(found) > LINES_MAX:
        return [f"({len(found) - LINES_MAX} earlier)", *found[-LINES_MAX:]]
    return found


def _asked(state: State, one: Escalation, level: int) -> str:
    if one.key == STATUS:
        return ""
    step = state.steps.get(one.key)
    holds = one.key != OWN and step is not None and isinstance(step.entry, Escalate)
    waits = holds and one.wait
    if one.acknowledged is not None:
        return f"{one.acknowledged['by']} took it, and it is not resolved: ask if you are needed"
    asked = "Take it, or somebody else is called"
    if level >= len(one.levels):
        asked = "Take it: nobody is called behind you"
    if waits:
        asked += "; the run waits until somebody does"
    if state.finished is not None:
        asked += f". The run ended {state.finished['outcome']}"
    return f"{asked}: runbook ack {state.run}"


def _by_us(state: State, one: Escalation, level: int) -> int | None:
    """By when the reader of a level is to act: when it is due that the next are told."""
    if one.acknowledged is not None:
        return None
    if level < len(one.levels) and one.key != STATUS:
        return state.now_us + int(one.levels[level]["after_us"])
    within_us = (state.telling or {}).get("respond_within_us")
    if within_us is None and state.runbook.respond_within_s is not None:
        within_us = state.runbook.respond_within_s * 1e6
    return None if within_us is None else state.now_us + round(within_us)
