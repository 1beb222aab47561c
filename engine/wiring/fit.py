"""May a run that is taken up perform its steps here?

One that has steps left may not be taken up where a connection points elsewhere, or is gone: that is
refused. One that is over has none left, but may have people to call, and they are called whatever
became of the targets; should somebody undo it meanwhile, each of its steps says why it may not be
done.
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


def unfit(state: State, place: Environment, connections: Connections) -> str | None:
    """Why no step of a run that is over may be performed here; None where it may, or where steps
    are left. Raises Diagnosed, Usage, Refused instead where steps are left.
    """
    try:
        check_targets(state.runbook, place)
        now = connections.fingerprints(targets(state.runbook))
        if state.environment != SANDBOX:
            same_targets(state.connections, now)
    except RunbookError as error:
        if state.acting:
            raise
        connections.learn(targets(state.runbook))
        return error.message
    return None


def barred(why: str) -> Performing:
    """Performs nothing, and says why."""

    async def perform(_body: Mapping[str, Any], _progress: Callable[[str], None]) -> Outcome:
        message = f"nothing is done there any more: {why}"
        error: dict[str, Any] = {"message": message, "help": None}
        error |= {"kind": "refused", "maybe_done": False, "retryable": False, "detail": {}}
        return Outcome(None, error, 0.0)

    return perform
