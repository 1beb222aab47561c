"""The names an expression sees at one place of a run."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.clock import to_datetime, to_iso
from engine.core.tree import Frame, Scope, StepState
from engine.language.model import Runbook, walk_runbook
from engine.language.template import StepView

if TYPE_CHECKING:
    from engine.core.state import State


def unreached(runbook: Runbook) -> dict[str, StepView]:
    """A view of every named step of a runbook as it is before it is reached."""
    found = _UNREACHED.get(runbook.digest)
    if found is None:
        ids = (entry.id for entry in walk_runbook(runbook) if entry.named)
        found = {i: StepView(i, "skipped", None, "was not reached") for i in ids}
        if len(_UNREACHED) >= _UNREACHED_MAX:
            _UNREACHED.clear()
        _UNREACHED[runbook.digest] = found
    return found


_UNREACHED: dict[str, dict[str, StepView]] = {}
_UNREACHED_MAX = 256
"""Runbooks whose views are kept: a process runs few different ones. A bound, not a need."""


def names(state: State, scope: Scope, **more: Any) -> ChainMap[str, Any]:
    """Everything an expression in this scope may name. `now` is the time of the last event.

    Nothing is copied: an expression looks up a few names, of steps there may be thousands.
    """
    own = {
        "inputs": scope.frame.inputs,
        "event": state.event,
        "run": facts(state, scope.frame),
        "now": to_datetime(state.now_us),
        **more,
    }
    layers: list[Any] = [own]
    inner: Scope | None = scope
    while inner is not None:
        layers.append(inner.names)
        inner = inner.parent
    return ChainMap(*layers, unreached(scope.frame.runbook))


def view_of(step: StepState) -> StepView | None:
    """A step as the expressions after it see it; None before it has ended."""
    scope = step.block.scope.keeping
    found = scope.names.get(step.entry.id)
    return found if isinstance(found, StepView) else None


FACTS_MAX = 2048
"""Runs whose facts are kept: more do not go on at once in one process. A bound, not a need."""


def facts(state: State, frame: Frame) -> Mapping[str, Any]:
    """The name `run`: id, name, started_at (ISO, UTC), environment, actor, mode."""
    actor = state.actor.get("name")
    name = frame.runbook.name
    return _facts(state.run, name, state.started_us, state.environment, (actor, state.mode))


@lru_cache(maxsize=FACTS_MAX)
def _facts(
    run: str, name: str, started_us: int, environment: str, rest: tuple[str | None, str]
) -> Mapping[str, Any]:
    # Of runs that go on now the same is asked at every step; expressions never change a scope.
    actor, mode = rest
    return {
        "id": run,
        "name": name,
        "started_at": to_iso(started_us),
        "environment": environment,
        "actor": actor,
        "mode": mode,
    }
