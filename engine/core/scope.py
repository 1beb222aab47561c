"""The names an expression sees at one place of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.clock import to_datetime, to_iso
from engine.core.tree import Frame, Scope
from engine.language.model import Runbook, walk_runbook
from engine.language.template import StepView

if TYPE_CHECKING:
    from engine.core.state import State


def unreached(runbook: Runbook) -> Mapping[str, StepView]:
    """A view of every named step of a runbook as it is before it is reached."""
    found = _UNREACHED.get(runbook.digest)
    if found is None:
        ids = (entry.id for entry in walk_runbook(runbook) if entry.named)
        found = {i: StepView(i, "skipped", None, "it was not reached") for i in ids}
        if len(_UNREACHED) >= _UNREACHED_MAX:
            _UNREACHED.clear()
        _UNREACHED[runbook.digest] = found
    return found


_UNREACHED: dict[str, Mapping[str, StepView]] = {}
_UNREACHED_MAX = 256
"""Runbooks whose views are kept: a process runs few different ones. A bound, not a need."""


def names(state: State, scope: Scope, **more: Any) -> dict[str, Any]:
    """Everything an expression in this scope may name. `now` is the time of the last event."""
    found: dict[str, Any] = dict(unreached(scope.frame.runbook))
    chain: list[Scope] = []
    inner: Scope | None = scope
    while inner is not None:
        chain.append(inner)
        inner = inner.parent
    for one in reversed(chain):
        found.update(one.names)
    found["inputs"] = scope.frame.inputs
    found["event"] = state.event
    found["run"] = facts(state, scope.frame)
    found["now"] = to_datetime(state.now_us)
    found.update(more)
    return found


def facts(state: State, frame: Frame) -> dict[str, Any]:
    """The name `run`: id, name, started_at (ISO, UTC), environment, actor, mode."""
    return {
        "id": state.run,
        "name": frame.runbook.name,
        "started_at": to_iso(state.started_us),
        "environment": state.environment,
        "actor": state.actor.get("name"),
        "mode": state.mode,
    }
