"""From a runbook and an environment to what the store is asked: may this run begin now?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.clock import MICROSECONDS, to_iso
from engine.config import Environment
from engine.config.freeze import closed_times
from engine.core.events import Actor
from engine.core.guards import QUEUE_S, Admission, Closed, Lock, Rules
from engine.errors import Usage
from engine.language.model import Runbook
from engine.language.template import render

LOCK_MAX_CHARS = 200
"""Of the name of a lock, rendered: it stands in messages."""


def rules_of(runbook: Runbook, scope: Mapping[str, Any], closed: tuple[Closed, ...]) -> Rules:
    """The guards of a runbook, rendered in this scope: inputs, event, run. Raises Usage."""
    given: Mapping[str, Any] = runbook.guards.rules if runbook.guards is not None else {}
    most = given.get("max_runs") or {}
    breaker = given.get("breaker") or {}
    return Rules(
        lock=_lock(given.get("lock"), scope),
        cooldown_us=_us(given["cooldown"]) if "cooldown" in given else None,
        max_runs=most.get("count"),
        per_us=_us(most.get("per", 0)),
        breaker_after=breaker.get("after"),
        breaker_reset_us=_us(breaker.get("reset", 0)),
        closed=closed,
    )


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _lock(given: Mapping[str, Any] | None, scope: Mapping[str, Any]) -> Lock | None:
    if given is None:
        return None
    key = render(given["key"], scope)
    text = key if isinstance(key, str) else str(key)
    if not text.strip():
        raise Usage("the lock of this run has no name: its template renders to nothing")
    if len(text) > LOCK_MAX_CHARS:
        raise Usage(f"the lock of this run has a name of {len(text)} characters: {text[:40]}...")
    return Lock(text, given.get("when_taken", "queue"))


def asked_for(
    runbook: Runbook, place: Environment, body: Mapping[str, Any], begin: tuple[str, int, Actor]
) -> Admission:
    """What the guards are asked for a run that begins with this body; `begin`: its id, the time,
    and who asks. Raises TemplateProblem, Usage.
    """
    run, at_us, actor = begin
    facts = {
        "id": run,
        "name": runbook.name,
        "started_at": to_iso(at_us),
        "environment": place.name,
        "actor": actor.name,
        "mode": body["mode"],
    }
    scope = {"inputs": body["inputs"], "event": body["event"], "run": facts}
    closed = closed_times(place.windows, at_us, at_us + QUEUE_S * MICROSECONDS)
    rules = rules_of(runbook, scope, closed)
    return Admission(runbook.name, place.name, rules, acts(runbook), body.get("through"))


def acts(runbook: Runbook) -> bool:
    """Whether a run of it would change anything."""
    from engine.wiring.admission import calls  # noqa: PLC0415 - it imports this module

    return any(call.verb == "action" for call in calls(runbook))
