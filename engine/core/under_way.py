"""What a run that somebody drives waits for, and until when: for whoever would have it go on."""

from __future__ import annotations

from collections.abc import Iterator

from engine.clock import to_datetime
from engine.core.held import calls, holding, why_of
from engine.core.state import State
from engine.core.tree import StepState
from engine.language.model import Call, Escalate, Wait

NAMED_MAX = 3
"""Of what is open at once: the view of the run has all of it."""


def waits_for(state: State, now_us: int) -> str:
    """In a line, with nothing to stop at its end."""
    if state.queued:
        return "it waits in line, for what another run holds"
    if holding(state):
        return f"it cannot be gone on with here: {why_of(state)}"
    said = [text for step in state.steps.values() if (text := _open(step, now_us))]
    if state.finished is not None or not said:
        said = [*said, *_called(state, now_us)]
    if state.finished is not None:
        said = ["its steps are over", *said]
    more = [f"{len(said) - NAMED_MAX} more"] if len(said) > NAMED_MAX else []
    return "; ".join([*said[:NAMED_MAX], *more]) or "its next step is about to begin"


def when(at_us: int, now_us: int) -> str:
    """With its day where that is another one."""
    at, now = to_datetime(at_us), to_datetime(now_us)
    day = "" if at.date() == now.date() else "%Y-%m-%d "
    return at.strftime(f"{day}%H:%M:%S UTC")


def _open(step: StepState, now_us: int) -> str:
    """Of a step that was begun and is not over; empty of others, and of what holds steps."""
    if step.status == "unknown" and step.body is None:
        return f"`{step.title}` is in doubt, and waits for `runbook settle`"
    if step.status != "running" or step.body is not None:
        return ""
    if step.in_flight:
        return f"`{step.title}` is being {'done' if step.is_action else 'asked'}"
    return _waiting(step, now_us)


def _waiting(step: StepState, now_us: int) -> str:
    if step.approval is not None and step.attempt == 0:
        end_us = step.approval.expires_us
        until = f" until {when(end_us, now_us)}" if end_us is not None else ""
        return f"`{step.title}` waits for approval{until}"
    if isinstance(step.entry, Escalate):
        waits = step.plan.get("wait") is not None
        return f"`{step.title}` " + ("waits for somebody to take it" if waits else "tells people")
    if step.asks_person:
        return f"`{step.title}` waits for an answer"
    if step.next_us is None:
        return ""
    if isinstance(step.entry, Wait):
        return f"`{step.title}` waits until {when(step.next_us, now_us)}"
    again = "asked" if isinstance(step.entry, Call) and step.entry.verb == "check" else "tried"
    return f"`{step.title}` is {again} again at {when(step.next_us, now_us)}"


def _called(state: State, now_us: int) -> Iterator[str]:
    """Whom it calls by time."""
    for one in state.escalations.values():
        if not calls(one):
            continue
        if one.level < len(one.levels):
            yield f"level {one.level + 1} of {len(one.levels)} is called at " + when(
                one.due_us, now_us
            )
        elif one.until_us is not None:
            yield f"whoever was called has until {when(one.until_us, now_us)} to take it"
