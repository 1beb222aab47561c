"""An approval that nobody gave in time: the step fails, and people hear that it waits undone."""

from __future__ import annotations

from collections.abc import Iterator

from engine.core.approval import Approval
from engine.core.effects import Record
from engine.core.escalate import DEFAULT_POLICY
from engine.core.state import State
from engine.core.tree import StepState
from engine.language.model import Choose, Entry, Escalate, Group, Runbook

Handler = tuple[Entry, ...]


def expired(state: State, step: StepState, approval: Approval) -> Record:
    """Whoever is on call hears of it: by what handles the failure, where that begins with it."""
    why = f"nobody approved it in time ({len(approval.given)} of {approval.count} did)"
    policy: str | None = policy_of(state.runbook)
    runbook = step.block.scope.frame.runbook
    if (state.telling or {}).get("handlers_tell") and told_by_handler(runbook, step.entry, policy):
        policy = None
    message = f"`{step.title}` is not done: {why}"
    body = {"path": step.path, "why": why, "policy": policy, "message": message}
    return Record("ApprovalExpired", body)


def policy_of(runbook: Runbook) -> str:
    """By which policy people hear that something was not approved in time."""
    return runbook.escalation.policy if runbook.escalation is not None else DEFAULT_POLICY


def told_by_handler(runbook: Runbook, entry: Entry, policy: str | None) -> bool:
    """Whether the failure of a step is told by a policy at once and in any case: what handles it
    begins with that. What the caller of a runbook does about it is not known here.
    """
    found = [handler for one, handler in _handled(runbook) if one is entry]
    return any(_tells(handler, policy) for handler in found)


def _tells(handler: Handler, policy: str | None) -> bool:
    first = handler[0] if handler else None
    return isinstance(first, Escalate) and first.policy == policy and first.when is None


def _handled(runbook: Runbook) -> Iterator[tuple[Entry, Handler]]:
    """Every step, with what is done first when it fails; empty: nothing, or something else before
    it.
    """
    for name, block in runbook.blocks():
        yield from _in(block, runbook.on_failure if name == "steps" else ())


def _in(block: Handler, around: Handler) -> Iterator[tuple[Entry, Handler]]:
    for entry in block:
        mine = around if entry.on_failure == "stop" else ()
        if isinstance(entry.on_failure, tuple):
            mine = entry.on_failure
        yield entry, mine
        for name, inner in entry.blocks():
            yield from _in(inner, mine if _is_one_by_one(entry, name) else ())


def _is_one_by_one(entry: Entry, name: str) -> bool:
    """Whether a failure inside is a failure of the entry at once."""
    if isinstance(entry, Group):
        return name == "steps" and (not entry.always or isinstance(entry.on_failure, tuple))
    return isinstance(entry, Choose) and name != "on_failure"
