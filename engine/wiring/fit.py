"""May a run that is taken up perform its steps here?

One that has steps left is not gone on with where a connection points elsewhere, or is gone: that is
refused, or people are called for it by whoever goes on driving it (`engine.wiring.held`). One that
is over has none left, but may have people to call, and they are called whatever became of the
targets; should somebody undo it meanwhile, or end one that is held by cancelling it, each of its
steps says why it may not be done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.config import Environment
from engine.core.judge import Outcome
from engine.core.state import State
from engine.errors import RunbookError
from engine.runner.connections import Connections
from engine.runner.given import Performing
from engine.wiring.admission import SANDBOX, check_targets, same_targets, targets


def unfit(state: State, place: Environment, connections: Connections) -> RunbookError | None:
    """Why no step of a run may be performed here; None where it may."""
    try:
        check_targets(state.runbook, place)
        now = connections.fingerprints(targets(state.runbook))
        if state.environment != SANDBOX:
            same_targets(state.connections, now)
    except RunbookError as error:
        connections.learn(targets(state.runbook))
        return error
    return None


def barred(why: str) -> Performing:
    """Performs nothing, and says why."""

    async def perform(_body: Mapping[str, Any], _progress: Callable[[str], None]) -> Outcome:
        message = f"nothing is done there any more: {why}"
        error: dict[str, Any] = {"message": message, "help": None}
        error |= {"kind": "refused", "maybe_done": False, "retryable": False, "detail": {}}
        return Outcome(None, error, 0.0)

    return perform
