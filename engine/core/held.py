"""A run that cannot be gone on with as things are: a connection points elsewhere than it did, an
environment or a secret is missing. None of its steps is gone on with, it did not fail, and people
hear of it: by what it calls them for already, else by an escalation of its own, once.

Whether it is held is in the `RunTakenUp` of whoever drives it. A cancel is heeded all the same: it
is a person's word that nothing more is to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.core.effects import Decision, Record
from engine.core.summons import STATUS, Escalation

if TYPE_CHECKING:
    from engine.core.state import State

HELD = "held#"
"""What the escalations of this begin with: no step has such a path."""

GOES_ON = "It can be gone on with here again, and goes on"


def holding(state: State) -> bool:
    """Whether none of its steps is gone on with."""
    return state.held is not None and state.cancelled is None


def mute(state: State) -> bool:
    """Whether nobody can be called either: what is due is called once that is put right."""
    return holding(state) and bool((state.held or {}).get("mute"))


def taken_up(state: State, now: Mapping[str, Any] | None) -> bool:
    """Somebody drives it; `now`: why it is held. Whether it was, and is not any more."""
    before, state.held = state.held, now
    if now is None:
        return before is not None
    state.holds += before is None
    if not now.get("mute") and (before is None or before.get("mute")):
        state.hold_calls = not any(calls(one) for one in state.escalations.values())
    return False


def is_hold(one: Escalation) -> bool:
    return one.key.startswith(HELD)


def is_over(state: State, one: Escalation) -> bool:
    """Whether this is told of a hold, and that is over."""
    return is_hold(one) and (state.held is None or one.key != key_of(state))


def key_of(state: State) -> str:
    return f"{HELD}{state.holds}"


def calls(one: Escalation) -> bool:
    """Whether somebody is called by it, or will be."""
    passive = one.key == STATUS or bool(one.question)
    done = one.closed is not None or one.acknowledged is not None or one.exhausted
    return not (passive or done)


def call(state: State, policy: str, out: Decision) -> None:
    """People hear that it cannot be gone on with, where nothing called them when that began."""
    if holding(state) and state.hold_calls and key_of(state) not in state.escalations:
        body = {"escalation": key_of(state), "policy": policy, "message": message(state)}
        why = f"it cannot be gone on with here: {why_of(state)}"
        out.record.append(Record("EscalationStarted", {**body, "why": why}))


def why_of(state: State) -> str:
    return str((state.held or {}).get("why", ""))


def mend_of(state: State) -> str:
    """What puts it right; empty in journals of older engines."""
    return str((state.held or {}).get("mend", ""))


def message(state: State) -> str:
    """What people are told, the first line being the title."""
    cut = [s.title for s in state.steps.values() if s.interrupted and s.is_action]
    lines = [
        f"{state.runbook.title}: this run cannot be gone on with here",
        why_of(state),
        "Nothing was done since. It has not failed: it goes on once that is put right",
        f"Or end it: runbook cancel {state.run} --reason '...'",
    ]
    if mend := mend_of(state):
        lines.insert(2, f"To put it right: {mend}")
    if cut:
        named = ", ".join(f"`{title}`" for title in cut)
        lines.insert(2, f"Cut short before, so that it may or may not have happened: {named}")
    return "\n".join(lines)
