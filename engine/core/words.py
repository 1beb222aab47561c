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
        "title": _title(state, one)[:LINE_MAX_CHARS],
        "policy": policy,
        "level": level,
        "wrong": _wrong(state, one),
        "found": found,
        "done": done,
        "asked": _asked(state, one, level),
        "runbook": state.runbook.name,
        "environment": state.environment,
        "severity": state.runbook.severity or "",
        "by_us": _by_us(state, one),
    }


def following(
    state: State, one: Escalation, kind: str, said: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What is said where people were told before: the words of then, who took it meanwhile, and how
    the run ended.
    """
    if kind not in ("acknowledged", "resolved"):
        return said
    found = dict(said)
    if (taken := one.acknowledged) is not None:
        found |= {"taken_by": taken["by"], "note": taken["note"], "taken_us": taken["at_us"]}
    if kind == "resolved" and (end := state.finished) is not None:
        after = format_duration(round((state.ended_us - state.started_us) / 1e6))
        found |= {"outcome": end["outcome"], "because": end["because"] or "", "after": after}
        found |= {"found": _lines(state, "check"), "done": _lines(state, "action")}
        if one.key == STATUS:
            found["wrong"] = ""  # it stood so once
    return found


def _title(state: State, one: Escalation) -> str:
    if one.key == STATUS:
        return state.runbook.title
    wrong = _wrong(state, one).partition("\n")[0].removeprefix(f"{state.runbook.title}: ")
    return f"{state.runbook.title}: {wrong or 'people are asked'}"


def _wrong(state: State, one: Escalation) -> str:
    if one.key == STATUS:
        return _stands(state)
    if one.message:
        return one.message
    failure = next((f for f in _failures(state)), None)
    if failure is not None:
        return f"{failure.title} {failure.status}: {'; '.join(failure.why)}"[:LINE_MAX_CHARS]
    return ""


def _stands(state: State) -> str:
    """How a run stands: how long it is open, who has it, what it is at."""
    took = format_duration(round((state.now_us - state.started_us) / 1e6))
    calls = [one for one in state.escalations.values() if one.key != STATUS and one.level]
    taken = {one.acknowledged["by"] for one in calls if one.acknowledged is not None}
    word = f", {' and '.join(sorted(taken))} took it" if taken else ""
    if any(one.acknowledged is None and one.closed is None for one in calls):
        word += ", people are called and nobody took it yet" if not taken else ""
    running = [s for s in state.steps.values() if s.status == "running" and s.body is None]
    now = [s.title for s in running if s.entry.title or s.entry.named]
    at = f"\nUnder way: {', '.join(now)}"[:LINE_MAX_CHARS] if now else ""
    return f"Open for {took}{word}{at}"


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
    asked = "Take it, or somebody else is called"
    if level >= len(one.levels):
        asked = "Take it: nobody is called behind you"
    if waits:
        asked += "; the run waits until somebody does"
    if state.finished is not None:
        asked = f"The run ended {state.finished['outcome']}. {asked}"
    return f"{asked}: runbook ack {state.run}"


def _by_us(state: State, one: Escalation) -> int | None:
    """By when the reader is to act: when it is due that the next are told."""
    if one.level < len(one.levels) and one.key != STATUS:
        return state.now_us + int(one.levels[one.level]["after_us"])
    within_s = state.runbook.respond_within_s
    return None if within_s is None else state.now_us + round(within_s * 1e6)
